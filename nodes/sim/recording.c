/* recording: from requests to operations. Each request is a client of its own to the checkers: one that was
 * given up may still take effect beside the next. */
#include "nodes/sim/recording.h"

#include "nodes/sim/history.h"
#include "nodes/sim/history_check.h"
#include "wire/proto/cluster.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- values --- */

void sim_value(uint64_t number, char text[SIM_VALUE_MAX])
{
    (void)snprintf(text, SIM_VALUE_MAX, "\"v%" PRIu64 "\"", number);
}

uint64_t sim_value_number(const char *text, size_t size)
{
    char copy[SIM_VALUE_MAX];
    char again[SIM_VALUE_MAX];
    uint64_t number = 0;
    if (size >= sizeof copy) return 0;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (sscanf(copy, "\"v%" SCNu64, &number) != 1) return 0;
    sim_value(number, again);
    return strcmp(copy, again) == 0 ? number : 0;
}

/* --- operations --- */

bool recording_is_unknown(enum status status)
{
    return status == STATUS_UNKNOWN || status == STATUS_DEADLINE || status == STATUS_NODE_LOST ||
           status == STATUS_CRASHED || status == STATUS_CANCELLED;
}

static uint32_t begin(struct sim_request *request)
{
    struct sim *sim = request->sim;
    request->recorded = true;
    request->operation = history_begin(sim->history, sim->request_count, sim_now_ns(sim));
    return request->operation;
}

void recording_begin_put(struct sim_request *request, const struct sim_put *put)
{
    struct history *history = request->sim->history;
    uint32_t operation = begin(request);
    request->number = put->number;
    if (put->has_if_rev) history_compare(history, operation, put->key, put->expected);
    history_put(history, operation, put->key, put->number);
    for (uint32_t i = 0; i < put->more_count; i++)
        history_put(history, operation, put->more[i].key, put->more[i].number);
}

void recording_begin_delete(struct sim_request *request)
{
    uint32_t operation = begin(request);
    history_delete(request->sim->history, operation, request->key);
}

void recording_begin_get(struct sim_request *request, const struct sim_get *get)
{
    struct history *history = request->sim->history;
    uint32_t operation = begin(request);
    history_read(history, operation, get->key);
    if (get->after != 0) history_after(history, operation, get->after);
    if (get->stale || get->at != 0) history_past(history, operation);
}

void recording_end_change(struct sim_request *request, enum status status, uint64_t revision)
{
    struct history *history = request->sim->history;
    int64_t now_ns = sim_now_ns(request->sim);
    if (status == STATUS_OK) {
        history_end_ok(history, request->operation, now_ns, revision);
    } else if (status == STATUS_CONFLICT) {
        history_end_refused(history, request->operation, now_ns);
    } else if (!recording_is_unknown(status)) {
        history_end_failed(history, request->operation);
    }
}

void recording_end_read(struct sim_request *request)
{
    struct history *history = request->sim->history;
    if (request->call.status != STATUS_OK) {
        history_end_failed(history, request->operation);
        return;
    }
    const Pb__KvGetReply *reply = request->call.reply->body;
    const Pb__KvRecord *record = reply->record;
    uint64_t number = sim_value_number((const char *)record->value.data, record->value.len);
    history_saw(history, request->operation, request->key, number, record->revision);
    history_end_ok(history, request->operation, sim_now_ns(request->sim),
                   request->at != 0 ? request->at : reply->index);
}

void recording_begin_list(struct sim_request *request, const struct sim_list *list)
{
    struct history *history = request->sim->history;
    uint32_t operation = begin(request);
    for (uint32_t i = 0; i < list->key_count; i++)
        history_read(history, operation, list->keys[i]);
    if (list->stale) history_past(history, operation);
}

static const Pb__KvRecord *find_record(const Pb__KvListReply *reply, const char *key)
{
    for (size_t i = 0; i < reply->n_records; i++) {
        if (strcmp(reply->records[i]->key, key) == 0) return reply->records[i];
    }
    return NULL;
}

void recording_end_list(struct sim_request *request)
{
    struct history *history = request->sim->history;
    if (request->call.status != STATUS_OK) {
        history_end_failed(history, request->operation);
        return;
    }
    const Pb__KvListReply *reply = request->call.reply->body;
    for (uint32_t i = 0; i < request->key_count; i++) {
        const Pb__KvRecord *record = find_record(reply, request->keys[i]);
        uint64_t number =
            record == NULL ? 0 : sim_value_number((const char *)record->value.data, record->value.len);
        history_saw(history, request->operation, request->keys[i], number,
                    record == NULL ? 0 : record->revision);
    }
    history_end_ok(history, request->operation, sim_now_ns(request->sim), reply->index);
}

struct history *sim_history(struct sim *sim)
{
    return sim->history;
}

void sim_judge(struct sim *sim)
{
    struct error error = { 0 };
    if (history_check(sim->history, &error) != STATUS_OK) sim_fail(sim, "K1: %s", error.message);
}
