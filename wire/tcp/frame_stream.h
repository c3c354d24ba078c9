/* frame_stream: frames in a row over one TCP connection that doesn't block: a header says where its frame
 * ends, so nothing stands between two. Writes are gathered, reads are looked at in place. Belongs to one
 * thread. A failure is for good: the caller destroys the stream. */
#ifndef AETHER_WIRE_TCP_FRAME_STREAM_H
#define AETHER_WIRE_TCP_FRAME_STREAM_H

#include "runtime/base/bytes.h"
#include "runtime/base/error.h"

#include <stdbool.h>

struct frame_stream;

/* Takes the descriptor, connected or connecting. `frame_max`: a longer one that comes in is a failure. */
struct frame_stream *frame_stream_create(int fd, size_t frame_max);
void frame_stream_destroy(struct frame_stream **stream); /* NULL content is fine. What waits is lost. */
int frame_stream_fd(const struct frame_stream *stream);
void frame_stream_allow(struct frame_stream *stream, size_t frame_max);

/* OK takes the frame, which leaves with the next flush; OVERLOADED: more than `bytes_max` would wait. */
MUST_CHECK enum status frame_stream_send(struct frame_stream *stream, struct bytes **frame,
                                         uint64_t bytes_max);
void frame_stream_flush(struct frame_stream *stream); /* Writes what the kernel takes. */
bool frame_stream_has_unsent(const struct frame_stream *stream);

/* Reads once, a bounded amount; then frame_stream_next is to be called to its end. */
void frame_stream_fill(struct frame_stream *stream);
/* The next whole frame, not yet checked but for its header; stands until the next call. false: none. */
bool frame_stream_next(struct frame_stream *stream, const uint8_t **out_data, size_t *out_size);
/* The connection ended, or carries something else than frames. */
bool frame_stream_is_broken(const struct frame_stream *stream);

#endif
