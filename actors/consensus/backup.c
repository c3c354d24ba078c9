/* backup: CLUSTER_BACKUP_REQUEST is one page of a snapshot's stream (N5): the same bytes that a follower
 * gets. Learns  requests; the cluster's id from the leader actor, and that its state is fresh (Q1) from the
 * state, before the first page; blocks by snapshot_source. Owns    a stream for each backup, its last page (a
 * page may be asked for again), one request that waits. Limits  BACKUPS_MAX at a time; one that nobody asks
 * about for IDLE_NS is forgotten. */
#include "actors/consensus/backup.h"

#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_source.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

enum { BACKUPS_MAX = 4 };
static const int64_t idle_ns = SECONDS(60);
static const int64_t sweep_ns = SECONDS(5);

struct one_backup {
    uint64_t id; /* 0: a free place, once it is not busy. */
    bool busy;   /* An ask is under way. */
    struct snapshot_source source;
    struct bytes *page; /* The last one given out. */
    uint64_t page_offset;
    struct message *waiting; /* A request that awaits the next page; ours. */
    int64_t used_ns;
};

struct backup {
    struct one_backup backups[BACKUPS_MAX];
    bool sweeping;
};

/* --- pages --- */

static void forget(struct actor *self, struct one_backup *backup)
{
    snapshot_source_close(self, &backup->source);
    bytes_unref(&backup->page);
    if (backup->waiting != NULL) message_destroy(&backup->waiting);
    *backup = (struct one_backup){ .busy = backup->busy };
}

static void reply_page(struct actor *self, const struct one_backup *backup, const struct message *request)
{
    struct message *message = wire_message_create(KIND_CLUSTER_BACKUP_REPLY);
    Pb__ClusterBackupReply *reply = message->body;
    const struct snapshot_progress *progress = &backup->source.progress;
    reply->file = wire_string(message, ((const Pb__ClusterBackupRequest *)request->body)->file);
    reply->backup_id = backup->id;
    reply->offset = backup->page_offset;
    reply->data.data = arena_memdup(&message->arena, backup->page->data, backup->page->size);
    reply->data.len = backup->page->size;
    reply->more = !backup->source.done;
    reply->revision = backup->source.header.position.index;
    reply->records = progress->record_count;
    reply->size = backup->page_offset + backup->page->size;
    if (backup->source.done) {
        char digest[2 * SNAPSHOT_DIGEST_BYTES + 1];
        text_hex(digest, progress->digest, sizeof progress->digest);
        reply->sha256 = wire_string(message, digest);
    }
    actor_reply(self, request, &message);
}

static void give_page(struct actor *self, struct one_backup *backup, struct bytes **block)
{
    backup->page_offset += backup->page == NULL ? 0 : backup->page->size;
    bytes_unref(&backup->page);
    backup->page = *block;
    *block = NULL;
    if (backup->waiting == NULL) return;
    reply_page(self, backup, backup->waiting);
    message_destroy(&backup->waiting);
}

static void fail(struct actor *self, struct one_backup *backup, enum status status)
{
    struct error error = { 0 };
    if (status == STATUS_OVERLOADED) {
        (void)error_set(&error, status, "the state changes faster than this backup reads it");
        error_hint(&error, "try again; nearer to the node, or when there is less to write");
    } else {
        (void)error_set(&error, status, "the node can't give its state out now");
    }
    if (backup->waiting != NULL) actor_refuse_error(self, backup->waiting, &error);
    forget(self, backup);
}

/* --- the stream --- */

/* NULL: it was forgotten meanwhile. Places stay where they are; a busy one is not given to another. */
static struct one_backup *of_ask(void *context)
{
    struct one_backup *backup = context;
    backup->busy = false;
    return backup->id == 0 ? NULL : backup;
}

static void pull(struct actor *self, struct one_backup *backup);

static void on_part(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct one_backup *backup = of_ask(context);
    struct bytes *block = NULL;
    if (backup == NULL) return;
    enum status status = snapshot_source_on_part(&backup->source, result, &block);
    if (status != STATUS_OK) fail(self, backup, status);
    else if (block != NULL) give_page(self, backup, &block);
    else pull(self, backup);
}

static void pull(struct actor *self, struct one_backup *backup)
{
    struct bytes *block = NULL;
    snapshot_source_pull(self, &backup->source, &block, on_part, backup);
    backup->busy = backup->source.asking;
    if (block != NULL) give_page(self, backup, &block);
}

static void on_begun(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct one_backup *backup = of_ask(context);
    struct bytes *block = NULL;
    if (backup == NULL) return;
    enum status status = snapshot_source_on_begun(&backup->source, result, &block);
    if (status == STATUS_OK) give_page(self, backup, &block);
    else fail(self, backup, status);
}

static void open_source(struct actor *self, struct one_backup *backup)
{
    backup->busy = true;
    snapshot_source_open(self, &backup->source, backup->id, backup->source.header.cluster_id, on_begun,
                         backup);
}

static void on_fresh(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct one_backup *backup = of_ask(context);
    if (backup == NULL) return;
    if (result->status == STATUS_OK) {
        open_source(self, backup);
        return;
    }
    struct error error = *result->error;
    error_hint(&error, "--stale takes what this node has, without a leader");
    if (backup->waiting != NULL) actor_refuse_error(self, backup->waiting, &error);
    forget(self, backup);
}

/* What was acknowledged before the backup was asked for is in it, unless `stale`. */
static void on_status(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct one_backup *backup = of_ask(context);
    if (backup == NULL) return;
    const struct consensus_status_reply *status = result->status == STATUS_OK ? result->message->body : NULL;
    if (status == NULL || status->cluster_id == 0) {
        fail(self, backup, STATUS_NOT_READY);
        return;
    }
    backup->source.header.cluster_id = status->cluster_id;
    if (((const Pb__ClusterBackupRequest *)backup->waiting->body)->stale) {
        open_source(self, backup);
        return;
    }
    backup->busy = true;
    struct message *message = messages_create(KIND_READ_BARRIER, 0);
    actor_ask_name(self, TO_STATE, &message, SECONDS(5), on_fresh, backup);
}

/* --- requests --- */

static void sweep_later(struct actor *self, struct backup *backup)
{
    if (backup->sweeping) return;
    backup->sweeping = true;
    (void)actor_after(self, sweep_ns, KIND_BACKUP_TICK, 0);
}

static void begin(struct actor *self, struct backup *all, const struct message *request)
{
    for (uint32_t i = 0; i < BACKUPS_MAX; i++) {
        struct one_backup *backup = &all->backups[i];
        if (backup->id != 0 || backup->busy) continue;
        *backup = (struct one_backup){ .id = snapshot_source_new_id(self), .busy = true };
        backup->used_ns = actor_now_ns(self);
        backup->waiting = actor_keep(self);
        struct message *message = messages_create(KIND_CONSENSUS_STATUS, 0);
        actor_ask_name(self, TO_LEADER, &message, SECONDS(5), on_status, backup);
        sweep_later(self, all);
        return;
    }
    struct error error = { 0 };
    (void)error_set(&error, STATUS_OVERLOADED, "%d backups are under way on this node", BACKUPS_MAX);
    error_hint(&error, "one that nobody asks about is forgotten after a minute");
    actor_refuse_error(self, request, &error);
}

static struct one_backup *find(struct backup *all, uint64_t id)
{
    for (uint32_t i = 0; i < BACKUPS_MAX; i++) {
        if (all->backups[i].id == id) return &all->backups[i];
    }
    return NULL;
}

static void go_on(struct actor *self, struct one_backup *backup, const struct message *request)
{
    uint64_t offset = ((const Pb__ClusterBackupRequest *)request->body)->offset;
    backup->used_ns = actor_now_ns(self);
    if (backup->page != NULL && offset == backup->page_offset) { /* Asked for again. */
        reply_page(self, backup, request);
        return;
    }
    uint64_t next = backup->page == NULL ? 0 : backup->page_offset + backup->page->size;
    struct error error = { 0 };
    if (offset != next || backup->source.done) {
        (void)error_set(&error, STATUS_INVALID, "the next page of this backup is at %llu",
                        (unsigned long long)next);
        actor_refuse_error(self, request, &error);
        return;
    }
    if (backup->waiting != NULL) { /* Whoever asked before has given up. */
        actor_refuse(self, backup->waiting, STATUS_CANCELLED);
        message_destroy(&backup->waiting);
    }
    backup->waiting = actor_keep(self);
    if (!backup->busy) pull(self, backup);
}

static void on_request(struct actor *self, void *state, const struct message *message)
{
    struct backup *all = state;
    uint64_t id = ((const Pb__ClusterBackupRequest *)message->body)->backup_id;
    struct one_backup *backup = id == 0 ? NULL : find(all, id);
    if (id == 0) {
        begin(self, all, message);
    } else if (backup != NULL) {
        go_on(self, backup, message);
    } else {
        struct error error = { 0 };
        (void)error_set(&error, STATUS_NOT_FOUND, "this node has no backup %llu under way",
                        (unsigned long long)id);
        error_hint(&error, "begin again");
        actor_refuse_error(self, message, &error);
    }
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct backup *all = state;
    int64_t now_ns = actor_now_ns(self);
    bool any = false;
    all->sweeping = false;
    for (uint32_t i = 0; i < BACKUPS_MAX; i++) {
        struct one_backup *backup = &all->backups[i];
        if (backup->id != 0 && now_ns - backup->used_ns > idle_ns) forget(self, backup);
        any = any || backup->id != 0;
    }
    if (any) sweep_later(self, all);
}

static void on_fini(void *state)
{
    struct backup *all = state;
    for (uint32_t i = 0; i < BACKUPS_MAX; i++) {
        bytes_unref(&all->backups[i].page);
        if (all->backups[i].waiting != NULL) message_destroy(&all->backups[i].waiting);
    }
}

static const struct behavior_row rows[] = {
    { KIND_CLUSTER_BACKUP_REQUEST, on_request },
    { KIND_BACKUP_TICK, on_sweep },
};

const struct behavior backup_behavior = {
    .name = "backup",
    .state_size = sizeof(struct backup),
    .home = ACTOR_POOLED,
    .pool = POOL_CONSENSUS,
    .mailbox_capacity = 64,
    .fini = on_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
