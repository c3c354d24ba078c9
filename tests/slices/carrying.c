/* carrying: org.test:carrying:1.0.0, a slice whose state is worth carrying over: it counts. Its configuration
 * is taken over while it runs, unless it holds "refuse". */
#include <aether/slice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADD = 1, CONFIG, CRASH };

struct carrying {
    const struct aether_host *host;
    uint64_t count;
};

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    struct carrying *carrying = calloc(1, sizeof *carrying);
    (void)config;
    carrying->host = host;
    *out_instance = carrying;
    return AETHER_OK;
}

static void reply(const struct carrying *carrying, struct aether_call *call, const char *text, size_t size)
{
    carrying->host->reply(carrying->host, call, AETHER_OK, (struct aether_bytes){ text, size });
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct carrying *carrying = instance;
    char text[32];
    if (request->entry == ADD) {
        int size = snprintf(text, sizeof text, "%llu", (unsigned long long)++carrying->count);
        carrying->host->log(carrying->host, AETHER_INFO, "counted");
        reply(carrying, call, text, (size_t)size);
    } else if (request->entry == CONFIG) {
        struct aether_bytes config = carrying->host->config(carrying->host);
        reply(carrying, call, config.data, config.size);
    } else {
        fprintf(stderr, "these are my last words\n");
        abort();
    }
}

static void destroy(void *instance)
{
    free(instance);
}

static int32_t snapshot(void *instance, int32_t (*write)(void *context, struct aether_bytes part),
                        void *context)
{
    const struct carrying *carrying = instance;
    return write(context, (struct aether_bytes){ &carrying->count, sizeof carrying->count });
}

static int32_t restore(void *instance, struct aether_bytes state)
{
    struct carrying *carrying = instance;
    if (state.size != sizeof carrying->count) return AETHER_INVALID;
    memcpy(&carrying->count, state.data, state.size);
    return AETHER_OK;
}

static int32_t config_changed(void *instance, struct aether_bytes config)
{
    const struct carrying *carrying = instance;
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)config.size, (const char *)config.data);
    if (strstr(text, "refuse") == NULL) return AETHER_OK;
    carrying->host->explain(carrying->host, "not while I run");
    return AETHER_NOT_READY;
}

static const struct aether_entry entries[] = {
    { "add", ADD, 0, 0, 0 },
    { "config", CONFIG, AETHER_READONLY, 0, 0 },
    { "crash", CRASH, 0, 0, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.test",
    "carrying",
    "1.0.0",
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    create,
    NULL,
    handle,
    NULL,
    destroy,
    NULL,
    snapshot,
    restore,
    config_changed,
};
