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

static struct message *take(struct mailbox *mailbox, struct mailbox_reader *reader)
{
    return mailbox_take(mailbox, reader, 0).oldest;
}

static void ownership_goes_round(void **unused)
{
    (void)unused;
    struct mailbox mailbox;
    struct mailbox_reader reader = { 0 };
    mailbox_init(&mailbox);
    struct message *first = message_create(1, 0);
    struct message *second = message_create(2, 0);
    assert_int_equal(mailbox_push(&mailbox, first, false), MAILBOX_WOKE);    /* It rested: we own it now. */
    assert_int_equal(mailbox_push(&mailbox, second, false), MAILBOX_PUSHED); /* It has an owner. */
    assert_false(mailbox_claim(&mailbox));
    assert_false(mailbox_rest(&mailbox, &reader, 0)); /* Something is there. */
    struct message *taken = take(&mailbox, &reader);
    assert_ptr_equal(taken, first); /* Oldest first. */
    assert_ptr_equal(taken->next, second);
    assert_null(second->next);
    assert_null(take(&mailbox, &reader));
    mailbox_discard(&reader, &first);
    mailbox_discard(&reader, &second);
    assert_null(second);
    assert_true(mailbox_rest(&mailbox, &reader, 0));
    assert_true(mailbox_claim(&mailbox));
    assert_true(mailbox_rest(&mailbox, &reader, 0));
}

static void a_chain_arrives_in_order(void **unused)
{
    (void)unused;
    struct mailbox mailbox;
    struct mailbox_reader reader = { 0 };
    mailbox_init(&mailbox);
    mailbox_set_capacity(&mailbox, 10);
    struct message *messages[4];
    for (uint32_t i = 0; i < 4; i++) {
        messages[i] = message_create(i, 0);
    }
    assert_int_equal(mailbox_push(&mailbox, messages[0], true), MAILBOX_WOKE);
    assert_int_equal(mailbox_reserve(&mailbox, 5), 5);
    messages[2]->next = messages[1];
    messages[3]->next = messages[2];
    assert_int_equal(mailbox_push_chain(&mailbox, messages[3], messages[1], 2), MAILBOX_PUSHED);
    assert_int_equal(mailbox_length(&mailbox), 4);
    struct message *taken = take(&mailbox, &reader);
    for (uint32_t i = 0; i < 4; i++) {
        assert_ptr_equal(taken, messages[i]);
        taken = taken->next;
        mailbox_discard(&reader, &messages[i]);
    }
    assert_null(taken);
    assert_true(mailbox_rest(&mailbox, &reader, 4));
    assert_int_equal(mailbox_length(&mailbox), 0);
}

/* The newest that was taken stands in the word as the mark of what was read: kept and sent again, it must not
 * be taken for read. */
static void what_was_let_go_may_come_again(void **unused)
{
    (void)unused;
    struct mailbox mailbox;
    struct mailbox_reader reader = { 0 };
    mailbox_init(&mailbox);
    struct message *message = message_create(1, 0);
    assert_int_equal(mailbox_push(&mailbox, message, false), MAILBOX_WOKE);
    assert_ptr_equal(take(&mailbox, &reader), message);
    struct message *later = message_create(2, 0);
    assert_int_equal(mailbox_push(&mailbox, later, false), MAILBOX_PUSHED);
    assert_false(mailbox_let_go(&mailbox, &reader, message)); /* `later` hangs in front of it. */
    assert_ptr_equal(take(&mailbox, &reader), later);
    assert_true(mailbox_let_go(&mailbox, &reader, message));
    assert_true(mailbox_let_go(&mailbox, &reader, later));
    assert_int_equal(mailbox_push(&mailbox, later, false), MAILBOX_FIRST);
    assert_ptr_equal(take(&mailbox, &reader), later);
    assert_null(later->next);
    mailbox_discard(&reader, &later);
    assert_true(mailbox_rest(&mailbox, &reader, 0));
    message_destroy(&message);
}

static void credits_are_bounded(void **unused) /* ACT4 */
{
    (void)unused;
    struct mailbox mailbox;
    struct mailbox_reader reader = { 0 };
    mailbox_init(&mailbox);
    struct message *message = message_create(1, 0);
    assert_int_equal(mailbox_push(&mailbox, message, true), MAILBOX_FULL); /* No capacity yet. */
    mailbox_set_capacity(&mailbox, 3);
    assert_int_equal(mailbox_reserve(&mailbox, 2), 2);
    assert_int_equal(mailbox_reserve(&mailbox, 2), 1);
    assert_int_equal(mailbox_reserve(&mailbox, 1), 0);
    assert_int_equal(mailbox_length(&mailbox), 3);
    assert_true(mailbox_is_full(&mailbox));
    assert_int_equal(mailbox_push(&mailbox, message, true), MAILBOX_FULL);
    mailbox_release(&mailbox, 1);
    assert_int_equal(mailbox_push(&mailbox, message, true), MAILBOX_WOKE);
    assert_int_equal(mailbox_length(&mailbox), 3);
    assert_ptr_equal(take(&mailbox, &reader), message);
    mailbox_discard(&reader, &message);
    assert_true(mailbox_rest(&mailbox, &reader, 1)); /* The two that were reserved stay out while it rests. */
    assert_int_equal(mailbox_length(&mailbox), 2);
}

enum { PUSHERS = 4, EACH = 20000 };

struct shared {
    struct mailbox mailbox;
    struct mailbox_reader reader;
    /* The owner's, without any lock: TSan would see two owners. */
    uint64_t seen[PUSHERS];
    uint64_t overtaken;
    uint64_t total;
};

static void drain(struct shared *shared)
{
    do {
        struct message *message = take(&shared->mailbox, &shared->reader);
        while (message != NULL) {
            struct message *next = message->next;
            if (message->tag != ++shared->seen[message->kind]) shared->overtaken++;
            shared->total++;
            mailbox_discard(&shared->reader, &message);
            message = next;
        }
    } while (!mailbox_rest(&shared->mailbox, &shared->reader, 0));
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
        if (mailbox_push(&pusher->shared->mailbox, message, false) == MAILBOX_WOKE) drain(pusher->shared);
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
        cmocka_unit_test(a_chain_arrives_in_order),
        cmocka_unit_test(what_was_let_go_may_come_again),
        cmocka_unit_test(credits_are_bounded),
        cmocka_unit_test(many_push_and_one_at_a_time_owns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
