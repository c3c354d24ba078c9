/* strangers: see the header. */
#include "actors/consensus/strangers.h"

#include "runtime/base/text.h"

void strangers_note(struct strangers *strangers, replica_id id, const char *node)
{
    struct stranger *place = &strangers->items[0];
    for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
        struct stranger *item = &strangers->items[i];
        if (item->id == id) {
            place = item;
            break;
        }
        if (item->heard < place->heard) place = item;
    }
    place->id = id;
    place->heard = ++strangers->heard;
    (void)text_copy(place->node, sizeof place->node, node);
}

const char *strangers_name(const struct strangers *strangers, replica_id id)
{
    for (uint32_t i = 0; i < STRANGERS_MAX; i++) {
        if (id != 0 && strangers->items[i].id == id) return strangers->items[i].node;
    }
    return "";
}
