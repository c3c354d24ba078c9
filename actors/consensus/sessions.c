/* sessions: a fixed table, and a stack of the free ones in it. */
#include "actors/consensus/sessions.h"

#include "runtime/base/check.h"

#include <stddef.h>

static void put_free(struct sessions *sessions, const struct session *session)
{
    CHECK(sessions->free_count < SESSIONS_MAX);
    sessions->free[sessions->free_count++] = (uint16_t)(session - sessions->items);
}

struct session *sessions_acquire(struct sessions *sessions)
{
    if (sessions->free_count == 0) return NULL;
    struct session *session = &sessions->items[sessions->free[--sessions->free_count]];
    session->busy = true;
    session->sequence++;
    return session;
}

void sessions_release(struct sessions *sessions, struct session *session)
{
    CHECK(session >= sessions->items);
    CHECK(session->busy);
    session->busy = false;
    put_free(sessions, session);
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
        put_free(sessions, &sessions->items[i]);
        sessions->open_count++;
        return;
    }
    CHECK(false); /* begin_open keeps a place. */
}
