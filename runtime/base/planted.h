/* planted: bugs put in on purpose, each behind a switch of its own, to prove that the tests bite (proof.md
 * section 3). `if (PLANTED("kv.retry_acts_twice")) ...` stands where the bug is; the name is its file's room
 * and what it does wrong. Compiled only with AETHER_MUTANTS=1, else it is `false` and the compiler drops it.
 * The Raft core, which knows no globals, has its own: enum core_mutant. */
#ifndef AETHER_RUNTIME_BASE_PLANTED_H
#define AETHER_RUNTIME_BASE_PLANTED_H

#include <stdbool.h>
#include <stdint.h>

struct planted {
    const char *name;
    bool on;
};

#if AETHER_MUTANTS
#define PLANTED(text)                                                                                        \
    __extension__({                                                                                          \
        static struct planted planted __attribute__((section("aether_planted"), used)) = { (text), false };  \
        planted.on;                                                                                          \
    })
#else
#define PLANTED(text) false
#endif

/* Of this program, in no order; one bug may stand in several places. *out_count 0: none are compiled in. */
const struct planted *planted_all(uint32_t *out_count);
/* Switches this one on and all others off; NULL or "": all off. false: there is no such bug here. Before any
 * thread but the caller's runs. */
bool planted_select(const char *name);

#endif
