/* backup_file: see the header. */
#include "nodes/backup_file.h"

#include "runtime/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reading {
    FILE *file;
    const char *path;
    uint8_t *block; /* SNAPSHOT_BLOCK_BYTES_MAX */
    size_t size;
};

static enum status read_bytes(struct reading *reading, uint8_t *to, size_t size, struct error *error)
{
    if (fread(to, 1, size, reading->file) == size) return STATUS_OK;
    if (ferror(reading->file)) {
        return error_set(error, STATUS_IO, "read %s: %s", reading->path, strerror(errno));
    }
    return error_set(error, STATUS_CORRUPT, "%s ends too early", reading->path);
}

static enum status read_block(struct reading *reading, struct error *error)
{
    enum status status = read_bytes(reading, reading->block, SNAPSHOT_BLOCK_HEAD_BYTES, error);
    if (status == STATUS_OK) status = snapshot_block_size(reading->block, &reading->size, error);
    if (status != STATUS_OK) return status;
    return read_bytes(reading, reading->block + SNAPSHOT_BLOCK_HEAD_BYTES,
                      reading->size - SNAPSHOT_BLOCK_HEAD_BYTES, error);
}

static enum status read_stream(struct reading *reading, const struct backup_visitor *visitor,
                               struct snapshot_progress *progress, struct error *error)
{
    struct snapshot_header header;
    enum snapshot_block_type type = 0;
    enum status status = read_block(reading, error);
    if (status == STATUS_OK) status = snapshot_header_read(reading->block, reading->size, &header, error);
    if (status == STATUS_OK) status = visitor->on_header(visitor->context, &header, error);
    while (status == STATUS_OK) {
        status = snapshot_read(progress, &header, reading->block, reading->size, visitor->on_record,
                               visitor->context, &type, error);
        if (status == STATUS_OK && type == SNAPSHOT_BLOCK_END) break;
        if (status == STATUS_OK && type == SNAPSHOT_BLOCK_CHUNK)
            status = visitor->on_chunk(visitor->context, progress, error);
        if (status == STATUS_OK) status = read_block(reading, error);
    }
    if (status == STATUS_OK && fgetc(reading->file) != EOF)
        status = error_set(error, STATUS_CORRUPT, "%s goes on after its end", reading->path);
    return status;
}

enum status backup_file_read(const char *path, const struct backup_visitor *visitor,
                             struct snapshot_progress *out_progress, struct error *error)
{
    struct reading reading = { .path = path, .file = fopen(path, "rbe") };
    if (reading.file == NULL) {
        enum status why = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return error_set(error, why, "open %s: %s", path, strerror(errno));
    }
    struct snapshot_progress progress = { 0 };
    reading.block = memory_alloc(SNAPSHOT_BLOCK_BYTES_MAX);
    enum status status = read_stream(&reading, visitor, &progress, error);
    if (status == STATUS_CORRUPT) {
        error_wrap(error, "%s", path);
        error_hint(error, "take another backup; nothing was changed");
    }
    memory_free(reading.block);
    (void)fclose(reading.file);
    if (status == STATUS_OK) *out_progress = progress;
    return status;
}
