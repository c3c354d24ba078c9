/* Goal: what goes into a stream comes out of it, frame by frame, however the bytes were cut on their way; a
 * bound refuses; what is no frame, or too long a one, ends it, after the frames before it. Method: a pair of
 * sockets, one end held by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/probe.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/tcp/frame_stream.h"
#include "wire/tcp/tcp_socket.h"

#include "wire/proto/cluster.pb-c.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct bytes *frame_of(size_t attachment_size)
{
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    struct bytes *bulk = bytes_create(attachment_size);
    memset(bulk->data, 7, bulk->size);
    message_attach(message, &bulk);
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    frame_seal(frame, &(struct frame_header){ .protocol = 1 });
    message_destroy(&message);
    return frame;
}

static struct frame_stream *stream_and_hand(int *out_hand, size_t frame_max)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *out_hand = ends[1];
    return frame_stream_create(ends[0], frame_max);
}

static void push(int hand, const struct bytes *frame, size_t from, size_t size)
{
    assert_int_equal(send(hand, frame->data + from, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads until `count` whole frames equal to `frame` have come; each other one fails. */
static void assert_comes(struct frame_stream *stream, const struct bytes *frame, uint32_t count)
{
    const uint8_t *data;
    size_t size;
    while (count > 0) {
        frame_stream_fill(stream);
        for (; frame_stream_next(stream, &data, &size); count--) {
            assert_true(count > 0);
            assert_int_equal(size, frame->size);
            assert_memory_equal(data, frame->data, size);
        }
        assert_false(frame_stream_is_broken(stream) && count > 0);
    }
}

static void frames_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    int hand;
    struct frame_stream *stream = stream_and_hand(&hand, FRAME_SIZE_MAX);
    struct bytes *small = frame_of(10);
    const uint8_t *data;
    size_t size;
    for (size_t at = 0; at < small->size; at++) { /* Byte by byte. */
        frame_stream_fill(stream);
        assert_false(frame_stream_next(stream, &data, &size));
        push(hand, small, at, 1);
    }
    assert_comes(stream, small, 1);
    for (int i = 0; i < 100; i++)
        push(hand, small, 0, small->size);
    push(hand, small, 0, 50); /* And half of one more. */
    assert_comes(stream, small, 100);
    push(hand, small, 50, small->size - 50);
    assert_comes(stream, small, 1);
    assert_false(frame_stream_is_broken(stream));
    bytes_unref(&small);
    frame_stream_destroy(&stream);
    (void)close(hand);
}

static void long_frames_go_through_narrow_pipes(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct frame_stream *from = frame_stream_create(ends[0], FRAME_SIZE_MAX);
    struct frame_stream *to = frame_stream_create(ends[1], FRAME_SIZE_MAX);
    struct bytes *frame = frame_of(4000000);
    struct bytes *small = frame_of(0);
    for (int i = 0; i < 3; i++) {
        struct bytes *copy = bytes_ref(frame);
        assert_int_equal(frame_stream_send(from, &copy, 16000000), STATUS_OK);
        assert_null(copy);
    }
    uint32_t come = 0;
    while (come < 3) {
        const uint8_t *data;
        size_t size;
        frame_stream_flush(from);
        frame_stream_fill(to);
        for (; frame_stream_next(to, &data, &size); come++) {
            assert_int_equal(size, frame->size);
            assert_memory_equal(data, frame->data, size);
        }
    }
    assert_false(frame_stream_has_unsent(from));
    struct bytes *last = bytes_ref(small); /* The buffer is small again, and works. */
    assert_int_equal(frame_stream_send(from, &last, 16000000), STATUS_OK);
    frame_stream_flush(from);
    assert_comes(to, small, 1);
    bytes_unref(&frame);
    bytes_unref(&small);
    frame_stream_destroy(&from);
    frame_stream_destroy(&to);
}

static void more_than_the_bound_is_refused(void **state)
{
    (void)state;
    int hand;
    struct frame_stream *stream = stream_and_hand(&hand, FRAME_SIZE_MAX);
    struct bytes *first = frame_of(1000);
    struct bytes *second = bytes_ref(first);
    uint64_t bound = first->size + 500;
    assert_int_equal(frame_stream_send(stream, &first, bound), STATUS_OK);
    assert_int_equal(frame_stream_send(stream, &second, bound), STATUS_OVERLOADED);
    assert_non_null(second); /* Still ours. */
    frame_stream_flush(stream);
    assert_int_equal(frame_stream_send(stream, &second, bound), STATUS_OK);
    frame_stream_destroy(&stream); /* With what waits. */
    (void)close(hand);
}

static void what_is_no_frame_ends_it_after_those_before(void **state)
{
    (void)state;
    int hand;
    const uint8_t *data;
    size_t size;
    struct bytes *frame = frame_of(10);
    struct bytes *spoilt = frame_of(10);
    spoilt->data[20] ^= 1; /* The header's checksum holds no more. */
    struct frame_stream *stream = stream_and_hand(&hand, FRAME_SIZE_MAX);
    push(hand, frame, 0, frame->size);
    push(hand, spoilt, 0, spoilt->size);
    assert_comes(stream, frame, 1);
    frame_stream_fill(stream);
    assert_false(frame_stream_next(stream, &data, &size));
    assert_true(frame_stream_is_broken(stream));
    frame_stream_destroy(&stream);
    (void)close(hand);

    stream = stream_and_hand(&hand, 500); /* Too long a one. */
    struct bytes *longer = frame_of(1000);
    push(hand, longer, 0, longer->size);
    frame_stream_fill(stream);
    assert_false(frame_stream_next(stream, &data, &size));
    assert_true(frame_stream_is_broken(stream));
    frame_stream_destroy(&stream);
    (void)close(hand);

    stream = stream_and_hand(&hand, FRAME_SIZE_MAX); /* Its end. */
    push(hand, frame, 0, frame->size);
    push(hand, frame, 0, 30);
    (void)close(hand);
    assert_comes(stream, frame, 1);
    frame_stream_fill(stream);
    assert_false(frame_stream_next(stream, &data, &size));
    assert_true(frame_stream_is_broken(stream));
    struct bytes *late = bytes_ref(frame); /* Who writes finds out, too, and no signal comes. */
    assert_int_equal(frame_stream_send(stream, &late, 1000), STATUS_OK);
    frame_stream_flush(stream);
    frame_stream_destroy(&stream);
    bytes_unref(&frame);
    bytes_unref(&spoilt);
    bytes_unref(&longer);
}

static void hosts_of_endpoints(void **state)
{
    (void)state;
    char host[TCP_HOST_MAX];
    assert_string_equal(tcp_socket_host("tcp://127.0.0.1:7400", host), "127.0.0.1");
    assert_string_equal(tcp_socket_host("tcp://[::1]:7400", host), "::1");
    assert_null(tcp_socket_host("ipc:///tmp/x", host));
    assert_null(tcp_socket_host("tcp://:7400", host));
    assert_null(tcp_socket_host("tcp://nothing", host));
    uint16_t port = 0;
    assert_int_equal(tcp_socket_listen("node-1.example", &port), -1); /* Names are looked up by nobody. */
    int listener = tcp_socket_listen("127.0.0.1", &port);
    assert_true(listener >= 0);
    assert_int_equal(tcp_socket_accept(listener), -1);
    int there = tcp_socket_connect("127.0.0.1", port);
    assert_true(there >= 0);
    struct pollfd item = { .fd = listener, .events = POLLIN };
    assert_int_equal(poll(&item, 1, 10000), 1);
    int here = tcp_socket_accept(listener);
    assert_true(here >= 0);
    (void)close(there);
    (void)close(here);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_however_they_are_cut),
        cmocka_unit_test(long_frames_go_through_narrow_pipes),
        cmocka_unit_test(more_than_the_bound_is_refused),
        cmocka_unit_test(what_is_no_frame_ends_it_after_those_before),
        cmocka_unit_test(hosts_of_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
