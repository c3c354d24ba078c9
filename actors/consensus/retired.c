/* retired: see the header. */
#include "actors/consensus/retired.h"

#include "store/schema/cluster_members.h"

#include <string.h>

enum { WATCH_RETIRED = 1 };

void retired_start(struct actor *self, struct retired *retired)
{
    retired->follow = (struct follow){ .prefix = CLUSTER_RETIRED_PREFIX, .watch_id = WATCH_RETIRED };
    follow_start(self, &retired->follow);
}

bool retired_has(const struct retired *retired, replica_id id)
{
    for (uint32_t i = 0; i < retired->count; i++) {
        if (retired->ids[i] == id) return true;
    }
    return false;
}

static uint32_t oldest(const struct retired *retired)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < retired->count; i++) {
        if (retired->revisions[i] < retired->revisions[oldest]) oldest = i;
    }
    return oldest;
}

static void visit(void *context, const Pb__KvEvent *event)
{
    struct retired *retired = context;
    if (event == NULL) { /* All of them come anew. */
        retired->count = 0;
        return;
    }
    replica_id id = cluster_replica_parse(event->record->key + strlen(CLUSTER_RETIRED_PREFIX));
    if (id == 0 || event->deleted || retired_has(retired, id)) return;
    uint32_t at = retired->count < CORE_RETIRED_MAX ? retired->count++ : oldest(retired);
    retired->ids[at] = id;
    retired->revisions[at] = event->record->revision;
}

bool retired_accept(struct actor *self, struct retired *retired, const struct message *message)
{
    return follow_accept(self, &retired->follow, message, visit, retired);
}
