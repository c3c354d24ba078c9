/* version: the order of versions and their ranges, as Maven has them ("Version Order Specification" and
 * "Dependency Version Requirement Specification" of Maven's POM reference). Pure. */
#ifndef AETHER_STORE_SCHEMA_VERSION_H
#define AETHER_STORE_SCHEMA_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* < 0, 0, > 0. Any two strings are comparable; "1.0" and "1" are equal. Case doesn't count. What follows the
 * 64th part of a version isn't looked at. */
int version_compare(const char *a, const char *b);

/* "1.2-SNAPSHOT": not released yet, its bytes change. */
bool version_is_snapshot(const char *version);
/* The length of what stands before the date in "1.2-20261121.160117-2", one state of 1.2-SNAPSHOT as a
 * repository names its files; 0: it is no such version. */
size_t version_dated_length(const char *version);

/* One or more of "[1.0,2.0)", "[1.0,)", "(,2.0]", "[1.2]", joined by commas: brackets include the bound,
 * parentheses don't, a missing bound is none. */
bool version_is_range(const char *text);
/* Is `version` inside? `range` must be one. As in Maven a range says nothing of snapshots: "[1.0,2.0)"
 * holds 2.0-SNAPSHOT, because that is less than 2.0. */
bool version_range_contains(const char *range, const char *version);

#endif
