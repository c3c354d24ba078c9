/* stays: org.test:stays:1.0.0, an honest slice that was linked so that dlclose leaves it mapped (-z
 * nodelete). */
#include <aether/slice.h>

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    *out_instance = (void *)host;
    return AETHER_OK;
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    const struct aether_host *host = instance;
    host->reply(host, call, AETHER_OK, request->payload);
}

static const struct aether_entry entries[] = { { "echo", 1, AETHER_READONLY, 0, 0 } };
const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,       .group = "org.test",    .artifact = "stays", .version = "1.0.0",
    AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES, .create = create,    .handle = handle,
};
