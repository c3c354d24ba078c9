/* file: files and folders, as a port. Paths are absolute. Any thread; may block: for pinned actors. */
#ifndef AETHER_RUNTIME_PORT_FILE_H
#define AETHER_RUNTIME_PORT_FILE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
    int descriptor; /* Private. */
};

enum file_mode {
    FILE_READ,
    FILE_CREATE, /* Write; must not exist. */
    FILE_APPEND, /* Write at the end; created when absent. */
};

struct file_entry { /* A plain file of a folder; borrowed for the call. */
    const char *name;
    uint64_t size_bytes;
    int64_t modified_ns; /* Unix time. */
};
typedef void file_visit(void *context, const struct file_entry *entry);

struct file_port {
    void *context;
    /* NOT_FOUND, CONFLICT (FILE_CREATE: it exists), IO. Symbolic links are not followed when writing. */
    enum status (*open)(void *context, const char *path, enum file_mode mode, struct file *out_file,
                        struct error *error);
    /* *out_size 0: the end. */
    enum status (*read)(void *context, const struct file *file, void *to, size_t size, size_t *out_size,
                        struct error *error);
    /* From `offset` on; as much as there is. */
    enum status (*read_at)(void *context, const struct file *file, uint64_t offset, void *to, size_t size,
                           size_t *out_size, struct error *error);
    enum status (*write)(void *context, const struct file *file, const void *data, size_t size,
                         struct error *error);
    enum status (*sync)(void *context, const struct file *file, struct error *error);
    void (*close)(void *context, struct file *file);
    enum status (*size)(void *context, const char *path, uint64_t *out_size, struct error *error);
    enum status (*protect)(void *context, const char *path, struct error *error); /* Mode 0444. */
    /* Replaces `to`; durable when it returns. */
    enum status (*rename)(void *context, const char *from, const char *to, struct error *error);
    enum status (*remove)(void *context, const char *path, struct error *error);      /* Absent is fine. */
    enum status (*make_folder)(void *context, const char *path, struct error *error); /* And its parents. */
    /* The plain files in a folder, in no particular order; `visit` may remove the one it is shown. */
    enum status (*list)(void *context, const char *folder, file_visit *visit, void *visit_context,
                        struct error *error);
    enum status (*touch)(void *context, const char *path, struct error *error); /* Modified now. */
};

#endif
