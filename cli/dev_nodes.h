/* dev_nodes: the nodes of `aether dev`: their configurations, their processes, their endpoints. Node k has
 * the tag k among the children, and the ports that product.md section 9 gives it. */
#ifndef AETHER_CLI_DEV_NODES_H
#define AETHER_CLI_DEV_NODES_H

#include "runtime/base/text.h"
#include "runtime/os/children.h"

enum { DEV_NODES_MAX = 5, DEV_EXIT_RESTART = 70 };

struct dev_nodes {
    struct children *children; /* Borrowed. */
    uint32_t count;
    uint32_t base_port;
    struct text program; /* aether-node, beside this program. */
    struct text data;    /* Absolute; holds node-K.yaml, node-K/ and repository/. */
};

/* Takes `data`. INVALID: it is the data of another number of nodes. */
MUST_CHECK enum status dev_nodes_init(struct dev_nodes *nodes, struct children *children, uint32_t count,
                                      uint32_t base_port, struct text *data, struct error *error);
void dev_nodes_fini(struct dev_nodes *nodes);
MUST_CHECK enum status dev_nodes_start(const struct dev_nodes *nodes, uint32_t number, struct error *error);
void dev_nodes_endpoints(const struct dev_nodes *nodes, struct text *out); /* As --endpoint takes them. */
void dev_nodes_repository(const struct dev_nodes *nodes, struct text *out);

#endif
