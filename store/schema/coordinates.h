/* coordinates: group:artifact:version, as Maven writes them, in a strict character set, so that they can
 * stand in keys, paths and URLs without quoting: letters, digits, `_`, `-`, `.` (in a version `+` too),
 * starting and ending with a letter or digit, never `..`. */
#ifndef AETHER_STORE_SCHEMA_COORDINATES_H
#define AETHER_STORE_SCHEMA_COORDINATES_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    COORDINATES_GROUP_MAX = 120,   /* All with the terminating 0. */
    COORDINATES_ARTIFACT_MAX = 64, /* Also of an entry point's name. */
    COORDINATES_VERSION_MAX = 64,
    COORDINATES_TEXT_MAX = 256, /* group:artifact:version */
};

struct coordinates {
    char group[COORDINATES_GROUP_MAX];
    char artifact[COORDINATES_ARTIFACT_MAX];
    char version[COORDINATES_VERSION_MAX]; /* "" = none given. */
};

enum coordinates_form {
    COORDINATES_EXACT,    /* All three, an exact version: what keys and allocations hold. */
    COORDINATES_WANTED,   /* All three; the version may be LATEST, RELEASE or a range "[1.0,2.0)". */
    COORDINATES_ANY,      /* group:artifact, or an exact version behind it. */
    COORDINATES_NO_BOUND, /* Exactly group:artifact. */
};

/* INVALID, naming the part that is wrong; what stands in `text` is quoted safely. */
MUST_CHECK enum status coordinates_parse(const char *text, enum coordinates_form form,
                                         struct coordinates *out_coordinates, struct error *error);
/* One part by the rules above; `size_max` counts the terminating 0. */
bool coordinates_part_is_valid(const char *text, size_t size_max);
bool coordinates_version_is_valid(const char *version); /* An exact one. */
/* Does group:artifact[:version] mean this exact artifact? */
bool coordinates_match(const struct coordinates *wanted, const char *artifact);
/* group:artifact[:version]/entry; `out_entry` is COORDINATES_ARTIFACT_MAX large. */
MUST_CHECK enum status coordinates_parse_target(const char *text, struct coordinates *out_coordinates,
                                                char *out_entry, struct error *error);

#endif
