/* failures: where instances failed for good, as the leader remembers it: such a node is avoided for that
 * slice while another can take it, and may try again after a while. Pure. Lost with the leadership, on
 * purpose: a new leader gives every node another chance. */
#ifndef AETHER_ACTORS_SLICE_FAILURES_H
#define AETHER_ACTORS_SLICE_FAILURES_H

#include "actors/slice/deployment_view.h"
#include "runtime/base/map.h"

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
bool failures_renews(const struct failures *failures, const char *artifact, const char *node);

#endif
