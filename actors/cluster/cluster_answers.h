/* cluster_answers: the replies of cluster status, cluster members, node list, node show and event list, made
 * from what membership knows. Pure; everything lies in the reply. */
#ifndef AETHER_ACTORS_CLUSTER_CLUSTER_ANSWERS_H
#define AETHER_ACTORS_CLUSTER_CLUSTER_ANSWERS_H

#include "actors/cluster/cluster_view.h"
#include "actors/cluster/presence.h"
#include "runtime/message.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"

/* presence: which nodes are degraded, as far as it is known here. */
struct message *cluster_answers_status(const struct cluster_view *view, const char *cluster_name,
                                       const struct consensus_status_reply *consensus,
                                       const struct presence *presence);
/* news: for what wishes wait; NULL: not known here. */
struct message *cluster_answers_members(const struct cluster_view *view,
                                        const struct consensus_status_reply *consensus,
                                        const struct member_news *news);
struct message *cluster_answers_nodes(const struct cluster_view *view, const char *leader,
                                      const struct member_news *news);
struct message *cluster_answers_node(const struct cluster_view *view, const char *leader, const char *node,
                                     const struct member_news *news);

/* Events come in pages of records; the reply gathers them. `from` 0: the last ones; limit 0: no limit. */
struct message *cluster_answers_events(void);
void cluster_answers_add_events(struct message *reply, const Pb__KvReadReply *page);
/* Keeps the last `limit` of them (or, with `from`, the first), and says where to go on. */
void cluster_answers_end_events(struct message *reply, uint64_t from, uint32_t limit);

#endif
