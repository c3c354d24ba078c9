/* confine: what a child process gives up before it loads anything foreign: privileges, other people's files
 * (Landlock), system calls that a slice has no use for (seccomp), cores, descriptors, memory. For good:
 * nothing takes it back. */
#ifndef AETHER_RUNTIME_OS_CONFINE_H
#define AETHER_RUNTIME_OS_CONFINE_H

#include "runtime/base/error.h"

#include <stdint.h>

struct confine_spec {
    uint64_t memory_bytes; /* Of address space; 0 = no limit. Not enforced under a sanitizer, whose shadow
                              needs terabytes. */
    uint32_t user;         /* 0: it stays who it is; so it does if it isn't root. */
    uint32_t group;
    int object_fd; /* The one file that it may read beside the system's; -1: none. */
};

/* The kernel's part that is missing (an old kernel has no Landlock) is left out and told on standard error;
 * what is there and fails is an error. NOT_FOUND: the parent is gone already. */
MUST_CHECK enum status confine_self(const struct confine_spec *spec, struct error *error);

/* The numbers of a user of this system. NOT_FOUND: there is none of that name. Not thread-safe: at start. */
MUST_CHECK enum status confine_find_user(const char *name, uint32_t *out_user, uint32_t *out_group,
                                         struct error *error);

#endif
