/* maven_metadata_fuzz: what a repository sends is read within the bounds, or refused with a line. */
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/maven/metadata.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    if (metadata_parse(data, size, &arena, &metadata, &error) == STATUS_OK) {
        CHECK(metadata.version_count <= METADATA_VERSIONS_MAX);
        CHECK(metadata.file_count <= METADATA_VERSIONS_MAX);
        for (uint32_t i = 0; i < metadata.version_count; i++)
            CHECK(strlen(metadata.versions[i]) <= METADATA_TEXT_MAX);
        for (uint32_t i = 0; i < metadata.file_count; i++)
            CHECK(strlen(metadata.files[i].value) <= METADATA_TEXT_MAX);
    } else {
        CHECK(text_starts_with(error.message, "maven-metadata.xml, line "));
    }
    arena_fini(&arena);
    return 0;
}
