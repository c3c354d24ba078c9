/* actor_tree: see the header. The runtime shows its actors in the order of their places, while it holds its
 * lock, so they are only copied there; which is whose child is found afterwards. */
#include "actors/cluster/actor_tree.h"

#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/metrics.h"
#include "wire/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 32, LINES_MAX = DEPTH_MAX * 8 };

struct seen { /* One actor, and its place in the tree by index + 1; 0: nobody. */
    Pb__ActorView *view;
    uint64_t id;
    uint64_t parent;
    uint32_t first_child;
    uint32_t next_sibling;
};

struct tree {
    struct message *message;
    struct seen *seen;
    uint32_t count;
    uint32_t first_root;
    bool more;
    Pb__NodeTreeReply *reply;
};

static uint64_t pack(struct actor_id id)
{
    return (uint64_t)id.generation << 32 | id.index;
}

static char *id_text(struct message *message, struct actor_id id)
{
    if (!actor_id_is_set(id)) return wire_string(message, "");
    return arena_printf(&message->arena, "%" PRIu32 ".%" PRIu32, id.index, id.generation);
}

static char *name_text(struct message *message, const struct actor_view *view)
{
    if (view->label == NULL) return wire_string(message, view->behavior);
    return arena_printf(&message->arena, "%s[%s]", view->behavior, view->label);
}

static char *threads_text(struct message *message, const struct actor_view *view)
{
    static const char *const pools[POOL_COUNT] = { "general", "consensus", "inline" };
    return wire_string(message, view->home == ACTOR_PINNED ? "pinned" : pools[view->pool]);
}

static void see(void *context, const struct actor_view *view)
{
    struct tree *tree = context;
    if (tree->count == ACTOR_TREE_MAX) {
        tree->more = true;
        return;
    }
    struct message *message = tree->message;
    Pb__ActorView *shown = arena_alloc(&message->arena, sizeof *shown);
    pb__actor_view__init(shown);
    shown->name = name_text(message, view);
    shown->id = id_text(message, view->id);
    shown->parent = id_text(message, view->parent);
    shown->state = wire_string(message, view->phase);
    shown->threads = threads_text(message, view);
    shown->mailbox = view->mailbox_length;
    shown->capacity = view->mailbox_capacity;
    shown->handled = view->handled;
    shown->restarts = view->restarts;
    shown->busy_us = (uint64_t)view->busy_ns / 1000;
    shown->refused = view->refused;
    shown->dropped = view->dropped;
    shown->quarantined = view->quarantined;
    tree->seen[tree->count++] =
        (struct seen){ .view = shown, .id = pack(view->id), .parent = pack(view->parent) };
}

/* Lists keep the order of the places. Whose parent isn't there stands at the root. */
static void link_children(struct tree *tree)
{
    struct map places = { 0 };
    for (uint32_t i = 0; i < tree->count; i++) {
        (void)map_put_number(&places, tree->seen[i].id, &tree->seen[i]);
    }
    for (uint32_t i = tree->count; i > 0; i--) {
        struct seen *seen = &tree->seen[i - 1];
        struct seen *parent = seen->parent == 0 ? NULL : map_get_number(&places, seen->parent);
        uint32_t *list = parent == NULL ? &tree->first_root : &parent->first_child;
        seen->next_sibling = *list;
        *list = i;
    }
    map_fini(&places);
}

static void add_actors(struct tree *tree, uint32_t first, const char *lines, uint32_t depth)
{
    for (uint32_t link = first; link != 0;) {
        const struct seen *seen = &tree->seen[link - 1];
        link = seen->next_sibling;
        bool last = link == 0;
        const char *branch = depth == 0 ? "" : last ? "`- " : "|- ";
        seen->view->tree = arena_printf(&tree->message->arena, "%s%s%s", lines, branch, seen->view->name);
        tree->reply->actors[tree->reply->n_actors++] = seen->view;
        if (seen->first_child == 0) continue;
        const char *below = depth == 0 ? "" : last ? "   " : "|  ";
        char deeper[LINES_MAX];
        bool drawn = depth < DEPTH_MAX;
        (void)snprintf(deeper, sizeof deeper, "%s%s", lines, drawn ? below : "");
        add_actors(tree, seen->first_child, deeper, drawn ? depth + 1 : depth);
    }
}

static void add_ellipsis(struct tree *tree)
{
    Pb__ActorView *view = arena_alloc(&tree->message->arena, sizeof *view);
    pb__actor_view__init(view);
    view->tree = wire_string(tree->message, "... and more");
    tree->reply->actors[tree->reply->n_actors++] = view;
}

/* --- what else there is to see ----------------------------------------------------------------------------
 */

struct quarantine_lines {
    struct message *message;
    Pb__NodeTreeReply *reply;
    size_t capacity;
};

static void add_quarantined(void *context, const struct quarantine_view *view)
{
    struct quarantine_lines *lines = context;
    Pb__NodeTreeReply *reply = lines->reply;
    struct arena *arena = &lines->message->arena;
    if (reply->n_quarantine == lines->capacity) {
        lines->capacity = lines->capacity == 0 ? 8 : lines->capacity * 2;
        char **larger = arena_array(arena, lines->capacity, sizeof *larger);
        if (reply->n_quarantine > 0) memcpy(larger, reply->quarantine, reply->n_quarantine * sizeof *larger);
        reply->quarantine = larger;
    }
    char *line = arena_printf(arena, "%s %s hash=%016" PRIx64 " from=%s refused=%" PRIu64, view->behavior,
                              kind_name(view->kind), view->hash, view->origin, view->refused);
    reply->quarantine[reply->n_quarantine++] = line;
}

void actor_tree_degraded(struct runtime *runtime, char text[ACTOR_TREE_DEGRADED_MAX])
{
    struct runtime_health health;
    runtime_health(runtime, &health);
    text[0] = '\0';
    if (health.degraded)
        (void)snprintf(text, ACTOR_TREE_DEGRADED_MAX, "a turn of %s at %s took %" PRId64 " ms", health.actor,
                       kind_name(health.kind), health.turn_ms);
}

void actor_tree_fill(struct runtime *runtime, struct message *message, Pb__NodeTreeReply *reply)
{
    struct tree tree = { .message = message, .reply = reply };
    tree.seen = memory_array(ACTOR_TREE_MAX, sizeof *tree.seen);
    runtime_visit_actors(runtime, see, &tree);
    link_children(&tree);
    reply->actors = arena_array(&message->arena, tree.count + 1, sizeof *reply->actors);
    add_actors(&tree, tree.first_root, "", 0);
    memory_free(tree.seen);
    if (tree.more) add_ellipsis(&tree);
    char degraded[ACTOR_TREE_DEGRADED_MAX];
    actor_tree_degraded(runtime, degraded);
    reply->degraded = wire_string(message, degraded);
    struct quarantine_lines lines = { .message = message, .reply = reply };
    runtime_visit_quarantine(runtime, add_quarantined, &lines);
}
