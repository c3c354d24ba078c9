/* slice_bench: runs one instance of a slice without a node, for `aether slice check` and `aether slice test`:
 * the same runner as under a cluster, with a clock that jumps to the next timer instead of waiting, random
 * numbers by seed, a store of its own, and answers of other slices that the script names. One thread, in a
 * process that is thrown away.
 *
 * The script comes on one stream and the results go to another, both as lines, some followed by SIZE bytes:
 *
 *     -> load SIZE, configuration          -> stub TARGET STATUS SIZE, reply or text
 *     -> start | health | stop | destroy   -> call ENTRY TIMEOUT_MS SIZE, payload
 *     -> probe                                (maps and checks only; nothing else may follow)
 *
 *     <- slice GROUP ARTIFACT VERSION ABI_MAJOR ABI_MINOR, <- entry NAME ID FLAGS DEADLINE_MS CONCURRENCY,
 *        <- depends SLICE VERSIONS                            (of load and probe, before their done)
 *     <- log LEVEL SIZE, text     <- metric KIND NAME VALUE     <- invoked TARGET SIZE, payload
 *     <- done STATUS SIZE, text or reply                        (each script line is answered by one, but
 * stub)
 *     <- unmapped 0|1                                           (after destroy's done: did the object go?) */
#ifndef AETHER_NODES_SLICE_BENCH_H
#define AETHER_NODES_SLICE_BENCH_H

#include <stdio.h>

enum { SLICE_BENCH_RESULTS_FD = 3 };

/* Until the script ends. Returns the exit code: 0, or 2 when the script makes no sense. */
int slice_bench_run(const char *path, FILE *script, FILE *results);

#endif
