/* id_list: a short list of actor ids, in order; NULL is an empty one (see machine.h). */
#include "runtime/machine.h"

#include "runtime/base/memory.h"

#include <string.h>

enum { CAPACITY_MIN = 4 };

bool id_list_holds(const struct id_list *list, struct actor_id id)
{
    for (uint32_t i = 0; i < id_list_count(list); i++) {
        if (actor_id_equal(list->ids[i], id)) return true;
    }
    return false;
}

void id_list_add(struct id_list **list, struct actor_id id)
{
    uint32_t count = id_list_count(*list);
    if (*list == NULL || count == (*list)->capacity) {
        uint32_t capacity = count == 0 ? CAPACITY_MIN : count * 2;
        *list = memory_realloc(*list, sizeof **list + capacity * sizeof(struct actor_id));
        (*list)->capacity = capacity;
    }
    (*list)->ids[count] = id;
    (*list)->count = count + 1;
}

bool id_list_remove(struct id_list *list, struct actor_id id)
{
    for (uint32_t i = id_list_count(list); i > 0; i--) { /* The newest end first, mostly. */
        if (!actor_id_equal(list->ids[i - 1], id)) continue;
        list->count--;
        memmove(&list->ids[i - 1], &list->ids[i], (list->count - (i - 1)) * sizeof list->ids[0]);
        return true;
    }
    return false;
}

uint32_t id_list_count(const struct id_list *list)
{
    return list == NULL ? 0 : list->count;
}
