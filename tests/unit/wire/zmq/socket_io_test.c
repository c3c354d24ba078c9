/* Goal: whoever sleeps on the descriptors of sockets misses nothing that the library tells only once. Method:
 * a real connection on loopback, and poll(2) alone to wake us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/zmq/socket_io.h"

#include <poll.h>
#include <zmq.h>

enum { PATIENCE_MS = 30000 };

/* Nobody looks at the monitor before its descriptor says so: the first event must wake it, or a node never
 * learns that its connection is up (and never says hello). */
static void the_first_event_of_a_monitor_wakes_its_descriptor(void **unused)
{
    (void)unused;
    void *zmq = zmq_ctx_new();
    void *bound = socket_io_create(zmq, ZMQ_ROUTER);
    void *dealer = socket_io_create(zmq, ZMQ_DEALER);
    struct error error;
    assert_int_equal(socket_io_bind(bound, "tcp://127.0.0.1:*", NULL, &error), STATUS_OK);
    char endpoint[64];
    size_t size = sizeof endpoint;
    assert_int_equal(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    void *monitor = socket_io_monitor(zmq, dealer, "monitor", ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    struct pollfd item = { .fd = socket_io_fd(monitor), .events = POLLIN };
    assert_int_equal(socket_io_connect(dealer, endpoint, NULL, &error), STATUS_OK);
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    uint16_t event = 0;
    assert_true(socket_io_next_event(monitor, &event));
    assert_int_equal(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert_false(socket_io_next_event(monitor, &event));
    socket_io_unmonitor(dealer, &monitor);
    socket_io_close(&dealer);
    socket_io_close(&bound);
    assert_int_equal(zmq_ctx_term(zmq), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_event_of_a_monitor_wakes_its_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
