/* dev_view: see the header. */
#include "cli/dev_view.h"

#include "cli/render.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dev_view_fini(struct dev_view *view)
{
    const char *key;
    void *state;
    for (size_t i = 0; map_next(&view->states, &i, &key, &state);)
        memory_free(state);
    map_fini(&view->states);
}

void dev_view_note(const struct dev_view *view, const char *format, ...)
{
    if (view->quiet) return;
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("aether dev: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

struct event {
    const char *time; /* RFC 3339, UTC. */
    const char *kind;
    const char *node;
    const char *text;
};

static void show_words(const struct event *event)
{
    struct text line = { 0 };
    const char *clock = strchr(event->time, 'T'); /* The day is known to whoever looks on. */
    text_printf(&line, "%s %s %-5s ", clock == NULL ? event->time : clock + 1, event->node, event->kind);
    render_line(&line, event->text);
    (void)puts(text_string(&line));
    text_fini(&line);
}

static void show(const struct dev_view *view, const struct event *event)
{
    if (view->output != OUTPUT_JSON) {
        show_words(event);
    } else {
        struct value *document = value_new_object();
        value_set_string(document, "time", event->time);
        value_set_string(document, "kind", event->kind);
        value_set_string(document, "node", event->node);
        value_set_string(document, "text", event->text);
        char *line = value_dump(document);
        (void)puts(line);
        memory_free(line);
        value_free(&document);
    }
    (void)fflush(stdout);
}

/* --- logs ----------------------------------------------------------------------------------------------- */

static const char *kind_of(const struct dev_view *view, const char *event, const char *level)
{
    if (strcmp(event, "slice.log") == 0) return "log";
    if (strcmp(event, "call.ended") == 0) return "call";
    bool bad = strcmp(level, "warn") == 0 || strcmp(level, "error") == 0;
    return bad || view->verbose ? level : NULL;
}

void dev_view_log(const struct dev_view *view, const char *node, const char *line)
{
    struct value *record = NULL;
    if (value_parse_json(line, strlen(line), &record, NULL) != STATUS_OK ||
        value_get_string(record, "event", NULL) == NULL) {
        show(view, &(struct event){ "-", "raw", node, line });
        value_free(&record);
        return;
    }
    const char *name = value_get_string(record, "event", "");
    const char *text = value_get_string(record, "text", "");
    const char *kind = kind_of(view, name, value_get_string(record, "level", ""));
    bool own = kind != NULL && (strcmp(kind, "log") == 0 || strcmp(kind, "call") == 0);
    struct text said = { 0 };
    if (!own) text_printf(&said, "%s ", name);
    text_add(&said, text);
    if (kind != NULL)
        show(view, &(struct event){ value_get_string(record, "time", ""), kind, node, text_string(&said) });
    text_fini(&said);
    value_free(&record);
}

/* --- states --------------------------------------------------------------------------------------------- */

static const char gone[] = "gone";

/* `state` is another than the last one shown of it. */
static bool is_news(struct dev_view *view, const char *key, const char *state)
{
    const char *shown = map_get(&view->states, key);
    if (shown == NULL ? state == gone : strcmp(shown, state) == 0) return false;
    memory_free(map_put(&view->states, key, memory_strdup(state)));
    return true;
}

static void show_state(struct dev_view *view, int64_t timestamp_ms, const char *artifact, const char *node,
                       const struct value *instance, const char *state)
{
    struct text key = { 0 }, time = { 0 }, text = { 0 };
    long long number = (long long)value_get_integer(instance, "instance", 0);
    const char *reason = value_get_string(instance, "reason", "");
    const char *why = value_get_string(instance, "text", "");
    text_printf(&key, "%s#%lld %s", artifact, number, node);
    text_printf(&text, "%s#%lld %s", artifact, number, state);
    if (state != gone && reason[0] != '\0')
        text_printf(&text, " (%s%s%s)", reason, why[0] != '\0' ? ": " : "", why);
    render_time(&time, timestamp_ms);
    if (is_news(view, text_string(&key), state))
        show(view, &(struct event){ text_string(&time), "state", node, text_string(&text) });
    text_fini(&key);
    text_fini(&time);
    text_fini(&text);
}

static bool has_instance(const struct value *instances, int64_t number)
{
    for (size_t i = 0; i < value_size(instances); i++)
        if (value_get_integer(value_at(instances, i), "instance", 0) == number) return true;
    return false;
}

/* The key: slices/NODE/ARTIFACT. */
static void show_record(struct dev_view *view, const struct value *record, const struct value *before,
                        bool deleted)
{
    const struct value *value = value_get(record, "value");
    const struct value *instances = deleted ? NULL : value_get(value, "instances");
    const struct value *former = value_get(value_get(before, "value"), "instances");
    const char *key = value_get_string(record, "key", value_get_string(before, "key", ""));
    char node[128];
    const char *at = text_starts_with(key, "slices/") ? key + strlen("slices/") : key;
    size_t length = strcspn(at, "/");
    if (length >= sizeof node || at[length] != '/') return;
    memcpy(node, at, length);
    node[length] = '\0';
    const char *artifact = at + length + 1;
    /* A record that is gone has no time of its own. */
    int64_t now_ms = value_get_integer(value, "timestamp", clock_os.wall_ms(clock_os.context));
    for (size_t i = 0; i < value_size(instances); i++) {
        const struct value *instance = value_at(instances, i);
        show_state(view, value_get_integer(instance, "timestamp", now_ms), artifact, node, instance,
                   value_get_string(instance, "state", ""));
    }
    for (size_t i = 0; i < value_size(former); i++) {
        const struct value *instance = value_at(former, i);
        if (!has_instance(instances, value_get_integer(instance, "instance", 0)))
            show_state(view, now_ms, artifact, node, instance, gone);
    }
}

void dev_view_change(struct dev_view *view, const char *line)
{
    struct value *change = NULL;
    if (value_parse_json(line, strlen(line), &change, NULL) == STATUS_OK &&
        (value_get(change, "record") != NULL || value_get(change, "previous") != NULL))
        show_record(view, value_get(change, "record"), value_get(change, "previous"),
                    value_get_boolean(change, "deleted", false));
    value_free(&change);
}
