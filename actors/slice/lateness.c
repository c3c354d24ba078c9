/* lateness: see the header. */
#include "actors/slice/lateness.h"

#include "actors/slice/proposal.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

/* Nobody waits for it: without a leader there is no event, and the record and the log tell it. */
static void tell_event(struct actor *self, const char *node, const struct instance_late *late,
                       const char *text)
{
    char instance[ARTIFACT_NAME_MAX + 16];
    struct value *fields = value_new_object();
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_SYSTEM, 1);
    (void)snprintf(instance, sizeof instance, "%s#%u", late->key.artifact, late->key.instance);
    value_set_string(fields, "instance", instance);
    value_set_string(fields, "node", node);
    value_set_string(fields, "reason", status_name(STATUS_DEADLINE));
    value_set_string(fields, "text", text);
    proposal_add_event(&proposal, "instance.late", &fields);
    actor_tell_name(self, TO_PROPOSER, &proposal.message);
}

static void keep_line(struct actor *self, const struct instance_late *late, const char *text)
{
    struct message *message = message_create(KIND_SLICE_LINE, sizeof(struct slice_line));
    struct slice_line *line = message->body;
    *line = (struct slice_line){ .key = late->key,
                                 .level = LINE_NODE,
                                 .wall_ms = actor_wall_ms(self),
                                 .text = arena_strdup(&message->arena, text) };
    actor_tell_name(self, TO_SLICE_LOG, &message);
}

void lateness_note(struct actor *self, const struct managed *managed, const char *node,
                   const struct instance_late *late)
{
    struct managed_instance *instance = managed_find(managed, late->key.artifact, late->key.instance);
    bool serves = instance != NULL && instance->reality == REALITY_ACTIVE;
    if (!serves || instance->failed || instance->crashed) return; /* There is something worse to tell. */
    (void)error_set(&instance->story, STATUS_DEADLINE, "%s had not answered after the %llu ms of a call",
                    late->entry, (unsigned long long)late->allowed_ms);
    instance->story_ms = actor_wall_ms(self);
    log_warn(self, "slice.late", "instance=%s#%u inline=%d %s", late->key.artifact, late->key.instance,
             instance->form.inline_isolation ? 1 : 0, instance->story.message);
    keep_line(self, late, instance->story.message);
    if (instance->form.inline_isolation) tell_event(self, node, late, instance->story.message);
}
