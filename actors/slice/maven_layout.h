/* maven_layout: where a repository keeps an artifact (product.md section 3):
 *
 *     {repository}/{group with / for .}/{artifact}/{version}/{artifact}-{version}[-{classifier}].so
 *
 * Coordinates come parsed (store/schema/coordinates.h): their characters need no quoting and can't climb out.
 */
#ifndef AETHER_ACTORS_SLICE_MAVEN_LAYOUT_H
#define AETHER_ACTORS_SLICE_MAVEN_LAYOUT_H

#include "runtime/crypto/digest.h"
#include "store/schema/coordinates.h"

#include <stdbool.h>

enum { MAVEN_URL_MAX = 2048 };

/* The platform's classifier first, then none. NULL: there are no more. */
const char *maven_classifier(unsigned index);
/* suffix: "", ".sha256", ... false: longer than MAVEN_URL_MAX. A dated snapshot lies in its -SNAPSHOT's
 * folder. */
bool maven_url(char url[MAVEN_URL_MAX], const char *repository, const struct coordinates *coordinates,
               const char *classifier, const char *suffix);
/* Where the repository lists the versions of group:artifact, or (with a -SNAPSHOT as version) its files. */
bool maven_metadata_url(char url[MAVEN_URL_MAX], const char *repository,
                        const struct coordinates *coordinates);
/* The digits of a checksum file, in lower case: "HEX", "HEX  name" as sha256sum writes it, "SHA256 (name) =
 * HEX" as BSD's tools and openssl do. false: it isn't one of this kind. */
bool maven_checksum(const void *data, size_t size, enum digest_kind kind, char text[DIGEST_TEXT_MAX]);
/* An ELF shared object for this processor, by its header. INVALID otherwise. */
MUST_CHECK enum status maven_check_object(const void *head, size_t size, struct error *error);
enum { MAVEN_OBJECT_HEAD_SIZE = 20 };

#endif
