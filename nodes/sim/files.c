/* files: paths to contents. Folders are not kept: a path is in a folder if it begins so. */
#include "nodes/sim/files.h"

#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <string.h>

enum { OPEN_MAX = 64 };

struct stored {
    struct text content;
    int64_t modified_ns; /* Counts changes: an order, no time. */
    uint32_t links;      /* Its name, and whoever has it open. */
};

struct opened {
    struct stored *stored; /* NULL: free. */
    size_t position;
    enum file_mode mode;
};

struct sim_files {
    struct file_port port;
    struct map stored; /* Path -> struct stored * */
    struct opened opened[OPEN_MAX];
    int64_t changes;
};

static void unlink_stored(struct stored *stored)
{
    if (stored == NULL || --stored->links > 0) return;
    text_fini(&stored->content);
    memory_free(stored);
}

static struct stored *make(struct sim_files *files, const char *path)
{
    struct stored *stored = memory_zalloc(sizeof *stored);
    stored->links = 1;
    stored->modified_ns = ++files->changes;
    unlink_stored(map_put(&files->stored, path, stored));
    return stored;
}

/* --- the port ------------------------------------------------------------------------------------------- */

static enum status open_file(void *context, const char *path, enum file_mode mode, struct file *out_file,
                             struct error *error)
{
    struct sim_files *files = context;
    struct stored *stored = map_get(&files->stored, path);
    if (stored == NULL && mode == FILE_READ) return error_set(error, STATUS_NOT_FOUND, "open %s", path);
    if (stored != NULL && mode == FILE_CREATE) return error_set(error, STATUS_CONFLICT, "open %s", path);
    if (stored == NULL) stored = make(files, path);
    int number = 0;
    while (number < OPEN_MAX && files->opened[number].stored != NULL)
        number++;
    CHECK(number < OPEN_MAX);
    files->opened[number] = (struct opened){ .stored = stored, .mode = mode };
    stored->links++;
    out_file->descriptor = number;
    return STATUS_OK;
}

static enum status read_at(void *context, const struct file *file, uint64_t offset, void *to, size_t size,
                           size_t *out_size, struct error *error)
{
    const struct sim_files *files = context;
    const struct text *content = &files->opened[file->descriptor].stored->content;
    (void)error;
    size_t left = offset < content->size ? content->size - (size_t)offset : 0;
    *out_size = size < left ? size : left;
    if (*out_size > 0) memcpy(to, content->data + offset, *out_size);
    return STATUS_OK;
}

static enum status read_next(void *context, const struct file *file, void *to, size_t size, size_t *out_size,
                             struct error *error)
{
    struct sim_files *files = context;
    struct opened *opened = &files->opened[file->descriptor];
    enum status status = read_at(context, file, opened->position, to, size, out_size, error);
    opened->position += *out_size;
    return status;
}

static enum status write_file(void *context, const struct file *file, const void *data, size_t size,
                              struct error *error)
{
    struct sim_files *files = context;
    const struct opened *opened = &files->opened[file->descriptor];
    (void)error;
    CHECK(opened->mode != FILE_READ);
    if (size > 0) text_add_bytes(&opened->stored->content, data, size);
    opened->stored->modified_ns = ++files->changes;
    return STATUS_OK;
}

static enum status sync_file(void *context, const struct file *file, struct error *error)
{
    (void)context, (void)file, (void)error;
    return STATUS_OK;
}

static void close_file(void *context, struct file *file)
{
    struct sim_files *files = context;
    unlink_stored(files->opened[file->descriptor].stored);
    files->opened[file->descriptor] = (struct opened){ 0 };
}

static enum status size_of(void *context, const char *path, uint64_t *out_size, struct error *error)
{
    const struct sim_files *files = context;
    const struct stored *stored = map_get(&files->stored, path);
    if (stored == NULL) return error_set(error, STATUS_NOT_FOUND, "look at %s", path);
    *out_size = stored->content.size;
    return STATUS_OK;
}

static enum status protect(void *context, const char *path, struct error *error)
{
    uint64_t size;
    return size_of(context, path, &size, error);
}

static enum status rename_file(void *context, const char *from, const char *to, struct error *error)
{
    struct sim_files *files = context;
    struct stored *stored = map_remove(&files->stored, from);
    if (stored == NULL) return error_set(error, STATUS_NOT_FOUND, "rename %s", from);
    unlink_stored(map_put(&files->stored, to, stored));
    return STATUS_OK;
}

static enum status remove_file(void *context, const char *path, struct error *error)
{
    struct sim_files *files = context;
    (void)error;
    unlink_stored(map_remove(&files->stored, path));
    return STATUS_OK;
}

static enum status make_folder(void *context, const char *path, struct error *error)
{
    (void)context, (void)path, (void)error;
    return STATUS_OK;
}

/* The rest of the path below the folder; NULL: it is not directly in it. */
static const char *name_in(const char *folder, const char *path)
{
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) != 0 || path[length] != '/') return NULL;
    const char *name = path + length + 1;
    return strchr(name, '/') == NULL ? name : NULL;
}

static enum status list(void *context, const char *folder, file_visit *visit, void *visit_context,
                        struct error *error)
{
    struct sim_files *files = context;
    const char *path = NULL;
    void *value = NULL;
    (void)error;
    for (size_t i = 0; map_next(&files->stored, &i, &path, &value);) {
        const struct stored *stored = value;
        const char *name = name_in(folder, path);
        if (name == NULL) continue;
        visit(visit_context, &(struct file_entry){ .name = name,
                                                   .size_bytes = stored->content.size,
                                                   .modified_ns = stored->modified_ns });
    }
    return STATUS_OK;
}

static enum status touch(void *context, const char *path, struct error *error)
{
    struct sim_files *files = context;
    struct stored *stored = map_get(&files->stored, path);
    if (stored == NULL) return error_set(error, STATUS_NOT_FOUND, "touch %s", path);
    stored->modified_ns = ++files->changes;
    return STATUS_OK;
}

/* --- life, and what happens to disks -------------------------------------------------------------------- */

struct sim_files *sim_files_create(void)
{
    struct sim_files *files = memory_zalloc(sizeof *files);
    files->port = (struct file_port){
        .context = files,
        .open = open_file,
        .read = read_next,
        .read_at = read_at,
        .write = write_file,
        .sync = sync_file,
        .close = close_file,
        .size = size_of,
        .protect = protect,
        .rename = rename_file,
        .remove = remove_file,
        .make_folder = make_folder,
        .list = list,
        .touch = touch,
    };
    return files;
}

void sim_files_destroy(struct sim_files **files)
{
    struct sim_files *gone = *files;
    const char *path = NULL;
    void *value = NULL;
    *files = NULL;
    if (gone == NULL) return;
    for (size_t i = 0; map_next(&gone->stored, &i, &path, &value);)
        unlink_stored(value);
    map_fini(&gone->stored);
    memory_free(gone);
}

const struct file_port *sim_files_port(struct sim_files *files)
{
    return &files->port;
}

uint32_t sim_files_count(const struct sim_files *files, const char *folder)
{
    const char *path = NULL;
    void *value = NULL;
    uint32_t count = 0;
    for (size_t i = 0; map_next(&files->stored, &i, &path, &value);)
        count += name_in(folder, path) != NULL ? 1 : 0;
    return count;
}

bool sim_files_has(const struct sim_files *files, const char *path)
{
    return map_get(&files->stored, path) != NULL;
}

bool sim_files_lose(struct sim_files *files, const char *path)
{
    struct stored *stored = map_remove(&files->stored, path);
    bool was_there = stored != NULL;
    unlink_stored(stored);
    return was_there;
}

bool sim_files_damage(struct sim_files *files, const char *path)
{
    struct stored *stored = map_get(&files->stored, path);
    if (stored == NULL || stored->content.size == 0) return false;
    stored->content.data[stored->content.size / 2] ^= 1;
    return true;
}

void sim_files_write(struct sim_files *files, const char *path, const void *data, size_t size)
{
    text_add_bytes(&make(files, path)->content, data, size);
}
