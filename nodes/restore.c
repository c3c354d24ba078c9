/* restore: twice through the file. The first time everything is checked, and loaded as a node would load it;
 * only then is the directory touched. The second time its records go into the inactive generation of an empty
 * store, which is flipped in one transaction with the new cluster's first configuration: before that the
 * directory is an empty one, after it a cluster of one that has applied everything. */
#include "nodes/restore.h"

#include "nodes/backup_file.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "store/kv.h"
#include "store/lmdb/lmdb_log.h"
#include "store/schema/rules.h"
#include "wire/json/convert.h"
#include "wire/proto/local.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };
static const uint64_t progress_bytes = UINT64_C(64) * 1024 * 1024; /* Between two lines. */

struct restore {
    const struct restore_options *options;
    const char *doing; /* For progress. */
    uint64_t told;
    struct snapshot_header header;
    struct snapshot_progress progress; /* Of the whole file, after the first time. */
    struct kv *kv;                     /* The first time. */
    struct log *log;                   /* The second time. */
    struct arena arena;                /* Of one chunk. */
    struct log_copy_record *records;
    uint32_t record_count;
    uint32_t record_room;
    uint64_t written; /* Offset that the log has. */
    uint64_t cluster_id;
    char aside[PATH_SIZE];
};

static void show(struct restore *restore, uint64_t bytes, bool last)
{
    if (restore->options->quiet || (!last && bytes - restore->told < progress_bytes)) return;
    restore->told = bytes;
    (void)fprintf(stderr, "restore: %s, %llu bytes%s\n", restore->doing, (unsigned long long)bytes,
                  last ? ", done" : "");
}

/* --- the first time: is it whole? ----------------------------------------------------------------------- */

static enum status note_header(void *context, const struct snapshot_header *header, struct error *error)
{
    struct restore *restore = context;
    (void)error;
    restore->header = *header;
    return STATUS_OK;
}

static enum status load_record(void *context, const struct log_copy_record *record, struct error *error)
{
    return kv_load(((struct restore *)context)->kv, record, error);
}

static enum status show_chunk(void *context, const struct snapshot_progress *progress, struct error *error)
{
    (void)error;
    show(context, progress->offset, false);
    return STATUS_OK;
}

static enum status verify(struct restore *restore, struct error *error)
{
    struct backup_visitor visitor = { restore, note_header, load_record, show_chunk };
    restore->doing = "checking the file";
    restore->kv = kv_create(&schema_rules);
    enum status status = backup_file_read(restore->options->file, &visitor, &restore->progress, error);
    const struct snapshot_header *header = &restore->header;
    if (status == STATUS_OK) {
        status = kv_load_end(restore->kv, &header->position, header->position.index + 1, header->state_hash,
                             error);
    }
    kv_destroy(&restore->kv);
    if (status == STATUS_OK) show(restore, restore->progress.offset, true);
    return status;
}

/* --- the directory -------------------------------------------------------------------------------------- */

static bool exists(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    struct stat entry;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &entry) == 0;
}

/* A running node holds this lock (store/lmdb); so do we while things are moved. -1: not to be had. */
static int lock_directory(const char *data, struct error *error)
{
    int lock = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
    if (lock >= 0 && errno == EWOULDBLOCK) {
        (void)error_set(error, STATUS_CONFLICT, "a node is running on %s", data);
        error_hint(error, "stop it first");
    } else {
        (void)error_set(error, STATUS_IO, "lock %s: %s", data, strerror(errno));
    }
    if (lock >= 0) (void)close(lock);
    return -1;
}

static enum status move(const char *data, const char *aside, const char *name, struct error *error)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    if (!exists(data, name)) return STATUS_OK;
    (void)snprintf(from, sizeof from, "%s/%s", data, name);
    (void)snprintf(to, sizeof to, "%s/%s", aside, name);
    if (rename(from, to) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "move %s aside: %s", from, strerror(errno));
}

static enum status move_aside(struct restore *restore, struct error *error)
{
    const char *data = restore->options->config->node_data;
    if (!exists(data, "store") && !exists(data, "member")) return STATUS_OK;
    if (!restore->options->force) {
        (void)error_set(error, STATUS_CONFLICT, "%s holds the data of a node already", data);
        error_hint(error, "--force moves it aside; or give another directory");
        return STATUS_CONFLICT;
    }
    int length = snprintf(restore->aside, sizeof restore->aside, "%s/before-restore-%lld", data,
                          (long long)clock_os.wall_ms(clock_os.context));
    if (length < 0 || (size_t)length >= sizeof restore->aside)
        return error_set(error, STATUS_INVALID, "the name of the data directory is too long");
    if (mkdir(restore->aside, 0700) != 0)
        return error_set(error, STATUS_IO, "make %s: %s", restore->aside, strerror(errno));
    enum status status = move(data, restore->aside, "store", error); /* `member` last: I3 holds until then. */
    if (status == STATUS_OK) status = move(data, restore->aside, "member", error);
    return status;
}

static enum status clear_directory(struct restore *restore, struct error *error)
{
    const char *data = restore->options->config->node_data;
    if (mkdir(data, 0700) != 0 && errno != EEXIST)
        return error_set(error, STATUS_IO, "make %s: %s", data, strerror(errno));
    int lock = lock_directory(data, error);
    if (lock < 0) return error->status;
    enum status status = move_aside(restore, error);
    (void)close(
        lock); /* The store takes it next, or whoever is faster: then that one has an empty directory. */
    return status;
}

/* --- the second time: into the store -------------------------------------------------------------------- */

static enum status check_header(void *context, const struct snapshot_header *header, struct error *error)
{
    const struct restore *restore = context;
    if (header->id == restore->header.id) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the file was replaced while it was read");
}

static enum status keep_record(void *context, const struct log_copy_record *record, struct error *error)
{
    struct restore *restore = context;
    (void)error;
    if (restore->record_count == restore->record_room) {
        uint32_t room = restore->record_room == 0 ? 1024 : restore->record_room * 2;
        struct log_copy_record *grown = arena_array(&restore->arena, room, sizeof *grown);
        if (restore->record_count > 0) memcpy(grown, restore->records, restore->record_count * sizeof *grown);
        restore->records = grown;
        restore->record_room = room;
    }
    restore->records[restore->record_count++] = *record;
    return STATUS_OK;
}

static enum status write_chunk(void *context, const struct snapshot_progress *progress, struct error *error)
{
    struct restore *restore = context;
    struct log_chunk chunk = { .snapshot_id = restore->header.id,
                               .from = restore->written,
                               .to = progress->offset,
                               .records = restore->records,
                               .record_count = restore->record_count };
    struct log_batch batch = { .chunk = &chunk };
    enum status status = restore->log->ops->write(restore->log, &batch, 1, error);
    restore->written = progress->offset;
    restore->records = NULL;
    restore->record_count = 0;
    restore->record_room = 0;
    arena_fini(&restore->arena);
    show(restore, progress->offset, false);
    return status;
}

/* The one transaction that makes it so: the state, the new cluster, and who votes in it. */
static enum status flip(struct restore *restore, struct error *error)
{
    const struct snapshot_header *header = &restore->header;
    struct configuration configuration = { 0 };
    enum status status = configuration_add(&configuration, restore->log->boot.identity.replica_id,
                                           restore->options->config->node_id, true);
    if (status != STATUS_OK)
        return error_set(error, status, "\"%s\" is no node name", restore->options->config->node_id);
    while (restore->cluster_id == 0)
        restore->cluster_id = random_u64(&random_os);
    struct hard_state hard = { .term = header->position.term };
    struct log_install install = { .snapshot_id = header->id,
                                   .position = header->position,
                                   .configuration_index = header->configuration_index,
                                   .configuration = configuration_pack(&configuration) };
    memcpy(install.state_hash, header->state_hash, sizeof install.state_hash);
    struct log_batch batch = { .hard = &hard, .install = &install, .cluster_id = restore->cluster_id };
    status = restore->log->ops->write(restore->log, &batch, 1, error);
    bytes_unref(&install.configuration);
    return status;
}

static enum status write_store(struct restore *restore, struct error *error)
{
    struct lmdb_log_options options = { .directory = restore->options->config->node_data,
                                        .random = &random_os,
                                        .map_bytes = (size_t)restore->options->config->limits_map_bytes };
    struct backup_visitor visitor = { restore, check_header, keep_record, write_chunk };
    struct snapshot_progress progress = { 0 };
    enum status status = lmdb_log_open(&options, &restore->log, error);
    if (status != STATUS_OK) return status;
    restore->doing = "writing the store";
    restore->told = 0;
    status = backup_file_read(restore->options->file, &visitor, &progress, error);
    bool same = memcmp(progress.digest, restore->progress.digest, sizeof progress.digest) == 0;
    if (status == STATUS_OK && !same)
        status = error_set(error, STATUS_CORRUPT, "the file changed while it was read");
    if (status == STATUS_OK && progress.record_count == 0)
        status = write_chunk(restore, &progress, error); /* So that there is something to flip to. */
    if (status == STATUS_OK) status = flip(restore, error);
    if (status == STATUS_OK) show(restore, progress.offset, true);
    arena_fini(&restore->arena);
    return status;
}

/* --- the answer ----------------------------------------------------------------------------------------- */

static void print(struct value *document)
{
    char *text = value_dump(document);
    (void)printf("%s\n", text);
    memory_free(text);
    value_free(&document);
}

static void print_reply(const struct restore *restore)
{
    char cluster[17];
    char replica[17];
    char sha256[2 * SNAPSHOT_DIGEST_BYTES + 1];
    const struct config *config = restore->options->config;
    (void)snprintf(cluster, sizeof cluster, "%016llx", (unsigned long long)restore->cluster_id);
    (void)snprintf(replica, sizeof replica, "%016llx",
                   (unsigned long long)restore->log->boot.identity.replica_id);
    text_hex(sha256, restore->progress.digest, sizeof restore->progress.digest);
    Pb__ClusterRestoreReply reply = PB__CLUSTER_RESTORE_REPLY__INIT;
    reply.file = (char *)restore->options->file;
    reply.node = (char *)config->node_id;
    reply.data = (char *)config->node_data;
    reply.cluster_id = cluster;
    reply.replica_id = replica;
    reply.revision = restore->header.position.index;
    reply.records = restore->progress.record_count;
    reply.size = restore->progress.offset;
    reply.sha256 = sha256;
    reply.aside = (char *)restore->aside;
    print(convert_to_value(&reply));
}

static int print_failure(const struct error *error)
{
    struct value *document = value_new_object();
    value_set_string(document, "code", status_name(error->status));
    value_set_string(document, "message", error->message);
    value_set_string(document, "hint", error->hint);
    struct value *outer = value_new_object();
    value_set(outer, "error", document);
    print(outer);
    return status_exit(error->status);
}

int restore_run(const struct restore_options *options)
{
    struct restore *restore = memory_zalloc(sizeof *restore);
    struct error error = { 0 };
    restore->options = options;
    enum status status = verify(restore, &error);
    if (status == STATUS_OK) status = clear_directory(restore, &error);
    if (status == STATUS_OK) status = write_store(restore, &error);
    int code = 0;
    if (status == STATUS_OK) print_reply(restore);
    else code = print_failure(&error);
    if (restore->log != NULL) restore->log->ops->close(restore->log);
    memory_free(restore);
    return code;
}
