/* kv_apply: one committed entry, applied. Everything that decides stands in the entry or in the state (A2):
 * session (A4), leader term (A5), compares and operations (A1). Rules between keys are the schema's. */
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "store/memory/kv_state.h"
#include "wire/proto/codec.h"

#include <string.h>

/* No C0 or C1 control characters: a key is printed as it is. */
static bool is_plain_text(const char *text)
{
    size_t size = strlen(text);
    if (!text_is_utf8(text, size)) return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7F) return false;
        if (byte == 0xC2 && (unsigned char)text[i + 1] < 0xA0) return false;
    }
    return true;
}

static enum status check_key(const char *key, struct error *error)
{
    size_t size = strlen(key);
    if (size == 0) return error_set(error, STATUS_INVALID, "the key is empty");
    if (size > KV_KEY_MAX) {
        return error_set(error, STATUS_INVALID, "the key is %zu bytes long; at most %d", size, KV_KEY_MAX);
    }
    if (!is_plain_text(key)) {
        return error_set(error, STATUS_INVALID, "the key is not UTF-8, or holds control characters");
    }
    return STATUS_OK;
}

/* --- compares ------------------------------------------------------------------------------------------- */

static enum status check_compare(const Pb__Compare *compare, struct error *error)
{
    if (compare->target_case == PB__COMPARE__TARGET__NOT_SET) {
        return error_set(error, STATUS_INVALID, "a compare of \"%.200s\" names nothing to compare",
                         compare->key);
    }
    return check_key(compare->key, error);
}

static bool compare_holds(const Pb__Compare *compare, const struct kv_record *record)
{
    switch (compare->target_case) {
    case PB__COMPARE__TARGET_VALUE:
        return record != NULL && record->value_size == compare->value.len &&
               (compare->value.len == 0 ||
                memcmp(record->value, compare->value.data, compare->value.len) == 0);
    case PB__COMPARE__TARGET_REVISION: /* Revision 0 is that of what is not there. */
        return compare->revision == (record == NULL ? 0 : record->revision);
    case PB__COMPARE__TARGET_CREATED:
        return compare->created == (record == NULL ? 0 : record->create_revision);
    case PB__COMPARE__TARGET_ABSENT: return (record == NULL) == (bool)compare->absent;
    default: return false;
    }
}

/* CONFLICT in `error` tells how the first one that failed stands. */
static bool compares_hold(struct kv_txn *txn, const Pb__Command *command, struct error *error)
{
    for (size_t i = 0; i < command->n_compares; i++) {
        const Pb__Compare *compare = command->compares[i];
        const struct kv_record *record = kv_txn_get(txn, compare->key);
        if (compare_holds(compare, record) || PLANTED("kv.compare_ignored")) continue;
        bool created = compare->target_case == PB__COMPARE__TARGET_CREATED;
        if (record == NULL) (void)error_set(error, STATUS_CONFLICT, "%.400s does not exist", compare->key);
        else
            (void)error_set(error, STATUS_CONFLICT, "%.400s %s revision %llu", compare->key,
                            created ? "was created at" : "is at",
                            (unsigned long long)(created ? record->create_revision : record->revision));
        return false;
    }
    return true;
}

/* --- operations ----------------------------------------------------------------------------------------- */

static enum status apply_put(struct kv_txn *txn, const Pb__OpPut *put, struct error *error)
{
    enum status status = check_key(put->key, error);
    if (status != STATUS_OK) return status;
    if (put->value.len > KV_VALUE_MAX) {
        return error_set(error, STATUS_INVALID, "the value of \"%.200s\" is %zu bytes long; at most %d",
                         put->key, put->value.len, KV_VALUE_MAX);
    }
    return txn->kv->rules->put(txn, txn->context, put, error);
}

static enum status apply_delete(struct kv_txn *txn, const char *key, Pb__OperationResult *result,
                                struct error *error)
{
    enum status status = check_key(key, error);
    if (status != STATUS_OK) return status;
    result->value = kv_txn_get(txn, key) == NULL ? 0 : 1;
    return txn->kv->rules->delete_key(txn, txn->context, key, error);
}

static enum status apply_delete_prefix(struct kv_txn *txn, const char *prefix, Pb__OperationResult *result,
                                       struct error *error)
{
    if (strlen(prefix) > KV_KEY_MAX) return error_set(error, STATUS_INVALID, "the prefix is too long");
    const char **keys = NULL;
    uint32_t count = kv_txn_keys(txn, prefix, KV_DELETE_PREFIX_MAX + 1, &keys);
    if (count > KV_DELETE_PREFIX_MAX) {
        return error_set(error, STATUS_INVALID, "more than %d keys start with \"%.200s\"",
                         KV_DELETE_PREFIX_MAX, prefix);
    }
    for (uint32_t i = 0; i < count; i++) {
        enum status status = txn->kv->rules->delete_key(txn, txn->context, keys[i], error);
        if (status != STATUS_OK) return status;
    }
    result->value = count;
    return STATUS_OK;
}

/* Sessions are not part of the staged view, so what changes them stands alone and can't fail afterwards. */
static enum status apply_session(struct kv_txn *txn, const Pb__Operation *operation, size_t count,
                                 Pb__OperationResult *result, struct error *error)
{
    if (count != 1) return error_set(error, STATUS_INVALID, "a session is opened or closed by itself");
    struct kv_sessions *sessions = &txn->kv->sessions;
    if (operation->op_case == PB__OPERATION__OP_SESSION_CLOSE) {
        result->value = kv_sessions_drop(sessions, operation->session_close->session) ? 1 : 0;
        return STATUS_OK;
    }
    const char *client = operation->session_open->client;
    if (strlen(client) > KV_CLIENT_NAME_MAX || !is_plain_text(client)) {
        return error_set(error, STATUS_INVALID, "the session's client name is too long, or not plain text");
    }
    uint64_t id = txn->context->revision;
    kv_sessions_put(sessions, &(struct record_session){ .id = id, .used_revision = id, .client = client });
    result->value = id;
    return STATUS_OK;
}

static enum status apply_operation(struct kv_txn *txn, const Pb__Operation *operation, size_t count,
                                   Pb__OperationResult *result, struct error *error)
{
    switch (operation->op_case) {
    case PB__OPERATION__OP__NOT_SET: return error_set(error, STATUS_INVALID, "an operation of no known kind");
    case PB__OPERATION__OP_PUT: return apply_put(txn, operation->put, error);
    case PB__OPERATION__OP_DELETE: return apply_delete(txn, operation->delete_->key, result, error);
    case PB__OPERATION__OP_DELETE_PREFIX:
        return apply_delete_prefix(txn, operation->delete_prefix->prefix, result, error);
    case PB__OPERATION__OP_SESSION_OPEN:
    case PB__OPERATION__OP_SESSION_CLOSE: return apply_session(txn, operation, count, result, error);
    default: return txn->kv->rules->operation(txn, txn->context, operation, result, error);
    }
}

/* A message or a holder may have been cut inside a character; what is recorded has to be read again (A4). */
static char *sound_text(struct kv *kv, const char *string)
{
    struct text repaired = { 0 };
    text_add_utf8(&repaired, string);
    char *copy = arena_strdup(&kv->outcome, text_string(&repaired));
    text_fini(&repaired);
    return copy;
}

static enum status apply_list(struct kv_txn *txn, Pb__Operation **operations, size_t count,
                              Pb__ProposeReply *reply, struct error *error)
{
    struct arena *arena = &txn->kv->outcome;
    Pb__OperationResult **results = arena_array(arena, count, sizeof(Pb__OperationResult *));
    for (size_t i = 0; i < count; i++) {
        results[i] = codec_create(arena, &pb__operation_result__descriptor);
        enum status status = apply_operation(txn, operations[i], count, results[i], error);
        if (status != STATUS_OK) return status;
        results[i]->holder = sound_text(txn->kv, results[i]->holder);
    }
    reply->results = results;
    reply->n_results = count;
    return STATUS_OK;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static enum status check_command(const Pb__Command *command, const struct kv_context *context,
                                 struct error *error)
{
    if (command->n_compares > KV_OPERATIONS_MAX || command->n_success > KV_OPERATIONS_MAX ||
        command->n_failure > KV_OPERATIONS_MAX) {
        return error_set(error, STATUS_INVALID, "a transaction holds at most %d compares and operations",
                         KV_OPERATIONS_MAX);
    }
    bool fenced = command->leader_term != 0 && command->leader_term != context->term; /* A5 */
    if (fenced && !PLANTED("kv.leader_term_not_fenced")) {
        MARK("kv.former_leader_is_fenced");
        return error_set(error, STATUS_CONFLICT, "written by the leader of term %llu, but this is term %llu",
                         (unsigned long long)command->leader_term, (unsigned long long)context->term);
    }
    for (size_t i = 0; i < command->n_compares; i++) {
        enum status status = check_compare(command->compares[i], error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status run(struct kv_txn *txn, Pb__ProposeReply *reply, struct error *error)
{
    const Pb__Command *command = txn->context->command;
    enum status status = check_command(command, txn->context, error);
    if (status != STATUS_OK) return status;
    bool held = compares_hold(txn, command, error);
    reply->compares_held = held;
    if (held) return apply_list(txn, command->success, command->n_success, reply, error);
    if (command->n_failure == 0) return STATUS_CONFLICT;
    return apply_list(txn, command->failure, command->n_failure, reply, error);
}

static void execute(struct kv *kv, const struct kv_context *context, Pb__ProposeReply *reply,
                    struct kv_outcome *outcome)
{
    struct kv_txn txn;
    struct error error = { 0 };
    kv_txn_begin(&txn, kv, context);
    enum status status = run(&txn, reply, &error);
    if (status == STATUS_OK && txn.oversized) {
        status = error_set(&error, STATUS_INVALID, "a record that follows from it would be too large");
    }
    reply->status = (uint32_t)status;
    reply->revision = context->revision;
    reply->term = context->term;
    if (status == STATUS_OK) {
        outcome->changes = kv_txn_commit(&txn, &outcome->change_count);
        return;
    }
    kv_txn_abort(&txn);
    reply->results = NULL;
    reply->n_results = 0;
    reply->message = sound_text(kv, error.message);
    reply->hint = sound_text(kv, error.hint);
}

static Pb__ProposeReply *reply_create(struct kv *kv)
{
    return codec_create(&kv->outcome, &pb__propose_reply__descriptor);
}

static const Pb__ProposeReply *refuse(struct kv *kv, const struct kv_context *context, enum status status,
                                      const char *message)
{
    Pb__ProposeReply *reply = reply_create(kv);
    reply->status = (uint32_t)status;
    reply->message = arena_strdup(&kv->outcome, message);
    reply->revision = context->revision;
    reply->term = context->term;
    return reply;
}

/* A4: what the session says of this sequence; NULL: it is new, execute it. */
static const Pb__ProposeReply *answer_of_session(struct kv *kv, const struct kv_context *context,
                                                 const struct record_session *session, bool *out_repeated)
{
    uint64_t sequence = context->command->sequence;
    if (session == NULL) return refuse(kv, context, STATUS_UNKNOWN, "the session is not known (any more)");
    if (sequence > session->sequence) return NULL;
    if (PLANTED("kv.retry_acts_twice") && sequence == session->sequence) return NULL;
    if (sequence < session->sequence || sequence == 0) {
        return refuse(kv, context, STATUS_UNKNOWN, "the session is past this command");
    }
    void *reply = NULL;
    enum status status = codec_unpack(&kv->outcome, &pb__propose_reply__descriptor, session->result,
                                      session->result_size, &reply, NULL);
    if (status != STATUS_OK) { /* Every replica holds the same bytes, so all say the same (A2). */
        return refuse(kv, context, STATUS_UNKNOWN, "the session's recorded result can't be read");
    }
    *out_repeated = true;
    MARK("kv.retry_is_answered_again");
    return reply;
}

static void record_result(struct kv *kv, const struct kv_context *context, const Pb__ProposeReply *reply)
{
    const struct record_session *session = kv_sessions_find(&kv->sessions, context->command->session);
    if (session == NULL) return; /* It closed itself. */
    struct record_session updated = *session;
    updated.used_revision = context->revision;
    updated.sequence = context->command->sequence;
    updated.result_size = codec_size(reply);
    uint8_t *packed = arena_alloc(&kv->outcome, updated.result_size);
    codec_pack(reply, packed);
    updated.result = packed;
    kv_sessions_put(&kv->sessions, &updated);
}

static void apply_command(struct kv *kv, struct kv_context *context, const struct bytes *payload,
                          struct kv_outcome *outcome)
{
    void *body = NULL;
    enum status status = STATUS_CORRUPT;
    if (payload != NULL) {
        status =
            codec_unpack(&kv->outcome, &pb__command__descriptor, payload->data, payload->size, &body, NULL);
    }
    if (status != STATUS_OK) { /* On every replica alike (A2). */
        outcome->reply = refuse(kv, context, STATUS_INVALID, "the entry holds no command");
        return;
    }
    const Pb__Command *command = body;
    context->command = command;
    if (command->session != 0) {
        const struct record_session *session = kv_sessions_find(&kv->sessions, command->session);
        outcome->reply = answer_of_session(kv, context, session, &outcome->repeated);
        if (outcome->reply != NULL) return;
    }
    Pb__ProposeReply *reply = reply_create(kv);
    execute(kv, context, reply, outcome);
    if (command->session != 0) record_result(kv, context, reply);
    outcome->reply = reply;
}

/* What the rules make of an entry that is no command: it can't be refused. */
static void apply_rule(struct kv *kv, const struct kv_context *context, const struct raft_entry *entry,
                       struct kv_outcome *outcome)
{
    const struct kv_rules *rules = kv->rules;
    struct kv_txn txn;
    kv_txn_begin(&txn, kv, context);
    if (entry->type == ENTRY_NO_OP && rules->no_op != NULL) rules->no_op(&txn, context);
    if (entry->type == ENTRY_CONFIGURATION && rules->configuration != NULL)
        rules->configuration(&txn, context, entry->payload);
    if (entry->type == ENTRY_CHECKPOINT && rules->checkpoint != NULL)
        rules->checkpoint(&txn, context, entry->payload);
    if (txn.oversized) kv_txn_abort(&txn);
    else outcome->changes = kv_txn_commit(&txn, &outcome->change_count);
}

void kv_apply(struct kv *kv, const struct raft_entry *entry, struct kv_outcome *out_outcome)
{
    CHECK(entry->index == kv->applied.index + 1); /* R9 */
    CHECK(entry->term >= kv->applied.term);
    arena_fini(&kv->outcome);
    *out_outcome = (struct kv_outcome){ 0 };
    struct kv_context context = { .revision = entry->index,
                                  .term = entry->term,
                                  .stamp_ms = entry->stamp_ms };
    if (entry->type == ENTRY_COMMAND) apply_command(kv, &context, entry->payload, out_outcome);
    else apply_rule(kv, &context, entry, out_outcome);
    kv->applied = (struct log_position){ entry->index, entry->term, entry->chain };
}
