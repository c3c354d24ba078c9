/* failures: see the header. */
#include "actors/slice/failures.h"

#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_SIZE = COORDINATES_TEXT_MAX + SLICE_NODE_MAX + 1 };
static const int64_t excluded_ns = SECONDS(60);
static const int64_t grace_ns = SECONDS(30); /* For a node to end a state in -ING by itself. */

struct failure {
    int64_t until_ns; /* Excluded that long; then whatever still failed there tries anew. */
    bool over;
    char why[FAILURES_WHY_SIZE]; /* For people. */
};

struct moving { /* In a state in -ING, as we saw it first. */
    enum slice_state state;
    uint64_t since; /* As recorded. */
    int64_t seen_ns;
    bool still; /* Found again in this round. */
};

static void write_place(char *place, const char *artifact, const char *node)
{
    (void)snprintf(place, PLACE_SIZE, "%s/%s", artifact, node);
}

static struct failure *find(const struct failures *failures, const char *artifact, const char *node)
{
    char place[PLACE_SIZE];
    write_place(place, artifact, node);
    return map_get(&failures->by_place, place);
}

void failures_clear(struct failures *failures)
{
    struct map *const maps[] = { &failures->by_place, &failures->moving };
    for (size_t m = 0; m < ARRAY_COUNT(maps); m++) {
        const char *place = NULL;
        void *value = NULL;
        for (size_t i = 0; map_next(maps[m], &i, &place, &value);) {
            (void)map_remove(maps[m], place);
            memory_free(value);
        }
    }
}

void failures_fini(struct failures *failures)
{
    failures_clear(failures);
    map_fini(&failures->by_place);
    map_fini(&failures->moving);
}

/* FAILED under its present assignment, with no retry of its own to come. NULL: none is. */
static const struct slice_instance *failed_for_good(const struct deployment_view *view,
                                                    const struct view_record *record, bool fatal_too)
{
    const struct view_allocation *allocation =
        deployment_view_allocation(view, record->artifact, record->node);
    for (uint32_t i = 0; allocation != NULL && i < record->record.instance_count; i++) {
        const struct slice_instance *instance = &record->record.instances[i];
        const struct allocation_instance *assigned =
            slice_allocation_find(&allocation->allocation, instance->instance);
        if (instance->state != SLICE_FAILED || assigned == NULL || assigned->rev != instance->rev) continue;
        /* The same bytes would fail the same way elsewhere: a fatal failure excludes no node. */
        if (instance->fatal ? fatal_too : instance->attempt >= SLICE_ATTEMPTS_MAX) return instance;
    }
    return NULL;
}

static struct failure *note(struct failures *failures, const struct view_record *record, int64_t until_ns,
                            const char *story, const char *text)
{
    char place[PLACE_SIZE];
    struct failure *failure = memory_zalloc(sizeof(*failure));
    failure->until_ns = until_ns;
    (void)snprintf(failure->why, sizeof failure->why, "%s: %s", story, text);
    write_place(place, record->artifact, record->node);
    (void)map_put(&failures->by_place, place, failure);
    return failure;
}

/* Time passed: whatever is still failed tries anew; where nothing is, nothing needs to be remembered. */
static bool expire(struct failures *failures, const struct deployment_view *view, int64_t now_ns)
{
    const char *place = NULL;
    void *value = NULL;
    bool changed = false;
    for (size_t i = 0; map_next(&failures->by_place, &i, &place, &value);) {
        struct failure *failure = value;
        char artifact[COORDINATES_TEXT_MAX];
        size_t length = strcspn(place, "/");
        if (now_ns < failure->until_ns || length >= sizeof(artifact)) continue;
        memcpy(artifact, place, length);
        artifact[length] = '\0';
        const struct view_record *record = deployment_view_record(view, place + length + 1, artifact);
        changed |= !failure->over;
        failure->over = true;
        if (record != NULL && failed_for_good(view, record, true) != NULL) continue;
        (void)map_remove(&failures->by_place, place);
        memory_free(failure);
    }
    return changed;
}

/* How long the state may last, as its node recorded it; 0: as long as it likes. */
static int64_t allowed_ns(const struct slice_instance *instance)
{
    if (instance->deadline <= instance->since) return 0;
    return MILLISECONDS((int64_t)(instance->deadline - instance->since)) + grace_ns;
}

/* Has it been there, before our eyes, for longer than its node should have let it? */
static bool is_stuck(struct failures *failures, const struct view_record *record,
                     const struct slice_instance *instance, int64_t now_ns)
{
    char place[PLACE_SIZE + 16];
    (void)snprintf(place, sizeof(place), "%s/%s#%u", record->artifact, record->node, instance->instance);
    struct moving *moving = map_get(&failures->moving, place);
    if (moving == NULL) {
        moving = memory_zalloc(sizeof(*moving));
        (void)map_put(&failures->moving, place, moving);
    }
    if (moving->state != instance->state || moving->since != instance->since) {
        moving->state = instance->state;
        moving->since = instance->since;
        moving->seen_ns = now_ns;
    }
    moving->still = true;
    return now_ns - moving->seen_ns > allowed_ns(instance);
}

/* The backstop: a node that does not end what it began keeps the slice from nobody. */
static bool note_stuck(struct failures *failures, const struct view_record *record, int64_t now_ns)
{
    bool changed = false;
    for (uint32_t i = 0; i < record->record.instance_count; i++) {
        const struct slice_instance *instance = &record->record.instances[i];
        if (allowed_ns(instance) == 0 || !is_stuck(failures, record, instance, now_ns)) continue;
        if (find(failures, record->artifact, record->node) != NULL) continue;
        MARK("failures.stuck");
        (void)note(failures, record, now_ns + excluded_ns, "its node does not end it",
                   slice_state_name(instance->state));
        changed = true;
    }
    return changed;
}

static void forget_moved(struct failures *failures)
{
    const char *place = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&failures->moving, &i, &place, &value);) {
        struct moving *moving = value;
        bool still = moving->still;
        moving->still = false;
        if (still) continue;
        (void)map_remove(&failures->moving, place);
        memory_free(moving);
    }
}

bool failures_update(struct failures *failures, const struct deployment_view *view, int64_t now_ns)
{
    const struct view_record *record = NULL;
    bool changed = expire(failures, view, now_ns);
    for (const char *key = ""; (record = deployment_view_next_record(view, &key)) != NULL;) {
        const struct slice_instance *instance = failed_for_good(view, record, false);
        changed |= note_stuck(failures, record, now_ns);
        if (instance == NULL || find(failures, record->artifact, record->node) != NULL) continue;
        (void)note(failures, record, now_ns + excluded_ns, "it failed there five times", instance->text);
        changed = true;
    }
    forget_moved(failures);
    return changed;
}

void failures_pardon(struct failures *failures, const struct deployment_view *view, const char *artifact,
                     int64_t now_ns)
{
    const struct view_record *record = NULL;
    const char *place = NULL;
    void *value = NULL;
    size_t length = strlen(artifact);
    for (const char *key = ""; (record = deployment_view_next_record(view, &key)) != NULL;) {
        const struct slice_instance *instance =
            strcmp(record->artifact, artifact) == 0 ? failed_for_good(view, record, true) : NULL;
        if (instance != NULL && find(failures, artifact, record->node) == NULL)
            (void)note(failures, record, now_ns, "it failed there", instance->text);
    }
    /* Also where nothing is left of it: it was withdrawn meanwhile. */
    for (size_t i = 0; map_next(&failures->by_place, &i, &place, &value);) {
        struct failure *failure = value;
        if (strncmp(place, artifact, length) != 0 || place[length] != '/') continue;
        failure->until_ns = now_ns;
        failure->over = true;
    }
}

const char *failures_excluded(const struct failures *failures, const char *artifact, const char *node)
{
    const struct failure *failure = find(failures, artifact, node);
    return failure != NULL && !failure->over ? failure->why : NULL;
}

int64_t failures_excluded_until_ns(const struct failures *failures, const char *artifact, const char *node)
{
    const struct failure *failure = find(failures, artifact, node);
    return failure != NULL && !failure->over ? failure->until_ns : 0;
}

bool failures_next(const struct failures *failures, size_t *position, struct failure_view *out_failure)
{
    const char *place = NULL;
    void *value = NULL;
    if (!map_next(&failures->by_place, position, &place, &value)) return false;
    const struct failure *failure = value;
    *out_failure = (struct failure_view){
        .place = place, .why = failure->why, .until_ns = failure->until_ns, .over = failure->over
    };
    return true;
}

bool failures_excludes_place(const struct failures *failures, const char *place)
{
    const struct failure *failure = map_get(&failures->by_place, place);
    return failure != NULL && !failure->over;
}

/* The state holds what was forced into it, too. */
static bool is_place(const char *place)
{
    size_t artifact = strcspn(place, "/");
    if (artifact == 0 || artifact >= COORDINATES_TEXT_MAX || place[artifact] != '/') return false;
    const char *node = place + artifact + 1;
    size_t size = strlen(node);
    return size > 0 && size < SLICE_NODE_MAX && strchr(node, '/') == NULL;
}

void failures_restore(struct failures *failures, const char *place, int64_t until_ns, const char *why,
                      int64_t now_ns)
{
    if (!is_place(place) || map_get(&failures->by_place, place) != NULL) return;
    struct failure *failure = memory_zalloc(sizeof(*failure));
    failure->until_ns = until_ns < now_ns + excluded_ns ? until_ns : now_ns + excluded_ns;
    (void)text_copy(failure->why, sizeof(failure->why), why);
    (void)map_put(&failures->by_place, place, failure);
}

bool failures_renews(const struct failures *failures, const char *artifact, const char *node)
{
    const struct failure *failure = find(failures, artifact, node);
    return failure != NULL && failure->over;
}
