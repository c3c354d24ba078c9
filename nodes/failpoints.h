/* failpoints: a test build ends itself at a named point (runtime/base/failpoint.h), as kill -9 would. */
#ifndef AETHER_NODES_FAILPOINTS_H
#define AETHER_NODES_FAILPOINTS_H

/* By AETHER_FAILPOINT=NAME or NAME:COUNT: at the COUNT-th time (1) that NAME is reached. In any other build,
 * or without that variable: nothing. */
void failpoints_arm(void);

#endif
