/* restarting: see the header. */
#include "actors/slice/restarting.h"

#include "actors/slice/deployment_queries.h"
#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

struct restart_target {
    uint32_t instance;
    char node[SLICE_NODE_MAX];
};

struct restart {
    struct message *request; /* Kept; owed one answer. NULL: it was given, the restart goes on. */
    char artifact[COORDINATES_TEXT_MAX];
    uint64_t since; /* What was assigned up to here is started anew. */
    struct restart_target *targets;
    uint32_t target_count;
};

enum target_state { TARGET_WAITS, TARGET_BACK, TARGET_LOST };

static void destroy(struct restart *restart)
{
    message_destroy(&restart->request);
    memory_free(restart->targets);
    memory_free(restart);
}

void restarting_fini(struct cluster_deployment_manager *manager)
{
    while (manager->restart_count > 0)
        destroy(manager->restarts[--manager->restart_count]);
}

static void remove_at(struct cluster_deployment_manager *manager, uint32_t place)
{
    destroy(manager->restarts[place]);
    manager->restart_count--;
    for (; place < manager->restart_count; place++)
        manager->restarts[place] = manager->restarts[place + 1];
}

uint64_t restarting_since(const struct cluster_deployment_manager *manager, const char *artifact,
                          const char *node, uint32_t instance)
{
    uint64_t since = 0;
    for (uint32_t i = 0; i < manager->restart_count; i++) {
        const struct restart *restart = manager->restarts[i];
        if (strcmp(restart->artifact, artifact) != 0) continue;
        for (uint32_t t = 0; t < restart->target_count; t++) {
            const struct restart_target *target = &restart->targets[t];
            bool same = target->instance == instance && strcmp(target->node, node) == 0;
            if (same && restart->since > since) since = restart->since;
        }
    }
    return since;
}

/* --- the end ------------------------------------------------------------------------------------------- */

static enum target_state look_at(const struct cluster_deployment_manager *manager,
                                 const struct restart *restart, const struct restart_target *target,
                                 struct error *error)
{
    const struct view_allocation *allocation =
        deployment_view_allocation(&manager->view, restart->artifact, target->node);
    const struct allocation_instance *assigned =
        allocation == NULL ? NULL : slice_allocation_find(&allocation->allocation, target->instance);
    const struct slice_instance *recorded =
        deployment_view_instance(&manager->view, target->node, restart->artifact, target->instance);
    if (assigned == NULL) return TARGET_BACK; /* Withdrawn, or moved: as new as it gets. */
    if (assigned->rev <= restart->since || recorded == NULL || recorded->rev != assigned->rev)
        return TARGET_WAITS;
    if (recorded->state == SLICE_ACTIVE) return TARGET_BACK;
    bool over =
        recorded->state == SLICE_FAILED && (recorded->fatal || recorded->attempt >= SLICE_ATTEMPTS_MAX);
    if (!over) return TARGET_WAITS;
    (void)error_set(error, STATUS_NOT_READY, "%s#%u on %s did not come back: %s: %s", restart->artifact,
                    target->instance, target->node, recorded->reason, recorded->text);
    error_hint(error,
               "aether slice logs %s --instance %u shows its last words; the others were left as they are",
               restart->artifact, target->instance);
    return TARGET_LOST;
}

static void answer(struct actor *self, const struct cluster_deployment_manager *manager,
                   const struct restart *restart, uint32_t back, bool complete)
{
    struct message *message = wire_message_create(KIND_SLICE_RESTART_REPLY);
    Pb__SliceRestartReply *reply = message->body;
    reply->artifact = wire_string(message, restart->artifact);
    reply->restarted = back;
    reply->complete = complete;
    deployment_queries_instances(message, &manager->view, "", restart->artifact, &reply->instances,
                                 &reply->n_instances);
    actor_reply(self, restart->request, &message);
}

/* The caller's time is nearly up: it is told how far things are; the cluster goes on. */
static void answer_if_late(struct actor *self, struct restart *restart, uint32_t back)
{
    if (restart->request == NULL || restart->request->deadline_ns == 0) return;
    if (actor_now_ns(self) < restart->request->deadline_ns - DEPLOYMENT_ANSWER_BEFORE_NS) return;
    struct error error;
    (void)error_set(&error, STATUS_NOT_READY,
                    "not done in time, the cluster goes on: %u of %u are ACTIVE again", back,
                    restart->target_count);
    error_hint(&error, "a longer --timeout waits longer; --detach doesn't wait");
    actor_refuse_error(self, restart->request, &error);
    message_destroy(&restart->request);
}

/* true: it is over. */
static bool judge(struct actor *self, struct cluster_deployment_manager *manager, struct restart *restart)
{
    struct error error = { 0 };
    uint32_t back = 0;
    for (uint32_t t = 0; t < restart->target_count; t++) {
        enum target_state state = look_at(manager, restart, &restart->targets[t], &error);
        back += state == TARGET_BACK ? 1 : 0;
        if (state != TARGET_LOST) continue;
        MARK("restarting.did_not_come_back");
        log_warn(self, "slice.restart_failed", "%s", error.message);
        if (restart->request != NULL) actor_refuse_error(self, restart->request, &error);
        return true; /* The rest is left as it is: it serves. */
    }
    if (back < restart->target_count) {
        answer_if_late(self, restart, back);
        return false;
    }
    log_info(self, "slice.restarted", "artifact=%s instances=%u", restart->artifact, back);
    if (restart->request != NULL) answer(self, manager, restart, back, true);
    return true;
}

void restarting_judge(struct actor *self, struct cluster_deployment_manager *manager)
{
    for (uint32_t i = manager->restart_count; i > 0; i--) {
        if (judge(self, manager, manager->restarts[i - 1])) remove_at(manager, i - 1);
    }
}

void restarting_drop(struct actor *self, struct cluster_deployment_manager *manager)
{
    struct error error;
    (void)error_set(&error, STATUS_UNKNOWN,
                    "the leadership moved meanwhile; some may not have been restarted");
    error_hint(&error, "aether slice list shows since when each is ACTIVE");
    for (uint32_t i = 0; i < manager->restart_count; i++) {
        struct message *request = manager->restarts[i]->request;
        if (request != NULL) actor_refuse_error(self, request, &error);
    }
    restarting_fini(manager);
}

/* --- the beginning ------------------------------------------------------------------------------------- */

static void add_targets(const struct cluster_deployment_manager *manager, struct restart *restart,
                        const Pb__SliceRestartRequest *request)
{
    const struct view_allocation *allocation = NULL;
    bool one = request->has_instance_case == PB__SLICE_RESTART_REQUEST__HAS_INSTANCE_INSTANCE;
    for (const char *key = "";
         (allocation = deployment_view_next_allocation(&manager->view, &key)) != NULL;) {
        if (strcmp(allocation->artifact, restart->artifact) != 0) continue;
        if (request->node[0] != '\0' && strcmp(request->node, allocation->node) != 0) continue;
        for (uint32_t i = 0; i < allocation->allocation.instance_count; i++) {
            uint32_t instance = allocation->allocation.instances[i].instance;
            if (one && instance != request->instance) continue;
            restart->targets =
                memory_realloc(restart->targets, (restart->target_count + 1) * sizeof(*restart->targets));
            struct restart_target *target = &restart->targets[restart->target_count++];
            target->instance = instance;
            (void)text_copy(target->node, sizeof(target->node), allocation->node);
        }
    }
}

/* What can't be done is said before anything is begun. */
static enum status check(const struct cluster_deployment_manager *manager, const struct restart *restart,
                         const struct blueprint_slice *slice, struct error *error)
{
    struct rollout_count count;
    rollout_count(&manager->view, slice->artifact, 0, &count);
    if (restart->target_count == 0) {
        error_set(error, STATUS_NOT_FOUND, "%s has no such instance", slice->artifact);
        error_hint(error, "aether slice show %s lists them", slice->artifact);
        return STATUS_NOT_FOUND;
    }
    if (slice->min_available == 0 || slice->min_available < slice->instances) return STATUS_OK;
    if (count.active < slice->min_available) return STATUS_OK; /* What doesn't serve can be restarted. */
    error_set(error, STATUS_CONFLICT, "min-available: %u of %u instances leaves none to restart",
              slice->min_available, slice->instances);
    error_hint(error, "publish it with one instance more, or with a smaller min-available");
    return STATUS_CONFLICT;
}

void restarting_on_restart(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__SliceRestartRequest *request = message->body;
    struct error error = { 0 };
    if (!manager->leading || !deployment_knows_everything(manager) ||
        manager->restart_count == RESTARTS_MAX) {
        actor_refuse(self, message,
                     manager->restart_count == RESTARTS_MAX ? STATUS_OVERLOADED : STATUS_NOT_LEADER);
        return;
    }
    const struct view_blueprint *blueprint = NULL;
    const struct blueprint_slice *slice = NULL;
    enum status status =
        deployment_queries_find_slice(&manager->view, request->artifact, &blueprint, &slice, &error);
    if (status != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    struct restart *restart = memory_zalloc(sizeof(*restart));
    (void)text_copy(restart->artifact, sizeof(restart->artifact), slice->artifact);
    restart->since = manager->follows[FOLLOW_ALLOCATIONS].revision;
    add_targets(manager, restart, request);
    if (check(manager, restart, slice, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        destroy(restart);
        return;
    }
    restart->request = actor_keep(self);
    if (request->detach) {
        answer(self, manager, restart, 0, false);
        message_destroy(&restart->request);
    }
    manager->restarts[manager->restart_count++] = restart;
    manager->changed = true;
}
