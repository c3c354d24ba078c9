/* desk_routes: routes in a few places, the oldest idle one giving way; direct calls in a list, since only a
 * withdrawal looks for one. */
#include "actors/slice/desk_routes.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/outcome.h"
#include "wire/proto/slice.pb-c.h"

#include <string.h>

struct desk_route {
    char target[CALL_OUTCOMES_TARGET_MAX];
    char entry[SHA256_TEXT_SIZE]; /* Names of entry points are shorter than that. */
    struct instance_key key;
    struct actor_id actor;
    uint32_t deadline_ms;
    bool repeatable;
    int64_t until_ns;
    uint32_t in_flight;
    bool used;                       /* Since the figures were told. */
    struct slice_route_used used_so; /* Without its key and target. */
};

struct direct_call { /* The context of its ask. */
    struct direct_call *newer;
    struct direct_call *older;
    struct desk_routes *routes;
    struct desk_route *route;
    struct actor_id actor;
    uint64_t tag;
    struct request_id request_id;
    bool withdrawn;
    bool deadline_named;
    uint32_t depth;
    int64_t began_ns;
    int64_t deadline_ns;
    struct bytes *payload;
    char *caller;
    ask_completion *complete;
    void *context;
};

/* --- by TO_SLICE_CALL ------------------------------------------------------------------------------------
 */

/* Takes the payload. */
static void ask_around(struct actor *self, const struct desk_call *call, struct bytes **payload,
                       ask_completion *complete, void *context)
{
    struct message *message = message_create(KIND_SLICE_OUTBOUND, sizeof(struct slice_outbound));
    struct slice_outbound *outbound = message->body;
    *outbound = (struct slice_outbound){
        .target = arena_strdup(&message->arena, call->target),
        .affinity = arena_strdup(&message->arena, call->affinity),
        .idempotency_key = arena_strdup(&message->arena, call->idempotency_key),
        .caller = arena_strdup(&message->arena, call->caller),
        .depth = call->depth,
        .deadline_named = call->deadline_named,
    };
    message->tag = call->tag;
    message_attach(message, payload);
    actor_ask_name(self, TO_SLICE_CALL, &message, call->budget_ns, complete, context);
}

/* --- by a route ----------------------------------------------------------------------------------------- */

static struct desk_route *find(const struct desk_routes *routes, const char *target)
{
    for (uint32_t i = 0; i < DESK_ROUTES_MAX; i++)
        if (routes->routes[i] != NULL && strcmp(routes->routes[i]->target, target) == 0)
            return routes->routes[i];
    return NULL;
}

static void list_add(struct desk_routes *routes, struct direct_call *direct)
{
    direct->older = routes->newest;
    if (direct->older != NULL) direct->older->newer = direct;
    routes->newest = direct;
}

static void list_remove(struct desk_routes *routes, struct direct_call *direct)
{
    if (direct->older != NULL) direct->older->newer = direct->newer;
    if (direct->newer != NULL) direct->newer->older = direct->older;
    else routes->newest = direct->older;
}

static void note(const struct direct_call *direct, enum status status, int64_t now_ns)
{
    struct desk_route *route = direct->route;
    route->used = true;
    histogram_add(&route->used_so.took, (uint64_t)(now_ns - direct->began_ns));
    if (status == STATUS_OK) return;
    route->used_so.failed[status]++;
    route->used_so.first_failure = direct->request_id;
}

/* Would TO_SLICE_CALL try it again? Then it shall. */
static bool goes_around(const struct direct_call *direct, enum status status, int64_t now_ns)
{
    const struct outcome *outcome = outcome_find(status);
    CHECK(outcome != NULL);
    if (direct->withdrawn || now_ns >= direct->deadline_ns) return false;
    return outcome->retry == RETRY_ALWAYS ||
           (outcome->retry == RETRY_IF_HARMLESS && direct->route->repeatable);
}

/* An instance that ends under a call answers CANCELLED or not at all; nobody withdrew it. */
static enum status outcome_of_direct(const struct direct_call *direct, enum status status)
{
    if (status == STATUS_CANCELLED && !direct->withdrawn) return STATUS_CRASHED;
    if (status == STATUS_NOT_FOUND) return STATUS_NO_ENDPOINT;
    return outcome_of(status);
}

static void direct_destroy(struct direct_call *direct)
{
    list_remove(direct->routes, direct);
    direct->route->in_flight--;
    bytes_unref(&direct->payload);
    memory_free(direct->caller);
    memory_free(direct);
}

static void go_around(struct actor *self, struct direct_call *direct, int64_t now_ns)
{
    direct->route->until_ns = 0; /* It led nowhere. */
    ask_around(self,
               &(struct desk_call){ .target = direct->route->target,
                                    .affinity = "",
                                    .idempotency_key = "",
                                    .caller = direct->caller,
                                    .tag = direct->tag,
                                    .budget_ns = direct->deadline_ns - now_ns,
                                    .depth = direct->depth,
                                    .deadline_named = direct->deadline_named },
               &direct->payload, direct->complete, direct->context);
}

static void on_direct(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct direct_call *direct = context;
    int64_t now_ns = actor_now_ns(self);
    if (result->status == STATUS_OK) {
        note(direct, STATUS_OK, now_ns);
        direct->complete(self, state, direct->context, result);
        direct_destroy(direct);
        return;
    }
    enum status status = outcome_of_direct(direct, result->status);
    if (goes_around(direct, status, now_ns)) {
        go_around(self, direct, now_ns);
        direct_destroy(direct);
        return;
    }
    struct error error = *result->error;
    error.status = status;
    if (status != STATUS_CANCELLED) note(direct, status, now_ns);
    direct->complete(self, state, direct->context, &(struct ask_result){ .status = status, .error = &error });
    direct_destroy(direct);
}

static struct message *invoke_message(const struct desk_call *call, const struct desk_route *route,
                                      const struct direct_call *direct, int64_t budget_ns)
{
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *invoke = message->body;
    invoke->artifact = wire_string(message, route->key.artifact);
    invoke->instance = route->key.instance;
    invoke->entry = wire_string(message, route->entry);
    invoke->budget_ms = (uint64_t)(budget_ns / MILLISECONDS(1)) + 1;
    invoke->caller = wire_string(message, call->caller);
    invoke->depth = call->depth;
    message->tag = call->tag;
    struct bytes *payload = bytes_ref(direct->payload);
    message_attach(message, &payload);
    return message;
}

static void ask_directly(struct actor *self, struct desk_routes *routes, struct desk_route *route,
                         const struct desk_call *call, ask_completion *complete, void *context)
{
    int64_t budget_ns = call->budget_ns, own_ns = MILLISECONDS((int64_t)route->deadline_ms);
    if (!call->deadline_named && own_ns != 0 && own_ns < budget_ns) budget_ns = own_ns;
    struct direct_call *direct = memory_zalloc(sizeof *direct);
    *direct = (struct direct_call){ .routes = routes,
                                    .route = route,
                                    .actor = route->actor,
                                    .tag = call->tag,
                                    .request_id = call->request_id,
                                    .deadline_named = call->deadline_named,
                                    .depth = call->depth,
                                    .began_ns = actor_now_ns(self),
                                    .payload = slice_frame_payload(call->frame),
                                    .caller = memory_strdup(call->caller),
                                    .complete = complete,
                                    .context = context };
    direct->deadline_ns = direct->began_ns + budget_ns;
    list_add(routes, direct);
    route->in_flight++;
    struct message *message = invoke_message(call, route, direct, budget_ns);
    actor_ask(self, route->actor, &message, budget_ns, on_direct, direct);
}

/* --- the interface -------------------------------------------------------------------------------------- */

void desk_routes_call(struct actor *self, struct desk_routes *routes, const struct desk_call *call,
                      ask_completion *complete, void *context)
{
    bool plain = call->affinity[0] == '\0' && call->idempotency_key[0] == '\0';
    struct desk_route *route = plain ? find(routes, call->target) : NULL;
    if (route != NULL && actor_now_ns(self) < route->until_ns) {
        ask_directly(self, routes, route, call, complete, context);
        return;
    }
    struct bytes *payload = slice_frame_payload(call->frame);
    ask_around(self, call, &payload, complete, context);
}

void desk_routes_withdraw(struct actor *self, struct desk_routes *routes, uint64_t tag)
{
    struct direct_call *direct = routes->newest;
    while (direct != NULL && direct->tag != tag)
        direct = direct->older;
    if (direct == NULL) {
        struct message *message = message_create(KIND_CALL_WITHDRAWN, sizeof(struct call_withdrawn));
        ((struct call_withdrawn *)message->body)->tag = tag;
        actor_tell_name(self, TO_SLICE_CALL, &message);
        return;
    }
    direct->withdrawn = true;
    struct message *message = message_create(KIND_INVOKE_WITHDRAWN, sizeof(struct invoke_withdrawn));
    ((struct invoke_withdrawn *)message->body)->tag = tag;
    actor_tell(self, direct->actor, &message);
}

/* A place for one more target: a free one, else that of the next that no call is on. NULL: all are busy. */
static struct desk_route *new_route(struct actor *self, struct desk_routes *routes, const char *target)
{
    for (uint32_t i = 0; i < DESK_ROUTES_MAX; i++) {
        struct desk_route **place = &routes->routes[(routes->next + i) % DESK_ROUTES_MAX];
        if (*place != NULL && (*place)->in_flight > 0) continue;
        routes->next = (routes->next + i + 1) % DESK_ROUTES_MAX;
        if (*place == NULL) *place = memory_zalloc(sizeof **place);
        else desk_routes_tell(self, routes);
        **place = (struct desk_route){ .until_ns = 0 };
        return text_copy((*place)->target, sizeof(*place)->target, target) ? *place : NULL;
    }
    return NULL;
}

void desk_routes_learn(struct actor *self, struct desk_routes *routes, const struct slice_route *told)
{
    desk_routes_tell(self, routes); /* Of whom the route led to until now. */
    struct desk_route *route = find(routes, told->target);
    if (route == NULL) route = new_route(self, routes, told->target);
    if (route == NULL) return;
    bool fits = text_copy(route->key.artifact, sizeof route->key.artifact, told->artifact) &&
                text_copy(route->entry, sizeof route->entry, told->entry);
    route->key.instance = told->instance;
    route->actor = told->actor;
    route->deadline_ms = told->deadline_ms;
    route->repeatable = told->repeatable;
    route->until_ns = fits ? actor_now_ns(self) + SLICE_ROUTE_NS : 0;
}

void desk_routes_tell(struct actor *self, struct desk_routes *routes)
{
    for (uint32_t i = 0; i < DESK_ROUTES_MAX; i++) {
        struct desk_route *route = routes->routes[i];
        if (route == NULL || !route->used) continue;
        struct message *message = message_create(KIND_SLICE_ROUTE_USED, sizeof(struct slice_route_used));
        struct slice_route_used *used = message->body;
        *used = route->used_so;
        used->key = route->key;
        (void)text_copy(used->target, sizeof used->target, route->target);
        actor_tell_name(self, TO_SLICE_CALL, &message);
        route->used = false;
        route->used_so = (struct slice_route_used){ .failed = { 0 } };
    }
}

void desk_routes_fini(struct desk_routes *routes)
{
    CHECK(routes->newest == NULL); /* Each ask has completed. */
    for (uint32_t i = 0; i < DESK_ROUTES_MAX; i++)
        memory_free(routes->routes[i]);
}
