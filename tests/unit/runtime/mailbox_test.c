/* Goal: a mailbox keeps each sender's order, loses nothing, never has two owners, and bounds its credits.
 * Method: by hand on one thread, then four pushing threads and whoever is told to own it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/mailbox.h"

#include <pthread.h>
#include <stdio.h>

static void ownership_goes_round(void **unused)
{
    (void)unused;
    struct mailbox mailbox;
    mailbox_init(&mailbox);
    struct message *first = message_create(1, 0);
    struct message *second = message_create(2, 0);
    assert_true(mailbox_push(&mailbox, first));   /* It rested: we own it now. */
    assert_false(mailbox_push(&mailbox, second)); /* It has an owner. */
    assert_false(mailbox_claim(&mailbox));
    assert_false(mailbox_rest(&mailbox)); /* Something is there. */
    struct message *taken = mailbox_take(&mailbox);
    assert_ptr_equal(taken, first); /* Oldest first. */
    assert_ptr_equal(taken->next, second);
    assert_null(second->next);
    assert_null(mailbox_take(&mailbox));
    assert_true(mailbox_rest(&mailbox));
    assert_true(mailbox_claim(&mailbox));
    assert_true(mailbox_rest(&mailbox));
    message_destroy(&first);
    message_destroy(&second);
}

static void credits_are_bounded(void **unused)
{
    (void)unused;
    struct mailbox mailbox;
    mailbox_init(&mailbox);
    assert_false(mailbox_reserve(&mailbox)); /* No capacity yet. */
    mailbox_set_capacity(&mailbox, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(mailbox_reserve(&mailbox));
    }
    assert_false(mailbox_reserve(&mailbox));
    assert_int_equal(mailbox_length(&mailbox), 3);
    mailbox_release(&mailbox, 2);
    assert_true(mailbox_reserve(&mailbox));
    assert_int_equal(mailbox_length(&mailbox), 2);
}

enum { PUSHERS = 4, EACH = 20000 };

struct shared {
    struct mailbox mailbox;
    /* The owner's, without any lock: TSan would see two owners. */
    uint64_t seen[PUSHERS];
    uint64_t overtaken;
    uint64_t total;
};

static void drain(struct shared *shared)
{
    do {
        struct message *message = mailbox_take(&shared->mailbox);
        while (message != NULL) {
            struct message *next = message->next;
            if (message->tag != ++shared->seen[message->kind]) shared->overtaken++;
            shared->total++;
            message_destroy(&message);
            message = next;
        }
    } while (!mailbox_rest(&shared->mailbox));
}

struct pusher {
    struct shared *shared;
    uint32_t index;
};

static void *push_all(void *context)
{
    struct pusher *pusher = context;
    for (uint64_t i = 1; i <= EACH; i++) {
        struct message *message = message_create(pusher->index, 0);
        message->tag = i;
        if (mailbox_push(&pusher->shared->mailbox, message)) drain(pusher->shared);
    }
    return NULL;
}

static void many_push_and_one_at_a_time_owns(void **unused) /* ACT1, ACT2, ACT3 */
{
    (void)unused;
    static struct shared shared;
    mailbox_init(&shared.mailbox);
    pthread_t threads[PUSHERS];
    struct pusher pushers[PUSHERS];
    for (uint32_t i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){ &shared, i };
        assert_int_equal(pthread_create(&threads[i], NULL, push_all, &pushers[i]), 0);
    }
    for (uint32_t i = 0; i < PUSHERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(shared.overtaken, 0);
    assert_int_equal(shared.total, PUSHERS * EACH);
    assert_true(mailbox_claim(&shared.mailbox)); /* It rests. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ownership_goes_round),
        cmocka_unit_test(credits_are_bounded),
        cmocka_unit_test(many_push_and_one_at_a_time_owns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
