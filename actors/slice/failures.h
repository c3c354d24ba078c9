/* failures: where instances failed for good, as the leader remembers it: such a node is avoided for that
 * slice while another can take it, and may try again after a while. Pure. The next leader learns of it from
 * the state (exclusions.h). */
#ifndef AETHER_ACTORS_SLICE_FAILURES_H
#define AETHER_ACTORS_SLICE_FAILURES_H

#include "actors/slice/deployment_view.h"
#include "runtime/base/map.h"

enum { FAILURES_WHY_SIZE = 256 };

struct failures {
    struct map by_place; /* artifact/node -> struct failure * */
    struct map moving;   /* artifact/node#instance -> struct moving *: since when it is in a state in -ING. */
};

void failures_fini(struct failures *failures);
void failures_clear(struct failures *failures);
/* Notes what failed for good in the view (also what its node should have ended long ago: the leader's
 * watchdog is a backstop, and judges by the applied state and its own clock), forgets what recovered or whose
 * time passed. true: something changed. */
bool failures_update(struct failures *failures, const struct deployment_view *view, int64_t now_ns);
/* A person asked for it again: every failed instance of the artifact may try anew at once. */
void failures_pardon(struct failures *failures, const struct deployment_view *view, const char *artifact,
                     int64_t now_ns);
const char *failures_excluded(const struct failures *failures, const char *artifact, const char *node);
/* Until when, by the same clock; 0: not excluded. */
int64_t failures_excluded_until_ns(const struct failures *failures, const char *artifact, const char *node);
/* --- for the state (exclusions.h); a place is "artifact/node" --- */
struct failure_view {
    const char *place;
    const char *why;
    int64_t until_ns;
    bool over;
};
bool failures_next(const struct failures *failures, size_t *position, struct failure_view *out_failure);
bool failures_excludes_place(const struct failures *failures, const char *place);
/* As a leader before this one knew it; not for longer than an exclusion lasts. */
void failures_restore(struct failures *failures, const char *place, int64_t until_ns, const char *why,
                      int64_t now_ns);
bool failures_renews(const struct failures *failures, const char *artifact, const char *node);

#endif
