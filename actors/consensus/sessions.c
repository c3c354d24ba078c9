/* sessions: a fixed table; the lowest free one is used, so that few are open while little happens. */
#include "actors/consensus/sessions.h"

#include "runtime/base/check.h"

#include <stddef.h>

struct session *sessions_acquire(struct sessions *sessions)
{
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &sessions->items[i];
        if (session->id == 0 || session->busy) continue;
        session->busy = true;
        session->sequence++;
        return session;
    }
    return NULL;
}

void sessions_release(struct sessions *sessions, struct session *session)
{
    CHECK(session >= sessions->items);
    CHECK(session->busy);
    session->busy = false;
}

void sessions_drop(struct sessions *sessions, struct session *session)
{
    CHECK(session->busy);
    *session = (struct session){ 0 };
    sessions->open_count--;
}

bool sessions_begin_open(struct sessions *sessions, uint32_t waiting_count)
{
    if (sessions->opening_count >= waiting_count) return false;
    if (sessions->opening_count >= SESSIONS_OPENING_MAX) return false;
    if (sessions->open_count + sessions->opening_count >= SESSIONS_MAX) return false;
    sessions->opening_count++;
    return true;
}

void sessions_end_open(struct sessions *sessions, uint64_t id)
{
    CHECK(sessions->opening_count > 0);
    sessions->opening_count--;
    if (id == 0) return;
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        if (sessions->items[i].id != 0) continue;
        sessions->items[i] = (struct session){ .id = id };
        sessions->open_count++;
        return;
    }
    CHECK(false); /* begin_open keeps a place. */
}
