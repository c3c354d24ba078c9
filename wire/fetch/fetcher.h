/* fetcher: downloads by libcurl behind runtime/port/fetch.h. TO_FETCHER; options: struct fetcher_options. */
#ifndef AETHER_WIRE_FETCH_FETCHER_H
#define AETHER_WIRE_FETCH_FETCHER_H

#include "runtime/actor.h"
#include "runtime/port/file.h"
#include "runtime/port/library.h"

struct fetcher_options {
    const struct file_port *files; /* These live as long as the node. */
    const struct library_port *libraries;
    uint32_t stall_s; /* A transfer slower than 1 KiB/s for so long is given up; 0 = 20. */
};

extern const struct behavior fetcher_behavior;

#endif
