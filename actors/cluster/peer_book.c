/* peer_book: see the header. */
#include "actors/cluster/peer_book.h"

#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "wire/kinds.h"

#include <string.h>

void peer_book_see(struct actor *self, const struct peer_book *book, const char *node, const char *address)
{
    if (strcmp(node, book->self) == 0) return;
    for (uint32_t i = 0; i < book->configured_count; i++) {
        if (strcmp(book->configured[i], node) == 0) return;
    }
    struct message *message = message_create(KIND_TRANSPORT_PEER, sizeof(struct transport_peer));
    struct transport_peer *peer = message->body;
    bool fits = text_copy(peer->node, sizeof peer->node, node) &&
                text_copy(peer->address, sizeof peer->address, address == NULL ? "" : address);
    if (fits) actor_tell_name(self, TO_TRANSPORT, &message);
    else message_destroy(&message);
}
