/* log_print: see the header. A line is built whole and written by one call, so lines of several threads never
 * mix. */
#include "nodes/log_print.h"

#include "runtime/base/text.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "debug", "info", "warn", "error" };

int log_print_level(const char *name)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(level_names[i], name) == 0) return i;
    }
    return -1;
}

static const char *level_name(int level)
{
    return level >= 0 && level < 4 ? level_names[level] : "error";
}

static void add_escaped(struct text *line, const char *string)
{
    for (const char *at = string; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') text_printf(line, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F) text_printf(line, "\\u%04x", byte);
        else text_add_bytes(line, at, 1);
    }
}

/* The same without quoting: for people, but nobody can start a line of his own. */
static void add_plain(struct text *line, const char *string)
{
    for (const char *at = string; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7F) text_printf(line, "\\x%02x", byte);
        else text_add_bytes(line, at, 1);
    }
}

static void add_time(struct text *line, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    char text[32];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return;
    text_printf(line, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

static void add_member(struct text *line, const char *name, const char *value)
{
    text_printf(line, ",\"%s\":\"", name);
    add_escaped(line, value);
    text_add(line, "\"");
}

static void build_json(struct text *line, const struct log_record *record)
{
    text_add(line, "{\"time\":\"");
    add_time(line, record->wall_ms);
    text_add(line, "\"");
    add_member(line, "level", level_name(record->level));
    add_member(line, "node", record->node);
    add_member(line, "actor", record->actor);
    add_member(line, "event", record->event);
    add_member(line, "text", record->text);
    if ((record->request_id.high | record->request_id.low) != 0) {
        text_printf(line, ",\"request-id\":\"%016llx%016llx\"", (unsigned long long)record->request_id.high,
                    (unsigned long long)record->request_id.low);
    }
    text_add(line, "}\n");
}

static void build_text(struct text *line, const struct log_record *record)
{
    add_time(line, record->wall_ms);
    text_printf(line, " %-5s %s ", level_name(record->level), record->node);
    add_plain(line, record->actor);
    text_printf(line, " %s ", record->event);
    add_plain(line, record->text);
    text_add(line, "\n");
}

void log_print(void *context, const struct log_record *record)
{
    const struct log_print *options = context;
    struct text line = { 0 };
    if (options->json) build_json(&line, record);
    else build_text(&line, record);
    ssize_t written = write(STDERR_FILENO, line.data, line.size);
    (void)written; /* Nobody is left to be told. */
    text_fini(&line);
}
