/* echo: org.bench:echo-00:1.0.0, what the benches call: it answers with what was sent. Benches that want many
 * slices copy the object under names of the same length (bench/calls.py). */
#include <aether/slice.h>

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    *out_instance = (void *)host; /* Its whole state is its host table. */
    return AETHER_OK;
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    const struct aether_host *host = instance;
    host->reply(host, call, AETHER_OK, request->payload);
}

static const struct aether_entry entries[] = { { "echo", 1, AETHER_READONLY, 0, 0 } };
const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.bench",
    "echo-00",
    "1.0.0",
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    create,
    NULL,
    handle,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};
