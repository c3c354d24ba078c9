/* backup: see the header. */
#include "cli/backup.h"

#include "cli/command.h"
#include "cli/connection.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/command/document.h"
#include "wire/proto/cluster.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };
static const uint64_t progress_bytes = UINT64_C(16) * 1024 * 1024; /* Between two lines. */

struct backup_file {
    const char *path;
    char part[PATH_SIZE];
    int descriptor;
    uint64_t size;
    uint64_t told; /* Size when progress was last shown. */
};

/* --- the file --- */

static enum status failed(const struct backup_file *file, const char *doing, struct error *error)
{
    enum status status = error_set(error, STATUS_IO, "%s %s: %s", doing, file->part, strerror(errno));
    error_hint(error, "name a file in a folder that is there, with room, and may be written");
    return status;
}

static enum status open_part(const char *path, struct backup_file *out_file, struct error *error)
{
    struct backup_file file = { .path = path, .descriptor = -1 };
    int length = snprintf(file.part, sizeof file.part, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof file.part)
        return error_set(error, STATUS_INVALID, "the name of the file is too long");
    /* Nobody else reads it: it holds everything that the cluster knows. */
    file.descriptor = open(file.part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file.descriptor < 0) return failed(&file, "open", error);
    *out_file = file;
    return STATUS_OK;
}

static enum status write_page(struct backup_file *file, const ProtobufCBinaryData *data, struct error *error)
{
    size_t done = 0;
    while (done < data->len) {
        ssize_t count = write(file->descriptor, data->data + done, data->len - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(file, "write", error);
        done += (size_t)count;
    }
    file->size += data->len;
    return STATUS_OK;
}

static enum status sync_folder(const struct backup_file *file, struct error *error)
{
    char folder[PATH_SIZE];
    (void)text_copy(folder, sizeof folder, file->path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) (void)text_copy(folder, sizeof folder, ".");
    else slash[slash == folder ? 1 : 0] = '\0';
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return failed(file, "sync the folder of", error);
    enum status status = fsync(descriptor) == 0 ? STATUS_OK : failed(file, "sync the folder of", error);
    (void)close(descriptor);
    return status;
}

/* Whole and on disk first, then under its name: nobody ever sees half a backup. */
static enum status keep(struct backup_file *file, struct error *error)
{
    if (fsync(file->descriptor) != 0) return failed(file, "sync", error);
    if (rename(file->part, file->path) != 0) return failed(file, "rename", error);
    return sync_folder(file, error);
}

/* --- pages --- */

static void show(const struct argv *argv, struct backup_file *file, const Pb__ClusterBackupReply *page)
{
    bool due = file->told == 0 || file->size - file->told >= progress_bytes || !page->more;
    if (argv->quiet || !due) return;
    file->told = file->size;
    (void)fprintf(stderr, "backup: revision %llu, %llu records, %llu bytes%s\n",
                  (unsigned long long)page->revision, (unsigned long long)page->records,
                  (unsigned long long)file->size, page->more ? "" : ", complete");
}

static enum status ask_page(const struct argv *argv, struct connection *connection, uint64_t id,
                            uint64_t offset, struct message **out_reply, struct error *error)
{
    struct message *request = NULL;
    enum status status = document_to_request(argv->command, argv->arguments, &request, error);
    if (status != STATUS_OK) return status;
    Pb__ClusterBackupRequest *body = request->body;
    body->backup_id = id;
    body->offset = offset;
    status = command_exchange(argv, connection, &request, out_reply, error);
    if (status == STATUS_OK && (*out_reply)->kind != KIND_CLUSTER_BACKUP_REPLY) {
        message_destroy(out_reply);
        status = error_set(error, STATUS_CORRUPT, "the node answered with something else");
    }
    return status;
}

/* One page into the file. *out_reply: the page, its data forgotten. */
static enum status fetch_page(const struct argv *argv, struct connection *connection, uint64_t id,
                              struct backup_file *file, struct message **out_reply, struct error *error)
{
    struct message *reply = NULL;
    enum status status = ask_page(argv, connection, id, file->size, &reply, error);
    if (status != STATUS_OK) return status;
    Pb__ClusterBackupReply *page = reply->body;
    if (page->offset != file->size || (page->more && page->data.len == 0))
        status = error_set(error, STATUS_CORRUPT, "the node gave another page than it was asked for");
    if (status == STATUS_OK) status = write_page(file, &page->data, error);
    page->data = (ProtobufCBinaryData){ 0 };
    if (status == STATUS_OK) show(argv, file, page);
    if (status == STATUS_OK) *out_reply = reply;
    else message_destroy(&reply);
    return status;
}

enum status backup_run(const struct argv *argv, struct connection *connection, struct message **out_reply,
                       struct error *error)
{
    struct backup_file file = { 0 };
    const char *path = value_get_string(argv->arguments, "file", "");
    if (path[0] == '\0') return error_set(error, STATUS_INVALID, "the file's name is empty");
    enum status status = open_part(path, &file, error);
    if (status != STATUS_OK) return status;
    struct message *reply = NULL;
    uint64_t id = 0;
    bool more = true;
    while (status == STATUS_OK && more) {
        if (reply != NULL) message_destroy(&reply);
        status = fetch_page(argv, connection, id, &file, &reply, error);
        if (status != STATUS_OK) break;
        const Pb__ClusterBackupReply *page = reply->body;
        id = page->backup_id;
        more = page->more;
    }
    if (status == STATUS_OK) status = keep(&file, error);
    (void)close(file.descriptor);
    if (status == STATUS_OK) {
        *out_reply = reply;
        return STATUS_OK;
    }
    if (reply != NULL) message_destroy(&reply);
    (void)unlink(file.part);
    return status;
}
