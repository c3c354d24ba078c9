/* interrupt: see the header. */
#include "cli/interrupt.h"

#include "runtime/base/check.h"

#include <poll.h>
#include <signal.h>

static volatile sig_atomic_t came;

static void note(int signal_number)
{
    (void)signal_number;
    came = 1;
}

void interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = note }; /* Without SA_RESTART: waits end. */
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
}

bool interrupt_came(void)
{
    return came != 0;
}

void interrupt_forget(void)
{
    came = 0;
}

void interrupt_wait(int64_t duration_ns)
{
    if (!interrupt_came()) (void)poll(NULL, 0, (int)(duration_ns / MILLISECONDS(1)));
}
