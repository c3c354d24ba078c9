/* pricing: what something costs with tax. The tax rule is configuration, so that a country is a blueprint and
 * not a build.
 *
 *     config   {"tax-percent": 19, "currency": "EUR"}      (both optional; this is the default)
 *     quote    {"net-cents": 1999, "quantity": 3}
 *           -> {"net-cents":5997,"tax-cents":1139,"gross-cents":7136,"tax-percent":19,"currency":"EUR"} */
#include "../json/json.h"

#include <aether/slice.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_QUOTE = 1 };
enum { NET_CENTS_MAX = 1000000000, QUANTITY_MAX = 1000000 };

struct pricing {
    const struct aether_host *host;
    int64_t tax_percent;
    char currency[8];
};

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

/* NULL: the rule is taken over; else what is wrong with it, and nothing has changed. */
static const char *read_rule(struct pricing *pricing, struct aether_bytes config)
{
    const char *text = config.data;
    int64_t percent = 19;
    char currency[sizeof pricing->currency] = "EUR";
    if (!json_is_object(text, config.size)) return "the configuration is not a JSON object";
    if (json_integer(text, config.size, "tax-percent", &percent) == JSON_WRONG || percent < 0 ||
        percent > 100)
        return "tax-percent must be a whole number from 0 to 100";
    if (json_string(text, config.size, "currency", currency, sizeof currency) == JSON_WRONG ||
        strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(currency))
        return "currency must be a code of at most 7 capital letters, such as EUR";
    pricing->tax_percent = percent;
    memcpy(pricing->currency, currency, sizeof currency);
    return NULL;
}

static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    struct pricing *pricing = calloc(1, sizeof *pricing);
    if (pricing == NULL) return AETHER_OVERLOADED;
    pricing->host = host;
    const char *complaint = read_rule(pricing, config);
    if (complaint != NULL) {
        host->explain(host, complaint);
        free(pricing);
        return AETHER_INVALID;
    }
    *out_instance = pricing;
    return AETHER_OK;
}

static int32_t config_changed(void *instance, struct aether_bytes config)
{
    struct pricing *pricing = instance;
    const char *complaint = read_rule(pricing, config);
    if (complaint == NULL) return AETHER_OK;
    pricing->host->explain(pricing->host, complaint);
    return AETHER_INVALID;
}

static void destroy(void *instance)
{
    free(instance);
}

static void quote(struct pricing *pricing, struct aether_call *call, const struct aether_request *request)
{
    const struct aether_host *host = pricing->host;
    const char *text = request->payload.data;
    size_t size = request->payload.size;
    int64_t net, quantity = 1;
    if (!json_is_object(text, size) || json_integer(text, size, "net-cents", &net) != JSON_FOUND || net < 0 ||
        net > NET_CENTS_MAX) {
        host->reply(host, call, AETHER_INVALID, bytes_of("net-cents must be a whole number, 0 or more"));
        return;
    }
    if (json_integer(text, size, "quantity", &quantity) == JSON_WRONG || quantity < 1 ||
        quantity > QUANTITY_MAX) {
        host->reply(host, call, AETHER_INVALID, bytes_of("quantity must be a whole number, 1 or more"));
        return;
    }
    net *= quantity;
    int64_t tax = (net * pricing->tax_percent + 50) / 100; /* To the nearest cent. */
    char answer[256];
    snprintf(answer, sizeof answer,
             "{\"net-cents\":%" PRId64 ",\"tax-cents\":%" PRId64 ",\"gross-cents\":%" PRId64
             ",\"tax-percent\":%" PRId64 ",\"currency\":\"%s\"}",
             net, tax, net + tax, pricing->tax_percent, pricing->currency);
    host->count(host, "quotes", 1);
    host->reply(host, call, AETHER_OK, bytes_of(answer));
}

static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    (void)request->entry; /* There is but one, ENTRY_QUOTE, and the host delivers no other. */
    quote(instance, call, request);
}

static const struct aether_entry entries[] = {
    { "quote", ENTRY_QUOTE, AETHER_READONLY, 2000, 0 },
};

const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,       .group = "org.example",           .artifact = "pricing", .version = "1.0.0",
    AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES,           .create = create,      .handle = handle,
    .destroy = destroy,      .config_changed = config_changed,
};
