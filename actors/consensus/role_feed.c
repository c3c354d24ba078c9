/* role_feed: one message to each follower at each change. A follower whose mailbox is full misses one and
 * hears the next: what is told is a state, not a step. */
#include "actors/consensus/role_feed.h"

#include "actors/consensus/messages.h"
#include "wire/kinds.h"

#include <string.h>

/* false: nobody is there any more. */
static bool tell(struct actor *self, const struct role_feed *feed, struct actor_id follower)
{
    struct message *message = messages_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    *(struct role_changed *)message->body = feed->told;
    enum status status = actor_send(self, follower, &message);
    if (status != STATUS_OK) message_destroy(&message);
    return status != STATUS_NOT_FOUND;
}

bool role_feed_add(struct actor *self, struct role_feed *feed, struct actor_id follower)
{
    if (feed->follower_count == ROLE_FEED_MAX) return false;
    if (tell(self, feed, follower)) feed->followers[feed->follower_count++] = follower;
    return true;
}

void role_feed_remove(struct role_feed *feed, struct actor_id follower)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < feed->follower_count; i++) {
        if (!actor_id_equal(feed->followers[i], follower)) feed->followers[left++] = feed->followers[i];
    }
    feed->follower_count = left;
}

bool role_feed_publish(struct actor *self, struct role_feed *feed, const struct role_changed *now)
{
    bool same = now->leading == feed->told.leading && now->term == feed->told.term &&
                strcmp(now->leader, feed->told.leader) == 0;
    if (same) return false;
    feed->told = *now;
    uint32_t left = 0;
    for (uint32_t i = 0; i < feed->follower_count; i++) {
        struct actor_id follower = feed->followers[i];
        if (tell(self, feed, follower)) feed->followers[left++] = follower;
    }
    feed->follower_count = left;
    return true;
}
