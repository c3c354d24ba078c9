/* checkers: what must hold across nodes (consensus.md section 13; proof.md S1, S3-S5, S7, K2, K3, K5),
 * looked at after each turn of a leader actor and each applied entry. They stand outside of the cluster and
 * remember everything. */
#ifndef AETHER_NODES_SIM_CHECKERS_H
#define AETHER_NODES_SIM_CHECKERS_H

#include "runtime/base/error.h"
#include "store/memory/log_memory.h"
#include "store/raft/core.h"

#include <stdbool.h>
#include <stdint.h>

enum { CHECKERS_NODES_MAX = 16 };

struct checkers;
struct reference;
struct checkers *checkers_create(void);
void checkers_destroy(struct checkers **checkers);

/* A node starts: commit and applied index begin anew, but never below what its disk says. */
void checkers_on_start(struct checkers *checkers, uint32_t node, const struct log_boot *boot);
void checkers_on_wiped(struct checkers *checkers, uint32_t node); /* It starts from nothing. */
/* After each turn of its leader actor. disk: what is durable there. */
void checkers_on_core(struct checkers *checkers, uint32_t node, const struct core *core,
                      const struct log_memory_disk *disk);
void checkers_on_applied(struct checkers *checkers, uint32_t node, const struct raft_entry *entry,
                         const uint8_t state_hash[16], int64_t now_ns);

/* It took over the state of a snapshot. */
/* Its state is wrong on purpose, and may be until it takes a snapshot (F4). */
void checkers_expect_divergence(struct checkers *checkers, uint32_t node);
bool checkers_expect_end(const struct checkers *checkers, uint32_t node); /* For that reason. */
void checkers_on_loaded(struct checkers *checkers, uint32_t node, const struct log_position *position,
                        const uint8_t state_hash[16]);

/* A client's write of a value that no other write has. Acknowledged with the revision; refused for certain;
 * or of unknown outcome (then nothing is told). */
void checkers_on_write(struct checkers *checkers, const char *key, const char *value);
void checkers_on_acknowledged(struct checkers *checkers, const char *key, const char *value,
                              uint64_t revision);
void checkers_on_refused(struct checkers *checkers, const char *value);
/* A linearizable read of `key` that began when checkers_read_floor was `floor` returned this. */
uint64_t checkers_read_floor(const struct checkers *checkers, const char *key);
void checkers_on_read(struct checkers *checkers, const char *key, uint64_t floor, const char *value,
                      uint64_t revision);

/* All is healed, and this node has caught up: every acknowledged write is in its log, at its revision. */
void checkers_on_settled(struct checkers *checkers, uint32_t node, const struct log_memory_disk *disk);

struct reference *checkers_reference(struct checkers *checkers);
log_index checkers_committed(const struct checkers *checkers); /* The highest index known as committed. */
const char *checkers_failure(const struct checkers *checkers); /* The first, or NULL. */
void checkers_fail(struct checkers *checkers, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
