/* node_roster: see the header. */
#include "actors/slice/node_roster.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/slice.h"

#include <string.h>

static const char prefix[] = "nodes/";

static void clear(struct node_roster *roster)
{
    const char *name = NULL;
    void *presence = NULL;
    while (tree_at_or_after(&roster->presence, "", &name, &presence)) {
        char copy[SLICE_NODE_MAX];
        (void)text_copy(copy, sizeof(copy), name);
        memory_free(tree_remove(&roster->presence, copy));
    }
}

static void see_node(void *context, const Pb__KvEvent *event)
{
    struct node_roster *roster = context;
    if (event == NULL) {
        clear(roster);
        return;
    }
    const Pb__KvRecord *record = event->record;
    const char *name = record->key + strlen(prefix);
    struct arena arena = { 0 };
    struct slice_node node;
    bool there = !event->deleted && strlen(name) < SLICE_NODE_MAX &&
                 slice_node_read(&arena, record->value.data, record->value.len, &node, NULL) == STATUS_OK;
    if (there) memory_free(tree_put(&roster->presence, name, memory_strdup(node.presence)));
    else memory_free(tree_remove(&roster->presence, name));
    arena_fini(&arena);
}

void node_roster_start(struct actor *self, struct node_roster *roster, uint64_t watch_id)
{
    roster->follow = (struct follow){ .prefix = prefix, .watch_id = watch_id };
    follow_start(self, &roster->follow);
}

void node_roster_fini(struct node_roster *roster)
{
    clear(roster);
    tree_fini(&roster->presence);
}

void node_roster_accept(struct actor *self, struct node_roster *roster, const struct message *message)
{
    (void)follow_accept(self, &roster->follow, message, see_node, roster);
}

const char *node_roster_next(const struct node_roster *roster, const char *after, bool *out_lost)
{
    const char *name = NULL;
    void *presence = NULL;
    if (!tree_after(&roster->presence, after, &name, &presence)) return NULL;
    *out_lost = strcmp(presence, "LOST") == 0;
    return name;
}
