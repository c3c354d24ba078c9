/* fetcher: downloads by libcurl behind runtime/port/fetch.h. TO_FETCHER; options: struct fetcher_options. */
#ifndef AETHER_WIRE_FETCH_FETCHER_H
#define AETHER_WIRE_FETCH_FETCHER_H

#include "runtime/actor.h"
#include "runtime/port/file.h"

struct fetcher_options {
    const struct file_port *files; /* Lives as long as the node. */
};

extern const struct behavior fetcher_behavior;

#endif
