/* chaos_clients: those who use the cluster while it suffers: some write and read, one publishes, one calls.
 */
#include "nodes/sim/chaos_state.h"

#include <stdio.h>
#include <string.h>

static const int64_t epoch_ns = SECONDS(5); /* Of a set of keys. */

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

/* A key for some time, then others: the checkers' search is bounded in the operations of one key. The last of
 * them is the one that is deleted now and then. */
static uint32_t draw_key(const struct chaos *chaos, struct chance *chance, char key[CHAOS_KEY_MAX])
{
    uint32_t at = (uint32_t)(chance_next(chance) % CHAOS_KEYS);
    chaos_key(chaos, at, key);
    return at;
}

void chaos_key(const struct chaos *chaos, uint32_t at, char key[CHAOS_KEY_MAX])
{
    uint32_t epoch = (uint32_t)(sim_now_ns(chaos->sim) / epoch_ns);
    (void)snprintf(key, CHAOS_KEY_MAX, "key%u/%u", at, epoch);
}

static struct sim_call put_value(struct chaos *chaos, uint32_t node, struct sim_put *put)
{
    char value[SIM_VALUE_MAX];
    put->number = ++chaos->value_count;
    sim_value(put->number, value);
    put->value = value;
    struct sim_call call = sim_put(chaos->sim, node, put);
    put->value = NULL; /* It was ours, and ends here. */
    return call;
}

struct sim_call chaos_put(struct chaos *chaos, uint32_t node, struct chance *chance, int64_t timeout_ns)
{
    char key[CHAOS_KEY_MAX];
    (void)draw_key(chaos, chance, key);
    struct sim_put put = { .key = key, .once = true, .timeout_ns = timeout_ns };
    return put_value(chaos, node, &put);
}

/* Other keys than the first, all in one transaction (A1). */
static uint32_t add_more(struct chaos *chaos, struct chance *chance, uint32_t first,
                         char keys[CHAOS_MORE_MAX][CHAOS_KEY_MAX], struct sim_pair pairs[CHAOS_MORE_MAX])
{
    uint32_t count = (uint32_t)chance_between(chance, 1, CHAOS_MORE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        chaos_key(chaos, (first + 1 + i) % CHAOS_KEYS, keys[i]);
        pairs[i] = (struct sim_pair){ .key = keys[i], .number = ++chaos->value_count };
    }
    return count;
}

/* Some only if the key is absent (mostly a CONFLICT, never half done), or still as it was when last read
 * (K7). */
static void begin_write(struct chaos *chaos, struct chaos_client *client, int64_t timeout_ns)
{
    struct chance *chance = &client->chance;
    char key[CHAOS_KEY_MAX];
    bool follows = client->read_revision != 0 && chance_permille(chance, 300);
    uint32_t at = draw_key(chaos, chance, key);
    if (!follows && at == CHAOS_KEYS - 1 && chance_permille(chance, 300)) {
        struct sim_delete delete = { .key = key, .recorded = true, .timeout_ns = timeout_ns };
        client->call = sim_delete(chaos->sim, client->node, &delete);
        return;
    }
    struct sim_put put = { .key = follows ? client->read_key : key, .timeout_ns = timeout_ns };
    put.once = chance_permille(chance, 200);
    put.has_if_rev = follows || chance_permille(chance, 50);
    if (follows) {
        put.if_rev = client->read_revision;
        put.expected = client->read_number;
        client->read_revision = 0;
    }
    char more_keys[CHAOS_MORE_MAX][CHAOS_KEY_MAX];
    struct sim_pair more[CHAOS_MORE_MAX];
    put.more = more;
    if (!follows && chance_permille(chance, 250)) {
        put.more_count = add_more(chaos, chance, at, more_keys, more);
    }
    client->call = put_value(chaos, client->node, &put);
}

/* All keys in use, at one revision. */
static void begin_list(struct chaos *chaos, struct chaos_client *client, int64_t timeout_ns)
{
    for (uint32_t i = 0; i < CHAOS_KEYS; i++) {
        chaos_key(chaos, i, client->list_text[i]);
        client->list_keys[i] = client->list_text[i];
    }
    struct sim_list list = { .prefix = "key",
                             .keys = client->list_keys,
                             .key_count = CHAOS_KEYS,
                             .stale = chance_permille(&client->chance, 100),
                             .timeout_ns = timeout_ns };
    client->call = sim_list(chaos->sim, client->node, &list);
}

/* Of the present, of a revision that has been seen or later, stale, or of the past. */
static void begin_read(struct chaos *chaos, struct chaos_client *client, int64_t timeout_ns)
{
    struct chance *chance = &client->chance;
    client->read_revision = 0;
    if (chance_permille(chance, 200)) {
        begin_list(chaos, client, timeout_ns);
        return;
    }
    uint32_t at = draw_key(chaos, chance, client->read_key);
    struct sim_get get = { .key = client->read_key, .recorded = true, .timeout_ns = timeout_ns };
    get.deletable = at == CHAOS_KEYS - 1;
    get.stale = chance_permille(chance, 100);
    if (chance_permille(chance, 100)) get.after = client->seen;
    if (!get.stale && get.after == 0 && chance_permille(chance, 50)) get.at = client->seen;
    client->call = sim_get(chaos->sim, client->node, &get);
}

/* What the client learned, for what it does next. */
static void learn(struct chaos *chaos, struct chaos_client *client)
{
    uint64_t revision = sim_call_revision(chaos->sim, client->call);
    const char *value = sim_call_value(chaos->sim, client->call);
    if (revision > client->seen) client->seen = revision;
    if (client->writes || value == NULL) return;
    client->read_revision = revision;
    client->read_number = sim_value_number(value, strlen(value));
}

static void note_end(struct chaos *chaos, struct chaos_client *client)
{
    client->busy = false;
    learn(chaos, client);
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
    if (client->writes) begin_write(chaos, client, timeout_ns);
    else begin_read(chaos, client, timeout_ns);
}

/* --- all of them --- */

void chaos_clients_init(struct chaos *chaos, struct chance *setup)
{
    chaos->client_count = (uint32_t)chance_between(setup, 2, CHAOS_CLIENTS_MAX);
    for (uint32_t i = 0; i < chaos->client_count; i++) {
        chaos->clients[i].chance = chance_of(chaos->seed, STREAM_CLIENT + i);
        chaos->clients[i].node = i % sim_node_count(chaos->sim);
    }
}

void chaos_clients_look(struct chaos *chaos)
{
    for (uint32_t i = 0; i < chaos->client_count; i++)
        drive(chaos, &chaos->clients[i]);
}

void chaos_clients_end(struct chaos *chaos)
{
    for (uint32_t i = 0; i < chaos->client_count; i++) {
        if (chaos->clients[i].busy) note_end(chaos, &chaos->clients[i]);
    }
}
