/* stage: see the header. */
#include "tests/support/stage.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

static void on_failure(void *context, const struct error *error)
{
    struct stage *stage = context;
    stage->failure = *error;
    stage->failures++;
}

static void on_log(void *context, const struct log_record *record)
{
    struct stage *stage = context;
    (void)snprintf(stage->log, sizeof stage->log, "%d %s %s %s %s", record->level, record->node,
                   record->actor, record->event, record->text);
}

int stage_set_up(void **state)
{
    static struct stage stage;
    stage = (struct stage){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    stage.runtime = runtime_create(&(struct runtime_options){ .scheduler = stage.stepper,
                                                              .node = "n1",
                                                              .log = on_log,
                                                              .log_context = &stage,
                                                              .log_level = 1,
                                                              .on_failure = on_failure,
                                                              .failure_context = &stage });
    *state = &stage;
    return 0;
}

int stage_tear_down(void **state)
{
    struct stage *stage = *state;
    bool stopped = runtime_stop(stage->runtime, SECONDS(10));
    runtime_destroy(&stage->runtime);
    scheduler_destroy(&stage->stepper);
    return stopped ? 0 : -1;
}

void stage_send(struct stage *stage, struct actor_id to, struct message *message)
{
    struct message *given = message;
    assert_int_equal(runtime_send(stage->runtime, to, &given), STATUS_OK);
    assert_null(given);
}

void stage_settle(struct stage *stage)
{
    stepper_run_until(stage->stepper, stepper_now_ns(stage->stepper));
}
