/* version_choice: which exact version LATEST, RELEASE, a range or a -SNAPSHOT means, from what repositories
 * list (product.md section 3). Pure; decided once, when a blueprint is published. */
#ifndef AETHER_ACTORS_SLICE_VERSION_CHOICE_H
#define AETHER_ACTORS_SLICE_VERSION_CHOICE_H

#include "store/schema/coordinates.h"
#include "wire/maven/metadata.h"

#include <stdbool.h>

bool version_choice_is_open(const char *wanted); /* LATEST, RELEASE or a range. */

/* Replaces `best` ("" = none yet) by the version of this repository that `wanted` means, if it is a higher
 * one. LATEST: what the repository calls so, else its highest; RELEASE: likewise, without snapshots; a range:
 * the highest in it that is released. What can't be a version is stepped over. */
void version_choice_offer(const char *wanted, const struct metadata *metadata,
                          char best[COORDINATES_VERSION_MAX]);

/* "2.0-SNAPSHOT" -> "2.0-20261121.160117-2": the newest .so with this classifier. false: the repository lists
 * none. */
bool version_choice_dated(const char *snapshot, const struct metadata *metadata, const char *classifier,
                          char dated[COORDINATES_VERSION_MAX]);

#endif
