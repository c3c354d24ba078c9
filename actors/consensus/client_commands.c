/* client_commands: one function a request. A transaction comes as a document, since its lists are of mixed
 * kinds: read here, member by member, with the place of what is wrong. */
#include "actors/consensus/client_commands.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/kv.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <string.h>

struct build {
    struct arena *arena;
    Pb__Command *command;
    struct error *error;
};

/* --- parts of a command --------------------------------------------------------------------------------- */

static Pb__Operation *new_operation(struct arena *arena, Pb__Operation__OpCase op_case)
{
    Pb__Operation *operation = arena_alloc(arena, sizeof *operation);
    pb__operation__init(operation);
    operation->op_case = op_case;
    return operation;
}

static Pb__Operation *put_operation(struct arena *arena, const char *key, const char *value,
                                    const char *lease)
{
    Pb__Operation *operation = new_operation(arena, PB__OPERATION__OP_PUT);
    operation->put = arena_alloc(arena, sizeof *operation->put);
    pb__op_put__init(operation->put);
    operation->put->key = arena_strdup(arena, key);
    operation->put->value.data = (uint8_t *)arena_strdup(arena, value);
    operation->put->value.len = strlen(value);
    operation->put->lease = arena_strdup(arena, lease);
    return operation;
}

static Pb__Operation *delete_operation(struct arena *arena, const char *key)
{
    Pb__Operation *operation = new_operation(arena, PB__OPERATION__OP_DELETE);
    operation->delete_ = arena_alloc(arena, sizeof *operation->delete_);
    pb__op_delete__init(operation->delete_);
    operation->delete_->key = arena_strdup(arena, key);
    return operation;
}

static Pb__Operation *delete_prefix_operation(struct arena *arena, const char *prefix)
{
    Pb__Operation *operation = new_operation(arena, PB__OPERATION__OP_DELETE_PREFIX);
    operation->delete_prefix = arena_alloc(arena, sizeof *operation->delete_prefix);
    pb__op_delete_prefix__init(operation->delete_prefix);
    operation->delete_prefix->prefix = arena_strdup(arena, prefix);
    return operation;
}

static enum status grant_operation(struct build *build, const char *name, const char *holder, const char *ttl,
                                   Pb__Operation **out_operation)
{
    int64_t ttl_ns = 0;
    if (!text_to_duration_ns(ttl, &ttl_ns) || ttl_ns <= 0) {
        (void)error_set(build->error, STATUS_INVALID, "ttl \"%.40s\" is no duration", ttl);
        error_hint(build->error, "write it as 30s or 5m");
        return STATUS_INVALID;
    }
    Pb__Operation *operation = new_operation(build->arena, PB__OPERATION__OP_LEASE_GRANT);
    operation->lease_grant = arena_alloc(build->arena, sizeof *operation->lease_grant);
    pb__op_lease_grant__init(operation->lease_grant);
    operation->lease_grant->name = arena_strdup(build->arena, name);
    operation->lease_grant->holder = arena_strdup(build->arena, holder);
    operation->lease_grant->ttl_ms = (uint64_t)(ttl_ns / MILLISECONDS(1));
    *out_operation = operation;
    return STATUS_OK;
}

static Pb__Operation *renew_operation(struct arena *arena, const char *name, const char *holder,
                                      uint64_t fence)
{
    Pb__Operation *operation = new_operation(arena, PB__OPERATION__OP_LEASE_RENEW);
    operation->lease_renew = arena_alloc(arena, sizeof *operation->lease_renew);
    pb__op_lease_renew__init(operation->lease_renew);
    operation->lease_renew->name = arena_strdup(arena, name);
    operation->lease_renew->holder = arena_strdup(arena, holder);
    operation->lease_renew->fence = fence;
    return operation;
}

static Pb__Operation *revoke_operation(struct arena *arena, const char *name, const char *holder)
{
    Pb__Operation *operation = new_operation(arena, PB__OPERATION__OP_LEASE_REVOKE);
    operation->lease_revoke = arena_alloc(arena, sizeof *operation->lease_revoke);
    pb__op_lease_revoke__init(operation->lease_revoke);
    operation->lease_revoke->name = arena_strdup(arena, name);
    operation->lease_revoke->holder = arena_strdup(arena, holder);
    return operation;
}

static void set_single(struct build *build, Pb__Operation *operation)
{
    build->command->success = arena_array(build->arena, 1, sizeof(Pb__Operation *));
    build->command->success[0] = operation;
    build->command->n_success = 1;
}

/* At most two, for the requests of one operation. */
static Pb__Compare *add_compare(struct build *build, const char *key)
{
    enum { COMPARES_MAX = 2 };
    Pb__Command *command = build->command;
    if (command->compares == NULL)
        command->compares = arena_array(build->arena, COMPARES_MAX, sizeof(Pb__Compare *));
    CHECK(command->n_compares < COMPARES_MAX);
    Pb__Compare *compare = arena_alloc(build->arena, sizeof *compare);
    pb__compare__init(compare);
    compare->key = arena_strdup(build->arena, key);
    command->compares[command->n_compares++] = compare;
    return compare;
}

static void expect_revision(struct build *build, const char *key, uint64_t revision)
{
    Pb__Compare *compare = add_compare(build, key);
    compare->target_case = revision == 0 ? PB__COMPARE__TARGET_ABSENT : PB__COMPARE__TARGET_REVISION;
    if (revision == 0) compare->absent = true;
    else compare->revision = revision;
}

/* JSON as it was written; anything else becomes a JSON string. */
static char *json_value(struct arena *arena, const char *text)
{
    if (value_is_json(text, strlen(text))) return arena_strdup(arena, text);
    struct value *value = value_new_string(text);
    char *dumped = value_dump(value);
    char *copy = arena_strdup(arena, dumped);
    memory_free(dumped);
    value_free(&value);
    return copy;
}

/* --- requests of one operation -------------------------------------------------------------------------- */

static void set_session(struct build *build, uint64_t session, uint64_t sequence)
{
    build->command->session = session;
    build->command->sequence = sequence;
}

static void set_origin(struct build *build, bool force)
{
    build->command->origin = force ? PB__ORIGIN__ORIGIN_FORCED : PB__ORIGIN__ORIGIN_CLIENT;
}

static enum status build_put(struct build *build, const Pb__KvPutRequest *request)
{
    bool fenced = request->has_fence_case == PB__KV_PUT_REQUEST__HAS_FENCE_FENCE;
    if (fenced && request->lease[0] == '\0')
        return error_set(build->error, STATUS_INVALID, "a fence is that of a lease: name it with --lease");
    set_origin(build, request->force);
    set_session(build, request->session, request->sequence);
    if (request->has_if_rev_case == PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV)
        expect_revision(build, request->key, request->if_rev);
    if (fenced) {
        struct text key = { 0 };
        text_printf(&key, "leases/%s", request->lease);
        Pb__Compare *compare = add_compare(build, text_string(&key));
        compare->target_case = PB__COMPARE__TARGET_CREATED;
        compare->created = request->fence;
        text_fini(&key);
    }
    set_single(build, put_operation(build->arena, request->key, json_value(build->arena, request->value),
                                    request->lease));
    return STATUS_OK;
}

static enum status build_delete(struct build *build, const Pb__KvDeleteRequest *request)
{
    bool expects = request->has_if_rev_case == PB__KV_DELETE_REQUEST__HAS_IF_REV_IF_REV;
    if (expects && request->prefix)
        return error_set(build->error, STATUS_INVALID, "a prefix has no revision: if-rev goes with one key");
    set_origin(build, request->force);
    set_session(build, request->session, request->sequence);
    if (expects) expect_revision(build, request->key, request->if_rev);
    set_single(build, request->prefix ? delete_prefix_operation(build->arena, request->key)
                                      : delete_operation(build->arena, request->key));
    return STATUS_OK;
}

static enum status build_grant(struct build *build, const Pb__LeaseGrantRequest *request)
{
    Pb__Operation *operation = NULL;
    enum status status = grant_operation(build, request->name, request->holder, request->ttl, &operation);
    if (status != STATUS_OK) return status;
    set_session(build, request->session, request->sequence);
    set_single(build, operation);
    return STATUS_OK;
}

static enum status build_renew(struct build *build, const Pb__LeaseRenewRequest *request)
{
    set_session(build, request->session, request->sequence);
    set_single(build, renew_operation(build->arena, request->name, request->holder, request->fence));
    return STATUS_OK;
}

static enum status build_revoke(struct build *build, const Pb__LeaseRevokeRequest *request)
{
    set_session(build, request->session, request->sequence);
    set_single(build, revoke_operation(build->arena, request->name, request->holder));
    return STATUS_OK;
}

static enum status build_session(struct build *build, const Pb__SessionOpenRequest *request)
{
    Pb__Operation *operation = new_operation(build->arena, PB__OPERATION__OP_SESSION_OPEN);
    operation->session_open = arena_alloc(build->arena, sizeof *operation->session_open);
    pb__op_session_open__init(operation->session_open);
    operation->session_open->client = arena_strdup(build->arena, request->client);
    build->command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    set_single(build, operation);
    return STATUS_OK;
}

/* --- transactions -----------------------------------------------------------------------------------------
 */

struct place { /* Where in the document we are: "success[2]". */
    const char *list;
    size_t at; /* WHOLE: the list is all there is. */
};
static const size_t WHOLE = SIZE_MAX;

static enum status wrong(struct build *build, const struct place *place, const char *what)
{
    if (place->at == WHOLE) return error_set(build->error, STATUS_INVALID, "the %s %s", place->list, what);
    return error_set(build->error, STATUS_INVALID, "%s[%zu]: %s", place->list, place->at, what);
}

static enum status check_members(struct build *build, const struct place *place, const struct value *object,
                                 const char *const *names)
{
    const char *key;
    const struct value *member;
    if (value_type(object) != VALUE_OBJECT) return wrong(build, place, "is no object");
    for (size_t i = 0; value_member(object, i, &key, &member); i++) {
        bool known = false;
        for (const char *const *name = names; *name != NULL; name++)
            known = known || strcmp(*name, key) == 0;
        if (known) continue;
        const char *what = arena_printf(build->arena, "\"%.64s\" does not belong here", key);
        return wrong(build, place, what);
    }
    return STATUS_OK;
}

static enum status read_number(struct build *build, const struct place *place, const struct value *object,
                               const char *name, uint64_t *out_number)
{
    int64_t number = 0;
    if (!value_integer(value_get(object, name), &number) || number < 0)
        return error_set(build->error, STATUS_INVALID, "%s[%zu]: %s is no number from 0 on", place->list,
                         place->at, name);
    *out_number = (uint64_t)number;
    return STATUS_OK;
}

static char *dump_into(struct arena *arena, const struct value *value)
{
    char *dump = value_dump(value);
    char *copy = arena_strdup(arena, dump);
    memory_free(dump);
    return copy;
}

static enum status read_compare(struct build *build, const struct place *place, const struct value *object,
                                Pb__Compare **out_compare)
{
    static const char *const names[] = { "key", "value", "revision", "created", "absent", NULL };
    enum status status = check_members(build, place, object, names);
    if (status != STATUS_OK) return status;
    const char *key = value_string(value_get(object, "key"));
    if (key == NULL) return wrong(build, place, "key is missing, or no string");
    if (value_size(object) != 2) return wrong(build, place, "takes one of value, revision, created, absent");
    Pb__Compare *compare = arena_alloc(build->arena, sizeof *compare);
    pb__compare__init(compare);
    compare->key = arena_strdup(build->arena, key);
    bool absent = false;
    if (value_get(object, "value") != NULL) {
        compare->target_case = PB__COMPARE__TARGET_VALUE;
        char *value = dump_into(build->arena, value_get(object, "value"));
        compare->value.data = (uint8_t *)value;
        compare->value.len = strlen(value);
    } else if (value_get(object, "revision") != NULL) {
        compare->target_case = PB__COMPARE__TARGET_REVISION;
        status = read_number(build, place, object, "revision", &compare->revision);
    } else if (value_get(object, "created") != NULL) {
        compare->target_case = PB__COMPARE__TARGET_CREATED;
        status = read_number(build, place, object, "created", &compare->created);
    } else if (value_boolean(value_get(object, "absent"), &absent)) {
        compare->target_case = PB__COMPARE__TARGET_ABSENT;
        compare->absent = absent;
    } else {
        status = wrong(build, place, "absent is true or false");
    }
    *out_compare = compare;
    return status;
}

static enum status read_put(struct build *build, const struct place *place, const struct value *object,
                            Pb__Operation **out_operation)
{
    const struct value *value = value_get(object, "value");
    if (value == NULL) return wrong(build, place, "value is missing");
    *out_operation = put_operation(build->arena, value_get_string(object, "put", ""),
                                   dump_into(build->arena, value), value_get_string(object, "lease", ""));
    return STATUS_OK;
}

static enum status read_delete(struct build *build, const struct place *place, const struct value *object,
                               Pb__Operation **out_operation)
{
    (void)place;
    *out_operation = delete_operation(build->arena, value_get_string(object, "delete", ""));
    return STATUS_OK;
}

static enum status read_delete_prefix(struct build *build, const struct place *place,
                                      const struct value *object, Pb__Operation **out_operation)
{
    (void)place;
    *out_operation = delete_prefix_operation(build->arena, value_get_string(object, "delete-prefix", ""));
    return STATUS_OK;
}

static enum status read_grant(struct build *build, const struct place *place, const struct value *object,
                              Pb__Operation **out_operation)
{
    enum status status =
        grant_operation(build, value_get_string(object, "grant", ""), value_get_string(object, "holder", ""),
                        value_get_string(object, "ttl", ""), out_operation);
    return status == STATUS_OK ? status : error_wrap(build->error, "%s[%zu]", place->list, place->at);
}

static enum status read_renew(struct build *build, const struct place *place, const struct value *object,
                              Pb__Operation **out_operation)
{
    uint64_t fence = 0;
    enum status status = read_number(build, place, object, "fence", &fence);
    if (status != STATUS_OK) return status;
    *out_operation = renew_operation(build->arena, value_get_string(object, "renew", ""),
                                     value_get_string(object, "holder", ""), fence);
    return STATUS_OK;
}

static enum status read_revoke(struct build *build, const struct place *place, const struct value *object,
                               Pb__Operation **out_operation)
{
    (void)place;
    *out_operation = revoke_operation(build->arena, value_get_string(object, "revoke", ""),
                                      value_get_string(object, "holder", ""));
    return STATUS_OK;
}

/* One row an operation; the first name is the operation's own, and what it is done to. */
static const struct reader {
    const char *names[5];
    enum status (*read)(struct build *build, const struct place *place, const struct value *object,
                        Pb__Operation **out_operation);
} readers[] = {
    { { "put", "value", "lease", NULL }, read_put },      { { "delete", NULL }, read_delete },
    { { "delete-prefix", NULL }, read_delete_prefix },    { { "grant", "holder", "ttl", NULL }, read_grant },
    { { "renew", "holder", "fence", NULL }, read_renew }, { { "revoke", "holder", NULL }, read_revoke },
};

static enum status read_operation(struct build *build, const struct place *place, const struct value *object,
                                  Pb__Operation **out_operation)
{
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        const struct value *subject = value_get(object, readers[i].names[0]);
        if (subject == NULL) continue;
        if (value_string(subject) == NULL) return wrong(build, place, "names its key by a string");
        enum status status = check_members(build, place, object, readers[i].names);
        return status == STATUS_OK ? readers[i].read(build, place, object, out_operation) : status;
    }
    enum status status = wrong(build, place, "is no operation");
    error_hint(build->error, "put, delete, delete-prefix, grant, renew or revoke: aether help kv txn");
    return status;
}

static enum status check_list(struct build *build, const struct value *document, const char *name,
                              const struct value **out_list)
{
    const struct value *list = value_get(document, name);
    if (list != NULL && value_type(list) != VALUE_ARRAY)
        return error_set(build->error, STATUS_INVALID, "%s is no list", name);
    if (value_size(list) > KV_OPERATIONS_MAX)
        return error_set(build->error, STATUS_INVALID, "%s holds %zu; at most %d", name, value_size(list),
                         KV_OPERATIONS_MAX);
    *out_list = list;
    return STATUS_OK;
}

static enum status read_compares(struct build *build, const struct value *document)
{
    const struct value *list = NULL;
    enum status status = check_list(build, document, "compare", &list);
    if (status != STATUS_OK || list == NULL) return status;
    Pb__Command *command = build->command;
    command->compares = arena_array(build->arena, value_size(list) + 1, sizeof(Pb__Compare *));
    for (size_t i = 0; i < value_size(list) && status == STATUS_OK; i++) {
        struct place place = { "compare", i };
        status = read_compare(build, &place, value_at(list, i), &command->compares[i]);
    }
    command->n_compares = value_size(list);
    return status;
}

static enum status read_operations(struct build *build, const struct value *document, const char *name,
                                   Pb__Operation ***out_operations, size_t *out_count)
{
    const struct value *list = NULL;
    enum status status = check_list(build, document, name, &list);
    if (status != STATUS_OK || list == NULL) return status;
    Pb__Operation **operations = arena_array(build->arena, value_size(list) + 1, sizeof(Pb__Operation *));
    for (size_t i = 0; i < value_size(list) && status == STATUS_OK; i++) {
        struct place place = { name, i };
        status = read_operation(build, &place, value_at(list, i), &operations[i]);
    }
    *out_operations = operations;
    *out_count = value_size(list);
    return status;
}

static enum status read_document(struct build *build, const struct value *document)
{
    static const char *const names[] = { "compare", "success", "failure", NULL };
    Pb__Command *command = build->command;
    struct place place = { "transaction", WHOLE };
    enum status status = check_members(build, &place, document, names);
    if (status == STATUS_OK) status = read_compares(build, document);
    if (status == STATUS_OK)
        status = read_operations(build, document, "success", &command->success, &command->n_success);
    if (status == STATUS_OK)
        status = read_operations(build, document, "failure", &command->failure, &command->n_failure);
    if (status != STATUS_OK) return status;
    if (command->n_success + command->n_failure > 0) return STATUS_OK;
    return error_set(build->error, STATUS_INVALID, "the transaction does nothing");
}

static enum status build_txn(struct build *build, const Pb__KvTxnRequest *request)
{
    struct value *document = NULL;
    struct value_positions *positions = NULL;
    enum status status =
        value_parse_yaml(request->document, strlen(request->document), &document, &positions, build->error);
    value_positions_free(&positions);
    if (status != STATUS_OK) return error_wrap(build->error, "the transaction");
    set_origin(build, request->force);
    set_session(build, request->session, request->sequence);
    status = read_document(build, document);
    value_free(&document);
    return status;
}

enum status client_commands_build(const struct message *request, struct arena *arena,
                                  Pb__Command **out_command, struct error *error)
{
    struct build build = { .arena = arena, .error = error };
    build.command = arena_alloc(arena, sizeof *build.command);
    pb__command__init(build.command);
    build.command->origin = PB__ORIGIN__ORIGIN_CLIENT;
    build.command->request_id.data = arena_memdup(arena, &request->request_id, sizeof request->request_id);
    build.command->request_id.len = sizeof request->request_id;
    enum status status;
    switch (request->kind) {
    case KIND_KV_PUT_REQUEST: status = build_put(&build, request->body); break;
    case KIND_KV_DELETE_REQUEST: status = build_delete(&build, request->body); break;
    case KIND_KV_TXN_REQUEST: status = build_txn(&build, request->body); break;
    case KIND_LEASE_GRANT_REQUEST: status = build_grant(&build, request->body); break;
    case KIND_LEASE_RENEW_REQUEST: status = build_renew(&build, request->body); break;
    case KIND_LEASE_REVOKE_REQUEST: status = build_revoke(&build, request->body); break;
    case KIND_SESSION_OPEN_REQUEST: status = build_session(&build, request->body); break;
    default: status = error_set(error, STATUS_INVALID, "%s changes nothing", kind_name(request->kind)); break;
    }
    *out_command = build.command;
    return status;
}

/* --- answers ----------------------------------------------------------------------------------------------
 */

static const char *subject_of(const Pb__Operation *operation, const char **out_word)
{
    switch (operation->op_case) {
    case PB__OPERATION__OP_PUT: *out_word = "put"; return operation->put->key;
    case PB__OPERATION__OP_DELETE: *out_word = "delete"; return operation->delete_->key;
    case PB__OPERATION__OP_DELETE_PREFIX:
        *out_word = "delete-prefix";
        return operation->delete_prefix->prefix;
    case PB__OPERATION__OP_LEASE_GRANT: *out_word = "grant"; return operation->lease_grant->name;
    case PB__OPERATION__OP_LEASE_RENEW: *out_word = "renew"; return operation->lease_renew->name;
    default: *out_word = "revoke"; return operation->lease_revoke->name;
    }
}

static Pb__KvTxnResult *txn_result(struct message *answer, const Pb__Operation *operation,
                                   const Pb__OperationResult *result)
{
    Pb__KvTxnResult *told = arena_alloc(&answer->arena, sizeof *told);
    pb__kv_txn_result__init(told);
    const char *word = NULL;
    told->key = wire_string(answer, subject_of(operation, &word));
    told->operation = wire_string(answer, word);
    bool deletes = operation->op_case == PB__OPERATION__OP_DELETE ||
                   operation->op_case == PB__OPERATION__OP_DELETE_PREFIX;
    bool holds = operation->op_case == PB__OPERATION__OP_LEASE_GRANT ||
                 operation->op_case == PB__OPERATION__OP_LEASE_RENEW;
    if (deletes) told->deleted = result->value;
    if (holds) {
        told->fence = result->value;
        told->left_ms = result->left_ms;
    }
    return told;
}

static struct message *answer_txn(const Pb__Command *command, const Pb__ProposeReply *reply)
{
    struct message *answer = wire_message_create(KIND_KV_TXN_REPLY);
    Pb__KvTxnReply *told = answer->body;
    told->revision = reply->revision;
    told->succeeded = reply->compares_held;
    Pb__Operation *const *operations = reply->compares_held ? command->success : command->failure;
    size_t count = reply->compares_held ? command->n_success : command->n_failure;
    if (count > reply->n_results) count = reply->n_results;
    told->results = arena_array(&answer->arena, count + 1, sizeof(Pb__KvTxnResult *));
    told->n_results = count;
    for (size_t i = 0; i < count; i++)
        told->results[i] = txn_result(answer, operations[i], reply->results[i]);
    return answer;
}

static struct message *answer_lease(const Pb__Operation *operation, const Pb__ProposeReply *reply)
{
    struct message *answer = wire_message_create(KIND_LEASE_REPLY);
    Pb__LeaseReply *told = answer->body;
    const char *word = NULL;
    told->name = wire_string(answer, subject_of(operation, &word));
    told->revision = reply->revision;
    if (reply->n_results == 0) return answer;
    told->holder = wire_string(answer, reply->results[0]->holder);
    told->fence = reply->results[0]->value;
    told->left_ms = reply->results[0]->left_ms;
    return answer;
}

static struct message *answer_change(const struct message *request, const Pb__ProposeReply *reply)
{
    struct message *answer = wire_message_create(KIND_KV_CHANGE_REPLY);
    Pb__KvChangeReply *change = answer->body;
    change->revision = reply->revision;
    bool deletes = request->kind == KIND_KV_DELETE_REQUEST;
    if (deletes && reply->n_results > 0) change->deleted = reply->results[0]->value;
    return answer;
}

static struct message *answer_session(const Pb__ProposeReply *reply)
{
    struct message *answer = wire_message_create(KIND_SESSION_OPEN_REPLY);
    if (reply->n_results > 0) ((Pb__SessionOpenReply *)answer->body)->session = reply->results[0]->value;
    return answer;
}

struct message *client_commands_answer(const struct message *request, const Pb__Command *command,
                                       const Pb__ProposeReply *reply)
{
    switch (request->kind) {
    case KIND_KV_TXN_REQUEST: return answer_txn(command, reply);
    case KIND_LEASE_GRANT_REQUEST:
    case KIND_LEASE_RENEW_REQUEST: return answer_lease(command->success[0], reply);
    case KIND_SESSION_OPEN_REQUEST: return answer_session(reply);
    default: return answer_change(request, reply);
    }
}

void client_commands_explain(const Pb__Command *command, struct error *error)
{
    if (error->status != STATUS_CONFLICT || command->n_compares == 0) return;
    const Pb__Compare *compare = command->compares[0];
    size_t used = strlen(error->message);
    if (compare->target_case == PB__COMPARE__TARGET_ABSENT && compare->absent) {
        (void)snprintf(error->message + used, sizeof error->message - used, "; it was expected to be absent");
    } else if (compare->target_case == PB__COMPARE__TARGET_REVISION && command->n_compares == 1) {
        (void)snprintf(error->message + used, sizeof error->message - used, "; expected was revision %llu",
                       (unsigned long long)compare->revision);
    }
    if (error->hint[0] != '\0') return; /* A rule's own says more. */
    error_hint(error, "read it again, then repeat with the revision that you saw");
}
