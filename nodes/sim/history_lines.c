/* history_lines: {"call":…,"return":…,"outcome":…,"parts":[{"key":…,"put":…}]} for an operation, {"watch":…}
 * for a watcher, {"event":…} for what it was told. What is 0 or false is left out. */
#include "nodes/sim/history_lines.h"

#include "nodes/sim/history_records.h"
#include "runtime/base/memory.h"
#include "wire/json/value.h"

#include <string.h>

static const char *const outcome_words[] = { "unknown", "ok", "refused", "failed" };
static const char *const effect_words[] = { NULL, "read", "put", "delete" };

static void set_number(struct value *object, const char *key, uint64_t number)
{
    if (number != 0) value_set_integer(object, key, (int64_t)number);
}

static void add_line(struct text *out, struct value **line)
{
    char *dump = value_dump(*line);
    text_printf(out, "%s\n", dump);
    memory_free(dump);
    value_free(line);
}

/* --- writing ------------------------------------------------------------------------------------------ */

static struct value *part_value(const struct history *history, const struct history_part *part)
{
    struct value *value = value_new_object();
    value_set_string(value, "key", history->keys[part->key]);
    if (part->compares) value_set_integer(value, "expected", (int64_t)part->expected);
    const char *effect = effect_words[part->effect];
    if (effect != NULL) value_set_integer(value, effect, (int64_t)part->value);
    set_number(value, "revision", part->revision);
    return value;
}

static void write_op(const struct history *history, const struct history_op *op, struct text *out)
{
    struct value *line = value_new_object();
    value_set_integer(line, "client", op->client);
    value_set_integer(line, "call", op->call_ns);
    if (op->return_ns != history_never_ns) value_set_integer(line, "return", op->return_ns);
    value_set_string(line, "outcome", outcome_words[op->outcome]);
    set_number(line, "revision", op->revision);
    set_number(line, "after", op->after);
    if (op->past) value_set_boolean(line, "past", true);
    struct value *parts = value_new_array();
    for (uint32_t i = 0; i < op->part_count; i++)
        value_append(parts, part_value(history, &history->parts[op->part_first + i]));
    value_set(line, "parts", parts);
    add_line(out, &line);
}

static void write_watcher(const struct history *history, uint32_t watcher, struct text *out)
{
    struct value *line = value_new_object();
    value_set_integer(line, "watch", watcher);
    value_set_string(line, "prefix", history->watchers[watcher].prefix);
    set_number(line, "from", history->watchers[watcher].from);
    set_number(line, "told", history->watchers[watcher].told);
    add_line(out, &line);
}

static void write_event(const struct history *history, const struct history_event *event, struct text *out)
{
    struct value *line = value_new_object();
    value_set_integer(line, "event", event->watcher);
    value_set_integer(line, "revision", (int64_t)event->revision);
    value_set_string(line, "key", history->keys[event->key]);
    set_number(line, "value", event->value);
    set_number(line, "previous", event->previous);
    add_line(out, &line);
}

void history_lines_write(const struct history *history, struct text *out)
{
    for (uint32_t i = 0; i < history->op_count; i++)
        write_op(history, &history->ops[i], out);
    for (uint32_t i = 0; i < history->watcher_count; i++)
        write_watcher(history, i, out);
    for (uint32_t i = 0; i < history->event_count; i++)
        write_event(history, &history->events[i], out);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static uint64_t number_of(const struct value *object, const char *key)
{
    int64_t number = value_get_integer(object, key, 0);
    return number < 0 ? 0 : (uint64_t)number;
}

/* false: it is no part, or the second of its key that does something. */
static bool read_part(struct history *history, uint32_t op, const struct value *part, bool ok)
{
    const char *key = value_string(value_get(part, "key"));
    if (key == NULL) return false;
    if (value_get(part, "expected") != NULL) history_compare(history, op, key, number_of(part, "expected"));
    if (value_get(part, "put") != NULL) {
        if (number_of(part, "put") == 0) return false;
        history_put(history, op, key, number_of(part, "put"));
    } else if (value_get(part, "delete") != NULL) {
        history_delete(history, op, key);
    } else if (value_get(part, "read") != NULL) {
        history_read(history, op, key);
        if (ok) history_saw(history, op, key, number_of(part, "read"), number_of(part, "revision"));
    }
    return true;
}

static bool are_distinct(const struct value *parts)
{
    for (size_t i = 0; i < value_size(parts); i++) {
        const char *key = value_get_string(value_at(parts, i), "key", "");
        for (size_t j = 0; j < i; j++) {
            if (strcmp(key, value_get_string(value_at(parts, j), "key", "")) == 0) return false;
        }
    }
    return true;
}

static bool read_op(struct history *history, const struct value *line)
{
    const char *outcome = value_get_string(line, "outcome", "");
    const struct value *parts = value_get(line, "parts");
    int64_t call_ns = value_get_integer(line, "call", 0);
    int64_t return_ns = value_get_integer(line, "return", -1);
    bool ok = strcmp(outcome, "ok") == 0;
    bool refused = strcmp(outcome, "refused") == 0;
    if (!are_distinct(parts) || ((ok || refused) && return_ns < call_ns)) return false;
    uint32_t op = history_begin(history, (uint32_t)number_of(line, "client"), call_ns);
    for (size_t i = 0; i < value_size(parts); i++) {
        if (!read_part(history, op, value_at(parts, i), ok)) return false;
    }
    history_after(history, op, number_of(line, "after"));
    if (value_get_boolean(line, "past", false)) history_past(history, op);
    if (ok) history_end_ok(history, op, return_ns, number_of(line, "revision"));
    else if (refused) history_end_refused(history, op, return_ns);
    else if (strcmp(outcome, "failed") == 0) history_end_failed(history, op);
    else return strcmp(outcome, "unknown") == 0;
    return true;
}

static bool read_line(struct history *history, const struct value *line)
{
    if (value_get(line, "watch") != NULL) {
        const char *prefix = value_get_string(line, "prefix", "");
        uint32_t watcher = history_watch(history, prefix, number_of(line, "from"));
        history_watch_told(history, watcher, number_of(line, "told"));
        return watcher == number_of(line, "watch");
    }
    if (value_get(line, "event") == NULL) return read_op(history, line);
    const char *key = value_string(value_get(line, "key"));
    uint64_t watcher = number_of(line, "event");
    if (key == NULL || watcher >= history->watcher_count) return false;
    history_watch_event(history, (uint32_t)watcher, number_of(line, "revision"), key,
                        number_of(line, "value"), number_of(line, "previous"));
    return true;
}

enum status history_lines_read(const char *text, size_t size, struct history **out_history,
                               struct error *error)
{
    struct history *history = history_create();
    enum status status = STATUS_OK;
    const char *end = text + size;
    for (uint32_t number = 1; text < end && status == STATUS_OK; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (stop == NULL) stop = end;
        struct value *line = NULL;
        status = value_parse_json(text, (size_t)(stop - text), &line, error);
        if (status == STATUS_OK && !read_line(history, line))
            status = error_set(error, STATUS_INVALID, "no operation, watcher or event");
        if (status != STATUS_OK) (void)error_wrap(error, "line %u", number);
        value_free(&line);
        text = stop + 1;
    }
    if (status == STATUS_OK) *out_history = history;
    else history_destroy(&history);
    return status;
}
