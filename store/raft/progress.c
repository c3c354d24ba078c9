/* progress: see the header. */
#include "store/raft/progress.h"

#include "runtime/base/check.h"

static void window_clear(struct progress *progress)
{
    progress->window_first = 0;
    progress->window_count = 0;
    progress->window_bytes = 0;
}

void progress_start(struct progress *progress, log_index last, uint64_t now)
{
    *progress = (struct progress){
        .id = progress->id,
        .state = CORE_PEER_PROBE,
        .next = last + 1,
        .heard = now,
        .moved = now,
        .healthy_since = now,
    };
}

void progress_probe(struct progress *progress, log_index next)
{
    progress->state = CORE_PEER_PROBE;
    progress->probing = false;
    progress->next = next > progress->match ? next : progress->match + 1;
    progress->read_tag = 0;
    window_clear(progress);
}

void progress_pipeline(struct progress *progress)
{
    progress->state = CORE_PEER_PIPELINE;
    progress->probing = false;
    progress->next = progress->match + 1;
    progress->read_tag = 0;
    window_clear(progress);
}

void progress_snapshot(struct progress *progress)
{
    progress->state = CORE_PEER_SNAPSHOT;
    progress->probing = false;
    progress->read_tag = 0;
    window_clear(progress);
}

void progress_sent(struct progress *progress, log_index last, size_t bytes)
{
    CHECK(progress->window_count < PROGRESS_WINDOW_MAX);
    uint32_t slot = (progress->window_first + progress->window_count) % PROGRESS_WINDOW_MAX;
    progress->window[slot] = (struct progress_flight){ .last = last, .bytes = bytes };
    progress->window_count++;
    progress->window_bytes += bytes;
}

void progress_acknowledged(struct progress *progress, log_index match)
{
    if (match > progress->match) progress->match = match;
    if (progress->next <= progress->match) {
        progress->next = progress->match + 1;
        progress->read_tag = 0; /* What is being read is behind it. */
    }
    while (progress->window_count > 0) {
        const struct progress_flight *flight = &progress->window[progress->window_first];
        if (flight->last > progress->match) break;
        progress->window_bytes -= flight->bytes;
        progress->window_first = (progress->window_first + 1) % PROGRESS_WINDOW_MAX;
        progress->window_count--;
    }
}

bool progress_window_is_full(const struct progress *progress, uint32_t messages_max, size_t bytes_max)
{
    return progress->window_count >= messages_max || progress->window_bytes >= bytes_max;
}
