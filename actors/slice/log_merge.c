/* log_merge: see the header. */
#include "actors/slice/log_merge.h"

#include "wire/kinds.h"
#include "wire/proto/codec.h"

#include <stdlib.h>
#include <string.h>

void log_merge_fini(struct log_merge *merge)
{
    arena_fini(&merge->arena);
    text_fini(&merge->cursor);
}

static void *grown(struct arena *arena, void *list, size_t count, size_t *room)
{
    if (count < *room) return list;
    *room = *room == 0 ? 64 : *room * 2;
    void **more = arena_array(arena, *room, sizeof(*more));
    if (count > 0) memcpy(more, list, count * sizeof(*more));
    return more;
}

static Pb__LogLine *copy_line(struct arena *arena, const Pb__LogLine *line)
{
    Pb__LogLine *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *line;
    copy->node = arena_strdup(arena, line->node);
    copy->artifact = arena_strdup(arena, line->artifact);
    copy->level = arena_strdup(arena, line->level);
    copy->request_id = arena_strdup(arena, line->request_id);
    copy->text = arena_strdup(arena, line->text);
    return copy;
}

void log_merge_add(struct log_merge *merge, const Pb__SliceLogsReply *reply)
{
    merge->heard_count++;
    merge->known |= reply->known;
    merge->dropped += reply->dropped;
    for (size_t i = 0; i < reply->n_lines; i++) {
        merge->lines = grown(&merge->arena, merge->lines, merge->line_count, &merge->line_room);
        merge->lines[merge->line_count++] = copy_line(&merge->arena, reply->lines[i]);
    }
    text_printf(&merge->cursor, "%s%s", merge->cursor.size > 0 ? "," : "", reply->cursor);
}

void log_merge_add_silent(struct log_merge *merge, const char *node, const struct error *error)
{
    if (error != NULL) merge->error = *error;
    merge->silent = grown(&merge->arena, merge->silent, merge->silent_count, &merge->silent_room);
    merge->silent[merge->silent_count++] = arena_strdup(&merge->arena, node);
}

static bool has_part(const char *cursor, const char *part, size_t name_length)
{
    for (const char *at = cursor; *at != '\0';) {
        if (strncmp(at, part, name_length) == 0 && at[name_length] == '=') return true;
        at += strcspn(at, ",");
        at += *at == ',' ? 1 : 0;
    }
    return false;
}

/* What was heard, then what is still true of those that were not heard. */
static char *whole_cursor(struct message *message, const struct log_merge *merge, const char *before)
{
    struct text cursor = { 0 };
    text_add(&cursor, text_string(&merge->cursor));
    for (const char *at = before; *at != '\0';) {
        size_t length = strcspn(at, ",");
        size_t name = strcspn(at, "=");
        if (name < length && !has_part(text_string(&merge->cursor), at, name)) {
            text_add(&cursor, cursor.size > 0 ? "," : "");
            text_add_bytes(&cursor, at, length);
        }
        at += length;
        at += *at == ',' ? 1 : 0;
    }
    char *whole = wire_string(message, text_string(&cursor));
    text_fini(&cursor);
    return whole;
}

/* By time; of one node in the order in which it told them. */
static void sort(Pb__LogLine **lines, Pb__LogLine **other, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = low + 2 * width < count ? low + 2 * width : count;
            for (size_t a = low, b = middle, to = low; to < high; to++) {
                bool left = a < middle && (b >= high || lines[a]->time <= lines[b]->time);
                other[to] = left ? lines[a++] : lines[b++];
            }
        }
        memcpy(lines, other, count * sizeof(Pb__LogLine *));
    }
}

struct message *log_merge_reply(const struct log_merge *merge, const char *before, uint32_t tail)
{
    struct message *message = wire_message_create(KIND_SLICE_LOGS_REPLY);
    Pb__SliceLogsReply *reply = message->body;
    Pb__LogLine **lines = arena_array(&message->arena, merge->line_count, sizeof(*lines));
    Pb__LogLine **other = arena_array(&message->arena, merge->line_count, sizeof(*other));
    for (size_t i = 0; i < merge->line_count; i++)
        lines[i] = copy_line(&message->arena, merge->lines[i]);
    sort(lines, other, merge->line_count);
    size_t most = tail == 0 || tail > LOG_MERGE_LINES_MAX ? LOG_MERGE_LINES_MAX : tail;
    size_t surplus = merge->line_count > most && before[0] == '\0' ? merge->line_count - most : 0;
    reply->lines = lines + surplus;
    reply->n_lines = merge->line_count - surplus;
    reply->cursor = whole_cursor(message, merge, before);
    reply->dropped = merge->dropped;
    reply->known = merge->known;
    reply->silent = arena_array(&message->arena, merge->silent_count, sizeof(char *));
    for (size_t i = 0; i < merge->silent_count; i++)
        reply->silent[reply->n_silent++] = wire_string(message, merge->silent[i]);
    return message;
}
