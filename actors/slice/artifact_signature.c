/* artifact_signature: one signature, any of the trusted keys. */
#include "actors/slice/artifact_signature.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>

enum { PATH_SIZE = 1100 };

static bool kept_path(char to[PATH_SIZE], const char *path, const char *suffix)
{
    int length = snprintf(to, PATH_SIZE, "%s%s", path, suffix);
    return length > 0 && length < PATH_SIZE;
}

/* All of it, or as much as `size_max`; `text` is the caller's also after an error. */
static enum status read_file(const struct file_port *files, const char *path, uint64_t size_max,
                             struct text *text, struct error *error)
{
    enum { STEP = 64 * 1024 };
    struct file file;
    enum status status = files->open(files->context, path, FILE_READ, &file, error);
    if (status != STATUS_OK) return status;
    uint8_t *buffer = memory_alloc(STEP);
    for (size_t count = 1; count > 0 && text->size < size_max;) {
        status = files->read(files->context, &file, buffer, STEP, &count, error);
        if (status != STATUS_OK) break;
        text_add_bytes(text, buffer, count);
    }
    memory_free(buffer);
    files->close(files->context, &file);
    return status;
}

enum status artifact_signature_check(const struct artifact_trust *trust, const struct file_port *files,
                                     const char *path, const void *signature, size_t signature_size,
                                     struct error *error)
{
    struct signature parsed;
    struct text content = { 0 };
    if (signature_read(signature, signature_size, &parsed, error) != STATUS_OK) {
        error->status = STATUS_CORRUPT;
        return error_wrap(error, ".sig");
    }
    enum status status = read_file(files, path, UINT64_MAX, &content, error);
    bool good = false;
    for (uint32_t i = 0; status == STATUS_OK && !good && i < trust->key_count; i++)
        good = signature_check(&trust->keys[i], text_string(&content), content.size, &parsed);
    text_fini(&content);
    if (status != STATUS_OK || good) return status;
    return error_set(error, STATUS_CORRUPT, "its signature is by none of the %u trusted keys",
                     trust->key_count);
}

enum status artifact_signature_keep(const struct file_port *files, const char *path, const void *signature,
                                    size_t signature_size, struct error *error)
{
    char kept[PATH_SIZE], part[PATH_SIZE];
    struct file file;
    if (!kept_path(kept, path, ".sig") || !kept_path(part, path, ".sig.part"))
        return error_set(error, STATUS_IO, "the path of the cache is too long");
    enum status status = files->remove(files->context, part, error);
    if (status == STATUS_OK) status = files->open(files->context, part, FILE_CREATE, &file, error);
    if (status != STATUS_OK) return status;
    status = files->write(files->context, &file, signature, signature_size, error);
    if (status == STATUS_OK) status = files->sync(files->context, &file, error);
    files->close(files->context, &file);
    if (status == STATUS_OK) status = files->rename(files->context, part, kept, error);
    return status;
}

enum status artifact_signature_check_kept(const struct artifact_trust *trust, const struct file_port *files,
                                          const char *path, struct error *error)
{
    char kept[PATH_SIZE];
    struct text signature = { 0 };
    if (!kept_path(kept, path, ".sig"))
        return error_set(error, STATUS_IO, "the path of the cache is too long");
    enum status status = read_file(files, kept, SIGNATURE_FILE_MAX, &signature, error);
    if (status == STATUS_OK)
        status = artifact_signature_check(trust, files, path, text_string(&signature), signature.size, error);
    text_fini(&signature);
    return status;
}
