/* transfers: a transfer that comes to nothing within T is given up, and the leader serves on (E9). */
#include "actors/consensus/transfers.h"

#include "actors/consensus/messages.h"
#include "runtime/base/check.h"
#include "wire/kinds.h"

static const int64_t transfer_ns = SECONDS(1);

void transfers_keep(struct actor *self, struct transfers *transfers)
{
    CHECK(transfers->count < TRANSFERS_MAX);
    transfers->waiting[transfers->count++] =
        (struct transfer){ .request = actor_keep(self), .give_up_ns = actor_now_ns(self) + transfer_ns };
}

void transfers_answer(struct actor *self, struct transfers *transfers, bool leading)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < transfers->count; i++) {
        struct transfer *transfer = &transfers->waiting[i];
        if (!leading) {
            struct message *reply = messages_create(KIND_TRANSFER_LEADERSHIP, 0);
            actor_reply(self, transfer->request, &reply);
        } else if (actor_now_ns(self) >= transfer->give_up_ns) {
            actor_refuse(self, transfer->request, STATUS_DEADLINE);
        } else {
            transfers->waiting[left++] = *transfer;
            continue;
        }
        message_destroy(&transfer->request);
    }
    transfers->count = left;
}

void transfers_fini(struct transfers *transfers)
{
    for (uint32_t i = 0; i < transfers->count; i++)
        message_destroy(&transfers->waiting[i].request);
    transfers->count = 0;
}
