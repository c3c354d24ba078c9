/* progress: see the header. */
#include "cli/progress.h"

#include "cli/connection.h"
#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t answer_ns = SECONDS(1);

struct progress {
    char *blueprint;      /* "" = of any. */
    char *artifact;       /* group:artifact, perhaps with a version; NULL: whatever the blueprint has. */
    const char *endpoint; /* As given; borrowed. */
    struct connection *connection;
    struct map states; /* "artifact#instance node" to the last state and text shown (heap strings). */
};

/* The name of the blueprint that the command is about; NULL: none. The caller's. */
static char *blueprint_of(const struct argv *argv)
{
    if (argv->command->request == KIND_BLUEPRINT_DELETE_REQUEST) {
        const char *name = value_get_string(argv->arguments, "name", NULL);
        return name == NULL ? NULL : memory_strdup(name);
    }
    if (argv->command->request != KIND_BLUEPRINT_PUBLISH_REQUEST) return NULL;
    const char *text = value_get_string(argv->arguments, "document", "");
    struct value *document = NULL;
    if (value_parse_yaml(text, strlen(text), &document, NULL, NULL) != STATUS_OK) return NULL;
    const char *name = value_get_string(document, "name", NULL);
    char *copy = name == NULL ? NULL : memory_strdup(name);
    value_free(&document);
    return copy;
}

/* What the command restarts; NULL: it restarts nothing. The caller's. */
static char *artifact_of(const struct argv *argv)
{
    if (argv->command->request != KIND_SLICE_RESTART_REQUEST) return NULL;
    return memory_strdup(value_get_string(argv->arguments, "artifact", ""));
}

struct progress *progress_begin(const struct argv *argv)
{
    if (argv->quiet || value_get_boolean(argv->arguments, "detach", false)) return NULL;
    char *blueprint = blueprint_of(argv);
    char *artifact = artifact_of(argv);
    if (blueprint == NULL && artifact == NULL) return NULL;
    struct progress *progress = memory_zalloc(sizeof *progress);
    progress->blueprint = blueprint != NULL ? blueprint : memory_strdup("");
    progress->artifact = artifact;
    progress->endpoint = argv->endpoint;
    return progress;
}

static void show_instance(struct progress *progress, const Pb__InstanceView *view)
{
    struct text key = { 0 };
    text_printf(&key, "%s#%u %s", view->artifact, view->instance, view->node);
    struct text now = { 0 }; /* The state, and how far a download is. */
    text_printf(&now, "%s %s", view->state, view->text);
    const char *shown = map_get(&progress->states, text_string(&key));
    if (shown == NULL || strcmp(shown, text_string(&now)) != 0) {
        struct text line = { 0 };
        render_line(&line, text_string(&key));
        text_add(&line, " ");
        render_line(&line, view->state);
        if (view->reason[0] != '\0') text_add(&line, " ");
        render_line(&line, view->reason);
        if (view->text[0] != '\0') text_add(&line, ": ");
        render_line(&line, view->text);
        (void)fprintf(stderr, "%s\n", text_string(&line));
        text_fini(&line);
        memory_free(map_put(&progress->states, text_string(&key), memory_strdup(text_string(&now))));
    }
    text_fini(&now);
    text_fini(&key);
}

static bool is_meant(const struct progress *progress, const Pb__InstanceView *view)
{
    if (progress->artifact == NULL) return true;
    size_t length = strlen(progress->artifact);
    if (strncmp(view->artifact, progress->artifact, length) != 0) return false;
    return view->artifact[length] == '\0' || view->artifact[length] == ':';
}

void progress_show(struct progress *progress)
{
    if (progress == NULL) return;
    if (progress->connection == NULL &&
        connection_open(progress->endpoint, &progress->connection, NULL) != STATUS_OK)
        return;
    struct message *request = wire_message_create(KIND_SLICE_LIST_REQUEST);
    Pb__SliceListRequest *list = request->body;
    list->blueprint = wire_string(request, progress->blueprint);
    struct message *reply = NULL;
    enum status status = connection_send(progress->connection, &request, answer_ns, NULL);
    if (status == STATUS_OK && connection_wait(progress->connection, -1, answer_ns).input)
        status = connection_receive(progress->connection, &reply, NULL);
    if (status != STATUS_OK || reply == NULL) {
        connection_close(&progress->connection); /* Perhaps another endpoint the next time. */
        return;
    }
    const Pb__SliceListReply *instances = reply->body;
    for (size_t i = 0; i < instances->n_instances; i++) {
        if (is_meant(progress, instances->instances[i])) show_instance(progress, instances->instances[i]);
    }
    message_destroy(&reply);
}

void progress_end(struct progress **progress)
{
    if (*progress == NULL) return;
    const char *key;
    void *state;
    for (size_t i = 0; map_next(&(*progress)->states, &i, &key, &state);)
        memory_free(state);
    map_fini(&(*progress)->states);
    if ((*progress)->connection != NULL) connection_close(&(*progress)->connection);
    memory_free((*progress)->blueprint);
    memory_free((*progress)->artifact);
    memory_free(*progress);
    *progress = NULL;
}
