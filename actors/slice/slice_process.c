/* slice_process: see the header. */
#include "actors/slice/slice_process.h"

#include "actors/slice/slice_host.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status give_watch(struct actor *self, const struct process_watch *watch, struct error *error)
{
    struct message *message = message_create(KIND_DOORBELL_WATCH, sizeof(struct doorbell_watch));
    ((struct doorbell_watch *)message->body)->watch = *watch;
    enum status status = actor_send(self, actor_find(self, TO_DOORBELL), &message);
    message_destroy(&message);
    if (status == STATUS_OK) return status;
    return error_set(error, status, "no doorbell takes a new slice process");
}

enum status slice_process_start(struct actor *self, struct slice_process *process,
                                const struct slice_instance_options *instance, struct error *error)
{
    const struct slice_adapters *adapters = instance->adapters;
    const struct process_port *processes = adapters->processes;
    char memory[24], user[16], group[16];
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)instance->memory_bytes);
    snprintf(user, sizeof user, "%u", adapters->host_user);
    snprintf(group, sizeof group, "%u", adapters->host_group);
    const char *arguments[] = { adapters->host_program, "--serve", memory, user, group, NULL };
    struct process_spec spec = {
        .program = adapters->host_program,
        .arguments = arguments,
        .shared_size = SLICE_HOST_SHARED_SIZE,
        .object = instance->path,
        .limits = { .cpu_millis = instance->cpu_millis, .memory_bytes = instance->memory_bytes },
    };
    struct process_watch watch;
    enum status status = processes->start(processes->context, &spec, &process->process, &watch, error);
    if (status != STATUS_OK) return status;
    status = give_watch(self, &watch, error);
    if (status != STATUS_OK) {
        processes->unwatch(processes->context, NULL, &watch);
        processes->close(processes->context, &process->process);
        return status;
    }
    process->processes = processes;
    process->instances = 1;
    slice_ring_init(&process->to, process->process.shared);
    slice_ring_init(&process->from, (char *)process->process.shared + SLICE_RING_SIZE);
    bool limited = instance->cpu_millis != 0 || instance->memory_bytes != 0;
    if (limited)
        log_info(self, "slice.limited", "%s#%u: pid %d, limits held by %s", instance->key.artifact,
                 instance->key.instance, process->process.pid, process->process.limited_by);
    return STATUS_OK;
}

void slice_process_fini(struct slice_process *process)
{
    for (; process->waiting_count > 0; process->waiting_count--) {
        bytes_unref(&process->waiting[process->waiting_first]);
        process->waiting_first = (process->waiting_first + 1) % process->waiting_room;
    }
    memory_free(process->waiting);
    process->processes->close(process->processes->context, &process->process);
}

void slice_process_kill(struct slice_process *process)
{
    process->processes->kill(process->processes->context, &process->process);
}

const char *slice_process_limits(const struct slice_process *process,
                                 const struct slice_instance_options *instance)
{
    bool limited = instance->cpu_millis != 0 || instance->memory_bytes != 0;
    return limited ? process->process.limited_by : "none";
}

/* --- frames -------------------------------------------------------------------------------------------- */

static void ring_bell(struct slice_process *process, bool wanted)
{
    if (wanted) process->processes->ring(process->processes->context, &process->process);
}

static enum status is_damaged(struct error *error)
{
    return error_set(error, STATUS_CRASHED, "it broke the shared memory's rules");
}

static void make_room(struct slice_process *process)
{
    uint32_t room = process->waiting_room == 0 ? 64 : process->waiting_room * 2;
    struct bytes **more = memory_zalloc(room * sizeof(*more));
    for (uint32_t i = 0; i < process->waiting_count; i++)
        more[i] = process->waiting[(process->waiting_first + i) % process->waiting_room];
    memory_free(process->waiting);
    process->waiting = more;
    process->waiting_room = room;
    process->waiting_first = 0;
}

static enum status keep_waiting(struct slice_process *process, const struct slice_ring_span *spans,
                                struct error *error)
{
    if (process->waiting_count >= process->instances * SLICE_PROCESS_WAITING_MAX)
        return error_set(error, STATUS_CRASHED, "it stopped reading");
    if (process->waiting_count == process->waiting_room) make_room(process);
    struct bytes *bytes = bytes_create(spans[0].size + spans[1].size);
    memcpy(bytes->data, spans[0].data, spans[0].size);
    if (spans[1].size > 0) memcpy(bytes->data + spans[0].size, spans[1].data, spans[1].size);
    uint32_t last = (process->waiting_first + process->waiting_count++) % process->waiting_room;
    process->waiting[last] = bytes;
    return STATUS_OK;
}

enum status slice_process_write(struct slice_process *process, const struct slice_ring_span *spans,
                                bool waits, struct error *error)
{
    bool ring = false;
    enum slice_ring_result result = RING_NOT_NOW;
    if (process->waiting_count == 0)
        result = slice_ring_write(&process->to, spans, SLICE_PROCESS_SPANS, &ring);
    if (result == RING_CORRUPT) return is_damaged(error);
    if (result == RING_DONE) {
        ring_bell(process, ring);
        return STATUS_OK;
    }
    return waits ? keep_waiting(process, spans, error) : STATUS_OVERLOADED;
}

enum status slice_process_flush(struct slice_process *process, struct error *error)
{
    while (process->waiting_count > 0) {
        struct bytes **next = &process->waiting[process->waiting_first];
        struct slice_ring_span span = { (*next)->data, (*next)->size };
        bool ring;
        enum slice_ring_result result = slice_ring_write(&process->to, &span, 1, &ring);
        if (result == RING_NOT_NOW) return STATUS_OK;
        if (result == RING_CORRUPT) return is_damaged(error);
        ring_bell(process, ring);
        bytes_unref(next);
        process->waiting_first = (process->waiting_first + 1) % process->waiting_room;
        process->waiting_count--;
    }
    return STATUS_OK;
}

enum status slice_process_read(struct slice_process *process, struct bytes **out_frame, struct error *error)
{
    bool ring;
    *out_frame = NULL;
    enum slice_ring_result result = slice_ring_read(&process->from, out_frame, &ring);
    ring_bell(process, ring);
    return result == RING_CORRUPT ? is_damaged(error) : STATUS_OK;
}

/* --- what it prints, and its end ----------------------------------------------------------------------- */

static void end_line(struct slice_process *process, slice_process_line *line, void *context)
{
    process->line[process->line_size] = '\0';
    struct text clean = { 0 };
    text_add_utf8(&clean, process->line);
    if (clean.size > 0) line(context, text_string(&clean));
    text_fini(&clean);
    process->line_size = 0;
}

void slice_process_print(struct slice_process *process, const struct bytes *printed, slice_process_line *line,
                         void *context)
{
    for (size_t i = 0; printed != NULL && i < printed->size; i++) {
        char c = (char)printed->data[i];
        if (c == '\n' || process->line_size == SLICE_PROCESS_LINE_MAX - 1) end_line(process, line, context);
        if (c != '\n' && c != '\0') process->line[process->line_size++] = c;
    }
    if (printed == NULL && process->line_size > 0) end_line(process, line, context);
}

void slice_process_ended(const struct slice_process *process, const struct doorbell_ended *ended,
                         struct error *out_error)
{
    const struct process_port *processes = process->processes;
    bool out_of_memory = processes->ran_out_of_memory(processes->context, &process->process);
    if (ended->by_signal && out_of_memory)
        (void)error_set(out_error, STATUS_CRASHED, "killed: it needs more memory than its limit");
    else if (ended->by_signal)
        (void)error_set(out_error, STATUS_CRASHED, "killed by signal %d (%s)", ended->code,
                        strsignal(ended->code));
    else (void)error_set(out_error, STATUS_CRASHED, "ended by itself with exit code %d", ended->code);
}
