/* failpoint: named places between two effects that must survive a crash there (consensus.md 14.6; after
 * FreeBSD's fail(9)). FAILPOINT("guard.written") stands where the process may be ended; whoever assembles a
 * test program says what happens there. Compiled only with AETHER_FAILPOINTS=1, else nothing. */
#ifndef AETHER_RUNTIME_BASE_FAILPOINT_H
#define AETHER_RUNTIME_BASE_FAILPOINT_H

#if AETHER_FAILPOINTS
#define FAILPOINT(name) failpoint_reach(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

/* Any thread. Does nothing until a hook is set. */
void failpoint_reach(const char *name);
/* Called with each name that is reached; on the thread that reaches it. NULL: nobody listens. */
void failpoint_on_reach(void (*hook)(const char *name));

#endif
