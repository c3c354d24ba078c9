/* coordinate: what group, artifact and version may look like for who writes a project or a repository, and
 * the classifier of this platform (product.md section 3). A node's own rule is store/schema/coordinates.h; a
 * test holds both to the same answers. */
#ifndef AETHER_WIRE_MAVEN_COORDINATE_H
#define AETHER_WIRE_MAVEN_COORDINATE_H

#include <stdbool.h>

#if defined(__x86_64__)
#define COORDINATE_PLATFORM "linux-x86_64"
#elif defined(__aarch64__)
#define COORDINATE_PLATFORM "linux-aarch64"
#else
#error "which platform is this? (product.md section 3 knows linux-x86_64 and linux-aarch64)"
#endif

enum coordinate_part { COORDINATE_GROUP, COORDINATE_ARTIFACT, COORDINATE_VERSION };

/* Letters and digits, and between them . - _ (in a version + too), no two dots: nothing that a path, a URL or
 * a shell reads as more than a name. */
bool coordinate_is_good(const char *text, enum coordinate_part part);

#endif
