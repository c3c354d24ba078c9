/* config_check: the last step of config_load. */
#ifndef AETHER_NODES_CONFIG_CHECK_H
#define AETHER_NODES_CONFIG_CHECK_H

#include "nodes/config.h"

/* INVALID names the key and what it wants. Sets the defaults that follow from other values. */
MUST_CHECK enum status config_check(struct config *config, struct error *error);

#endif
