/* orders: takes an order and answers when its price is known. The price comes from another slice, wherever in
 * the cluster that runs: `place` is a call that is answered later.
 *
 *     place    {"item": "lamp", "net-cents": 1999, "quantity": 3}
 *           -> {"order":"5f1c09a7e1b2d344","item":"lamp","price":{...what pricing answered...}}
 *     placed   {}  ->  {"placed":1,"instance":1} */
#include "../json/json.h"

#include <aether/slice.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_PLACE = 1, ENTRY_PLACED = 2 };
enum { ITEM_MAX = 64 };

struct orders {
    const struct aether_host *host;
    uint64_t placed;
};

struct order { /* In the call's own memory (host->alloc), so nothing has to be freed. */
    struct aether_call *call;
    char item[ITEM_MAX];
};

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    (void)config;
    struct orders *orders = calloc(1, sizeof *orders);
    if (orders == NULL) return AETHER_OVERLOADED;
    orders->host = host;
    *out_instance = orders;
    return AETHER_OK;
}

static void destroy(void *instance)
{
    free(instance);
}

/* The price is here, or the reason why there is none. */
static void on_price(void *instance, void *context, const struct aether_result *price)
{
    struct orders *orders = instance;
    struct order *order = context;
    const struct aether_host *host = orders->host;
    if (price->status != AETHER_OK) { /* Said as it is: the caller may try again where that is safe. */
        host->reply(host, order->call, price->status, price->value);
        return;
    }
    size_t size = price->value.size + (size_t)6 * ITEM_MAX + 64;
    char *answer = host->alloc(host, order->call, size);
    if (answer == NULL) {
        host->reply(host, order->call, AETHER_OVERLOADED, bytes_of("the price is too long"));
        return;
    }
    char item[6 * ITEM_MAX + 8];
    json_escape(item, sizeof item, order->item);
    snprintf(answer, size, "{\"order\":\"%016" PRIx64 "\",\"item\":\"%s\",\"price\":%.*s}",
             host->random(host), item, (int)price->value.size, (const char *)price->value.data);
    orders->placed++;
    host->count(host, "orders", 1);
    host->reply(host, order->call, AETHER_OK, bytes_of(answer));
}

static void place(struct orders *orders, struct aether_call *call, const struct aether_request *request)
{
    const struct aether_host *host = orders->host;
    const char *text = request->payload.data;
    size_t size = request->payload.size;
    struct order *order = host->alloc(host, call, sizeof *order);
    if (order == NULL) {
        host->reply(host, call, AETHER_OVERLOADED, bytes_of("out of memory"));
        return;
    }
    order->call = call;
    if (!json_is_object(text, size) ||
        json_string(text, size, "item", order->item, sizeof order->item) != JSON_FOUND) {
        host->reply(host, call, AETHER_INVALID, bytes_of("item must be a text of at most 63 bytes"));
        return;
    }
    struct aether_invoke invoke = {
        .size = sizeof invoke,
        .target = "org.example:pricing/quote",
        .payload = request->payload, /* It reads net-cents and quantity, and tells what is wrong with them. */
        .parent = call,
    };
    int32_t status = host->invoke(host, &invoke, on_price, order);
    if (status != AETHER_OK) host->reply(host, call, status, bytes_of("pricing can't be asked now"));
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    struct orders *orders = instance;
    if (request->entry == ENTRY_PLACE) {
        place(orders, call, request);
        return;
    }
    char answer[64]; /* ENTRY_PLACED */
    snprintf(answer, sizeof answer, "{\"placed\":%" PRIu64 ",\"instance\":%" PRIu32 "}", orders->placed,
             orders->host->instance);
    orders->host->reply(orders->host, call, AETHER_OK, bytes_of(answer));
}

static const struct aether_entry entries[] = {
    { "place", ENTRY_PLACE, 0, 5000, 256 },
    { "placed", ENTRY_PLACED, AETHER_READONLY, 1000, 0 },
};
static const struct aether_dependency dependencies[] = {
    { "org.example:pricing", "[1.0,2.0)" },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,  .group = "org.example",  .artifact = "orders",
    .version = "1.0.0", AETHER_ENTRIES(entries), AETHER_DEPENDENCIES(dependencies),
    .create = create,   .handle = handle,        .destroy = destroy,
};
