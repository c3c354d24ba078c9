/* model_pool: the runtime's model on real threads, for the tests, the stress and the soak. From the test's
 * own thread only. */
#ifndef AETHER_TESTS_SUPPORT_MODEL_POOL_H
#define AETHER_TESTS_SUPPORT_MODEL_POOL_H

#include "tests/support/actor_model.h"

struct scheduler *model_pool_create(uint32_t threads);
struct runtime *model_pool_runtime(struct scheduler *pool, struct model *model);
/* Returns when all that goes on in the model has come to its end; the bounds are watched meanwhile (ACT4). */
void model_pool_await_quiet(struct model *model);
/* Ends everything; what is left of the model is its counts. false: not in time. */
bool model_pool_stop(struct model *model, struct scheduler **pool);
/* Seconds to go on for, from the environment; `otherwise` where nothing is said. */
int64_t model_pool_seconds(const char *variable, int64_t otherwise);

#endif
