/* frame_stream: see the header. Limits  a read takes at most READ_MAX bytes, so that one sender's bulk leaves
 * the others their turn; a frame that is longer than the buffer makes it grow, and it shrinks again. */
#include "wire/tcp/frame_stream.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, READ_MAX = 256 * 1024, PARTS_MAX = 64 };

struct waiting { /* A frame that is not written out. */
    struct waiting *next;
    struct bytes *frame;
};

struct frame_stream {
    int fd;
    bool broken;
    size_t frame_max;
    struct waiting *first;
    struct waiting *last;
    size_t written;   /* Of the first one. */
    uint64_t waiting; /* Bytes of all. */
    uint8_t *buffer;  /* [begin, end) is read and not looked at. */
    size_t size;
    size_t begin;
    size_t end;
};

struct frame_stream *frame_stream_create(int fd, size_t frame_max)
{
    CHECK(fd >= 0);
    CHECK(frame_max <= FRAME_SIZE_MAX);
    struct frame_stream *stream = memory_zalloc(sizeof *stream);
    stream->fd = fd;
    stream->frame_max = frame_max;
    stream->size = BUFFER_SIZE;
    stream->buffer = memory_alloc(stream->size);
    return stream;
}

static void drop_first(struct frame_stream *stream)
{
    struct waiting *first = stream->first;
    stream->first = first->next;
    if (first->next == NULL) stream->last = NULL;
    stream->written = 0;
    bytes_unref(&first->frame);
    memory_free(first);
}

void frame_stream_destroy(struct frame_stream **stream)
{
    struct frame_stream *gone = *stream;
    if (gone == NULL) return;
    *stream = NULL;
    while (gone->first != NULL)
        drop_first(gone);
    (void)close(gone->fd);
    memory_free(gone->buffer);
    memory_free(gone);
}

int frame_stream_fd(const struct frame_stream *stream)
{
    return stream->fd;
}

void frame_stream_allow(struct frame_stream *stream, size_t frame_max)
{
    CHECK(frame_max <= FRAME_SIZE_MAX);
    stream->frame_max = frame_max;
}

/* --- out ------------------------------------------------------------------------------------------------ */

enum status frame_stream_send(struct frame_stream *stream, struct bytes **frame, uint64_t bytes_max)
{
    size_t size = (*frame)->size;
    if (stream->waiting + size > bytes_max) return STATUS_OVERLOADED;
    struct waiting *waiting = memory_alloc(sizeof *waiting);
    *waiting = (struct waiting){ .frame = *frame };
    *frame = NULL;
    if (stream->last == NULL) stream->first = waiting;
    else stream->last->next = waiting;
    stream->last = waiting;
    stream->waiting += size;
    return STATUS_OK;
}

bool frame_stream_has_unsent(const struct frame_stream *stream)
{
    return stream->first != NULL;
}

/* The frames that one write takes. */
static size_t gather(const struct frame_stream *stream, struct iovec parts[PARTS_MAX])
{
    size_t count = 0;
    size_t written = stream->written;
    for (const struct waiting *at = stream->first; at != NULL && count < PARTS_MAX; at = at->next) {
        parts[count++] = (struct iovec){ at->frame->data + written, at->frame->size - written };
        written = 0;
    }
    return count;
}

static void note_written(struct frame_stream *stream, size_t size)
{
    stream->waiting -= size;
    while (size > 0) {
        size_t left = stream->first->frame->size - stream->written;
        if (size < left) {
            stream->written += size;
            return;
        }
        size -= left;
        drop_first(stream);
    }
}

void frame_stream_flush(struct frame_stream *stream)
{
    while (stream->first != NULL && !stream->broken) {
        struct iovec parts[PARTS_MAX];
        const struct msghdr message = { .msg_iov = parts, .msg_iovlen = gather(stream, parts) };
        ssize_t size = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && (errno == EAGAIN || errno == ENOTCONN)) return; /* Full, or connecting. */
        if (size < 0) stream->broken = true;
        else note_written(stream, (size_t)size);
    }
}

/* --- in ------------------------------------------------------------------------------------------------- */

/* Moves what is left to the front, into a buffer in which the frame that begins there has room. */
static void make_room(struct frame_stream *stream)
{
    size_t left = stream->end - stream->begin;
    size_t length = frame_length(stream->buffer + stream->begin, left);
    size_t needed = length == SIZE_MAX || length < BUFFER_SIZE ? BUFFER_SIZE : length;
    if (needed != stream->size && (needed > stream->size || left == 0)) {
        uint8_t *buffer = memory_alloc(needed);
        memcpy(buffer, stream->buffer + stream->begin, left);
        memory_free(stream->buffer);
        stream->buffer = buffer;
        stream->size = needed;
    } else if (stream->begin > 0) {
        memmove(stream->buffer, stream->buffer + stream->begin, left);
    }
    stream->begin = 0;
    stream->end = left;
}

void frame_stream_fill(struct frame_stream *stream)
{
    if (stream->broken) return;
    make_room(stream);
    size_t room = stream->size - stream->end;
    CHECK(room > 0); /* No whole frame is left in it. */
    ssize_t size =
        recv(stream->fd, stream->buffer + stream->end, room < READ_MAX ? room : READ_MAX, MSG_DONTWAIT);
    if (size > 0) stream->end += (size_t)size;
    else if (size == 0 || (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)) stream->broken = true;
}

bool frame_stream_next(struct frame_stream *stream, const uint8_t **out_data, size_t *out_size)
{
    size_t left = stream->end - stream->begin;
    size_t length = frame_length(stream->buffer + stream->begin, left);
    if (length > stream->frame_max) stream->broken = true;
    if (length == 0 || length > left || length > stream->frame_max) return false;
    *out_data = stream->buffer + stream->begin;
    *out_size = length;
    stream->begin += length;
    return true;
}

bool frame_stream_is_broken(const struct frame_stream *stream)
{
    return stream->broken;
}
