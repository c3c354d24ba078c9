/* mark: counters on rare branches, to know that tests and seeds get there (proof.md section 3; after SQLite's
 * testcase() and FoundationDB's TEST()). MARK("raft.hint_skips_a_term") stands on the branch itself; the name
 * is its file's room and what is rare about it. Compiled only with AETHER_MUTANTS=1, else nothing: no program
 * that people run counts. A mark looks on; nothing may depend on it. */
#ifndef AETHER_RUNTIME_BASE_MARK_H
#define AETHER_RUNTIME_BASE_MARK_H

#include <stdint.h>

struct mark {
    const char *name;
    uint64_t hits;
};

#if AETHER_MUTANTS
/* The linker gathers them all in one array: a mark that is never hit is known all the same. */
#define MARK(text)                                                                                           \
    do {                                                                                                     \
        static struct mark mark __attribute__((section("aether_marks"), used)) = { (text), 0 };              \
        __atomic_fetch_add(&mark.hits, 1, __ATOMIC_RELAXED);                                                 \
    } while (0)
#else
#define MARK(text) ((void)0)
#endif

/* Of this program, in no order; places with one name are separate. *out_count 0: none are compiled in. */
const struct mark *mark_all(uint32_t *out_count);

#endif
