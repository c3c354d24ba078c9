/* shared_processes: see the header. */
#include "actors/slice/shared_processes.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>

enum { FORM_MAX = ARTIFACT_NAME_MAX + SHA256_TEXT_SIZE + 64 };

struct shared_process {
    char form[FORM_MAX]; /* What runs in it, and under which limits. */
    struct actor_id host;
};

static void forget(struct shared_processes *processes, struct shared_process *process)
{
    (void)map_remove(&processes->by_form, process->form);
    memory_free(process);
}

static struct shared_process *find(const struct shared_processes *processes, struct actor_id host)
{
    size_t at = 0;
    const char *form;
    void *value;
    while (map_next(&processes->by_form, &at, &form, &value)) {
        struct shared_process *process = value;
        if (actor_id_equal(process->host, host)) return process;
    }
    return NULL;
}

void shared_processes_fini(struct shared_processes *processes)
{
    size_t at = 0;
    const char *form;
    void *value;
    while (map_next(&processes->by_form, &at, &form, &value))
        memory_free(value);
    map_fini(&processes->by_form);
}

enum status shared_processes_join(struct actor *self, struct shared_processes *processes,
                                  const struct behavior *behavior, const struct instance_load *load,
                                  struct slice_instance_options *options, struct error *error)
{
    char form[FORM_MAX];
    (void)snprintf(form, sizeof form, "%s %s %u %llu %d", load->key.artifact, load->sha256, load->cpu_millis,
                   (unsigned long long)load->memory_bytes, load->exclusive ? 1 : 0);
    struct shared_process *process = map_get(&processes->by_form, form);
    options->guest = ++processes->last_guest;
    if (process != NULL) {
        options->shared = process->host;
        return STATUS_OK;
    }
    struct spawn_options how = { .options = options, .label = load->key.artifact };
    enum status status = actor_spawn(self, behavior, &how, &options->shared, error);
    if (status != STATUS_OK) return status;
    actor_monitor(self, options->shared);
    process = memory_zalloc(sizeof *process);
    (void)text_copy(process->form, sizeof process->form, form);
    process->host = options->shared;
    (void)map_put(&processes->by_form, process->form, process);
    return STATUS_OK;
}

void shared_processes_end(struct actor *self, struct shared_processes *processes, struct actor_id host)
{
    struct shared_process *process = find(processes, host);
    if (process == NULL) return; /* It has ended by itself. */
    actor_stop(self, host);
    forget(processes, process);
}

bool shared_processes_ended(struct shared_processes *processes, struct actor_id actor)
{
    struct shared_process *process = find(processes, actor);
    if (process != NULL) forget(processes, process);
    return process != NULL;
}
