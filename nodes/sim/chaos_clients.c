/* chaos_clients: those who use the cluster while it suffers: some write and read, one publishes, one calls.
 */
#include "nodes/sim/chaos_state.h"

#include <stdio.h>

/* --- when things happen --- */

struct trouble chaos_trouble(struct chance *chance, uint32_t permille, int64_t pause_max_ns)
{
    struct trouble trouble = { .on = chance_permille(chance, permille) };
    trouble.pause_max_ns = chance_between(chance, pause_max_ns / 4, pause_max_ns);
    trouble.pause_min_ns = trouble.pause_max_ns / 8;
    trouble.next_ns = chance_between(chance, 0, trouble.pause_max_ns);
    trouble.chance = *chance;
    return trouble;
}

bool chaos_strikes(struct chaos *chaos, struct trouble *trouble)
{
    int64_t now_ns = sim_now_ns(chaos->sim);
    if (!trouble->on || now_ns < trouble->next_ns) return false;
    trouble->next_ns =
        now_ns + chance_between(&trouble->chance, trouble->pause_min_ns, trouble->pause_max_ns);
    return true;
}

/* --- writers and readers --- */

static void draw_key(struct chance *chance, char key[16])
{
    (void)snprintf(key, 16, "key%u", (unsigned)(chance_next(chance) % CHAOS_KEYS));
}

struct sim_call chaos_put(struct chaos *chaos, uint32_t node, struct chance *chance, bool once,
                          int64_t timeout_ns)
{
    char key[16];
    char value[CHAOS_VALUE_MAX];
    draw_key(chance, key);
    (void)snprintf(value, sizeof value, "\"v%u\"", chaos->value_count++);
    struct sim_put put = { .key = key, .value = value, .once = once, .timeout_ns = timeout_ns };
    /* A client's must sometimes be absent: mostly a CONFLICT, never half done. */
    put.has_if_rev = !once && chance_permille(chance, 50);
    return sim_put(chaos->sim, node, &put);
}

static void begin_read(struct chaos *chaos, struct chaos_client *client, int64_t timeout_ns)
{
    char key[16];
    draw_key(&client->chance, key);
    struct sim_get get = { .key = key, .timeout_ns = timeout_ns };
    get.stale = chance_permille(&client->chance, 100);
    client->call = sim_get(chaos->sim, client->node, &get);
}

static void note_end(struct chaos *chaos, struct chaos_client *client)
{
    client->busy = false;
    enum status status = sim_call_status(chaos->sim, client->call);
    struct chaos_result *result = chaos->result;
    if (!client->writes) {
        result->reads += status == STATUS_OK;
    } else if (status == STATUS_OK) {
        result->acknowledged++;
    } else if (status == STATUS_CONFLICT || status == STATUS_NO_LEADER || status == STATUS_OVERLOADED) {
        result->refused++;
    } else {
        result->unknown++;
    }
}

static void drive(struct chaos *chaos, struct chaos_client *client)
{
    struct sim *sim = chaos->sim;
    if (client->busy && sim_has_ended(sim, client->call)) note_end(chaos, client);
    if (client->busy || sim_now_ns(sim) < client->next_ns) return;
    client->next_ns = sim_now_ns(sim) + chance_between(&client->chance, 0, MILLISECONDS(80));
    if (chance_permille(&client->chance, 50)) {
        client->node = (uint32_t)(chance_next(&client->chance) % sim_node_count(sim));
    }
    if (!sim_is_up(sim, client->node)) return;
    int64_t timeout_ns = chance_between(&client->chance, MILLISECONDS(200), SECONDS(3));
    client->busy = true;
    client->writes = chance_permille(&client->chance, 700);
    if (client->writes) client->call = chaos_put(chaos, client->node, &client->chance, false, timeout_ns);
    else begin_read(chaos, client, timeout_ns);
}

/* --- slices: one who publishes, one who calls --- */

static void publish(struct chaos *chaos)
{
    struct trouble *publisher = &chaos->publisher;
    if (!chaos_strikes(chaos, publisher)) return;
    uint32_t pricing = (uint32_t)chance_between(&publisher->chance, 0, 4);
    uint32_t orders = (uint32_t)chance_between(&publisher->chance, 0, 3);
    if (chance_permille(&publisher->chance, 150)) pricing = orders = 0; /* Deletes it. */
    (void)sim_publish(chaos->sim, "shop", pricing, orders);
}

static void invoke(struct chaos *chaos)
{
    struct trouble *caller = &chaos->caller;
    if (chaos->calling && sim_has_ended(chaos->sim, chaos->call)) {
        chaos->calling = false;
        chaos->result->calls += sim_call_status(chaos->sim, chaos->call) == STATUS_OK;
    }
    if (chaos->calling || !chaos_strikes(chaos, caller)) return;
    uint32_t node = (uint32_t)(chance_next(&caller->chance) % sim_node_count(chaos->sim));
    if (!sim_is_up(chaos->sim, node)) return;
    const char *artifact = chance_permille(&caller->chance, 500) ? SIM_PRICING : SIM_ORDERS;
    chaos->call = sim_invoke(chaos->sim, node, artifact, SECONDS(1));
    chaos->calling = true;
}

/* --- all of them --- */

void chaos_clients_init(struct chaos *chaos, struct chance *setup)
{
    struct chance publisher = chance_of(chaos->seed, STREAM_PUBLISHER);
    struct chance caller = chance_of(chaos->seed, STREAM_CALLER);
    chaos->publisher = chaos_trouble(&publisher, 700, SECONDS(4));
    chaos->caller = chaos_trouble(&caller, 500, MILLISECONDS(100));
    chaos->client_count = (uint32_t)chance_between(setup, 2, CHAOS_CLIENTS_MAX);
    for (uint32_t i = 0; i < chaos->client_count; i++) {
        chaos->clients[i].chance = chance_of(chaos->seed, STREAM_CLIENT + i);
        chaos->clients[i].node = i % sim_node_count(chaos->sim);
    }
}

void chaos_clients_look(struct chaos *chaos)
{
    publish(chaos);
    invoke(chaos);
    for (uint32_t i = 0; i < chaos->client_count; i++)
        drive(chaos, &chaos->clients[i]);
}

void chaos_clients_end(struct chaos *chaos)
{
    for (uint32_t i = 0; i < chaos->client_count; i++) {
        if (chaos->clients[i].busy) note_end(chaos, &chaos->clients[i]);
    }
}
