/* failpoints: see the header. */
#include "nodes/failpoints.h"

#include "runtime/base/failpoint.h"

#if AETHER_FAILPOINTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char wanted[64];
static long left;

static void on_reach(const char *name)
{
    if (strcmp(name, wanted) != 0) return;
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) != 0) return;
    (void)fprintf(stderr, "failpoint %s\n", name);
    (void)kill(getpid(), SIGKILL);
}

void failpoints_arm(void)
{
    const char *text = getenv("AETHER_FAILPOINT");
    if (text == NULL) return;
    size_t length = strcspn(text, ":");
    if (length >= sizeof wanted) return;
    memcpy(wanted, text, length);
    left = text[length] == ':' ? strtol(text + length + 1, NULL, 10) : 1;
    failpoint_on_reach(on_reach);
}
#else
void failpoints_arm(void)
{
}
#endif
