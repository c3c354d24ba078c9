/* metadata: reads a repository's maven-metadata.xml, as Maven's deploy plugin writes it ("Maven Repository
 * Metadata" reference): which versions of an artifact there are, or which files a -SNAPSHOT version stands
 * for at the moment. Elements that we don't know are stepped over. */
#ifndef AETHER_WIRE_MAVEN_METADATA_H
#define AETHER_WIRE_MAVEN_METADATA_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    METADATA_DEPTH_MAX = 32,      /* Of nested elements. */
    METADATA_VERSIONS_MAX = 8192, /* Of an artifact; and so many files of a snapshot. */
    METADATA_TEXT_MAX = 256,      /* Bytes of a value. */
};

/* One file of a snapshot: artifact-{value}[-{classifier}].{extension} */
struct metadata_file {
    const char *classifier; /* "" = none. */
    const char *extension;
    const char *value; /* 1.2-20261121.101500-3 */
};

/* Strings are the arena's; one that the document doesn't have is "". */
struct metadata {
    const char *latest;
    const char *release;
    const char **versions; /* As they are listed. */
    uint32_t version_count;
    const char *timestamp; /* Of a snapshot: 20261121.101500; */
    const char *build;     /* and its build number: 3. */
    struct metadata_file *files;
    uint32_t file_count;
};

/* INVALID, naming the line: it is no XML, has a document type (entities are not ours to expand), or goes
 * beyond the bounds above. */
MUST_CHECK enum status metadata_parse(const void *data, size_t size, struct arena *arena,
                                      struct metadata *out_metadata, struct error *error);

#endif
