/* progress: see the header. */
#include "cli/progress.h"

#include "cli/connection.h"
#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t answer_ns = SECONDS(1);

struct progress {
    char *blueprint;      /* "" = of any. */
    char *artifact;       /* group:artifact, perhaps with a version; NULL: whatever the blueprint has. */
    char *node;           /* That becomes a voter, a learner, nothing; or whose instances go. NULL: any. */
    bool shows_member;    /* Of the node: its place among the members, not its instances. */
    const char *endpoint; /* As given; borrowed. */
    struct connection *connection;
    struct map states; /* "artifact#instance node", or the node, to the line shown last (heap strings). */
};

/* The node whose change the command waits for; NULL: none. */
static const char *node_of(const struct argv *argv, bool *out_member)
{
    switch (argv->command->request) {
    case KIND_NODE_PROMOTE_REQUEST:
    case KIND_NODE_DEMOTE_REQUEST:
    case KIND_NODE_REMOVE_REQUEST: *out_member = true; break;
    case KIND_NODE_DRAIN_REQUEST:
    case KIND_NODE_STOP_REQUEST:
    case KIND_NODE_RESTART_REQUEST: *out_member = false; break;
    default: return NULL;
    }
    return value_get_string(argv->arguments, "node", NULL);
}

/* The name of the blueprint that the command is about; NULL: none. The caller's. */
static char *blueprint_of(const struct argv *argv)
{
    uint32_t request = argv->command->request;
    if (request == KIND_BLUEPRINT_DELETE_REQUEST || request == KIND_BLUEPRINT_ROLLBACK_REQUEST ||
        request == KIND_BLUEPRINT_WAIT_REQUEST) {
        const char *name = value_get_string(argv->arguments, "name", NULL);
        return name == NULL ? NULL : memory_strdup(name);
    }
    if (request != KIND_BLUEPRINT_PUBLISH_REQUEST) return NULL;
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
    bool shows_member = false;
    char *blueprint = blueprint_of(argv);
    char *artifact = artifact_of(argv);
    const char *node = node_of(argv, &shows_member);
    if (blueprint == NULL && artifact == NULL && node == NULL) return NULL;
    struct progress *progress = memory_zalloc(sizeof *progress);
    progress->blueprint = blueprint != NULL ? blueprint : memory_strdup("");
    progress->artifact = artifact;
    progress->node = node == NULL ? NULL : memory_strdup(node);
    progress->shows_member = shows_member;
    progress->endpoint = argv->endpoint;
    return progress;
}

/* The line, if it is not what was shown last of this. */
static void show(struct progress *progress, const char *of, const struct text *line)
{
    const char *shown = map_get(&progress->states, of);
    if (shown != NULL && strcmp(shown, text_string(line)) == 0) return;
    (void)fprintf(stderr, "%s\n", text_string(line));
    memory_free(map_put(&progress->states, of, memory_strdup(text_string(line))));
}

/* In KiB: a line a second, as its node tells it. */
static void add_download(struct text *line, const Pb__InstanceView *view)
{
    text_printf(line, " %llu", (unsigned long long)(view->download_bytes / 1024));
    if (view->download_total_bytes > 0)
        text_printf(line, " of %llu", (unsigned long long)(view->download_total_bytes / 1024));
    text_add(line, " KiB");
}

static void show_instance(struct progress *progress, const Pb__InstanceView *view)
{
    struct text key = { 0 };
    text_printf(&key, "%s#%u %s", view->artifact, view->instance, view->node);
    struct text line = { 0 };
    render_line(&line, text_string(&key));
    text_add(&line, " ");
    render_line(&line, view->state);
    if (view->download_bytes > 0) add_download(&line, view);
    if (view->reason[0] != '\0') text_add(&line, " ");
    render_line(&line, view->reason);
    if (view->text[0] != '\0') text_add(&line, ": ");
    render_line(&line, view->text);
    show(progress, text_string(&key), &line);
    text_fini(&line);
    text_fini(&key);
}

static bool is_meant(const struct progress *progress, const Pb__InstanceView *view)
{
    if (progress->node != NULL && strcmp(view->node, progress->node) != 0) return false;
    if (progress->artifact == NULL) return true;
    size_t length = strlen(progress->artifact);
    if (strncmp(view->artifact, progress->artifact, length) != 0) return false;
    return view->artifact[length] == '\0' || view->artifact[length] == ':';
}

static void show_member(struct progress *progress, const Pb__ClusterMember *member)
{
    if (strcmp(member->node, progress->node) != 0) return;
    struct text line = { 0 };
    render_line(&line, member->node);
    text_add(&line, " ");
    render_line(&line, member->role);
    if (member->has_lag_case == PB__CLUSTER_MEMBER__HAS_LAG_LAG && member->lag > 0)
        text_printf(&line, ", %llu entries behind", (unsigned long long)member->lag);
    if (member->waiting[0] != '\0') text_add(&line, ", waits: ");
    render_line(&line, member->waiting);
    show(progress, member->node, &line);
    text_fini(&line);
}

static struct message *question(const struct progress *progress)
{
    if (progress->shows_member) return wire_message_create(KIND_CLUSTER_MEMBERS_REQUEST);
    struct message *request = wire_message_create(KIND_SLICE_LIST_REQUEST);
    Pb__SliceListRequest *list = request->body;
    list->blueprint = wire_string(request, progress->blueprint);
    return request;
}

static void show_answer(struct progress *progress, const struct message *reply)
{
    if (reply->kind == KIND_CLUSTER_MEMBERS_REPLY) {
        const Pb__ClusterMembersReply *members = reply->body;
        for (size_t i = 0; i < members->n_members; i++)
            show_member(progress, members->members[i]);
    } else if (reply->kind == KIND_SLICE_LIST_REPLY) {
        const Pb__SliceListReply *instances = reply->body;
        for (size_t i = 0; i < instances->n_instances; i++)
            if (is_meant(progress, instances->instances[i])) show_instance(progress, instances->instances[i]);
    }
}

void progress_show(struct progress *progress)
{
    if (progress == NULL) return;
    if (progress->connection == NULL &&
        connection_open(progress->endpoint, &progress->connection, NULL) != STATUS_OK)
        return;
    struct message *request = question(progress);
    struct message *reply = NULL;
    enum status status = connection_send(progress->connection, &request, answer_ns, NULL);
    if (status == STATUS_OK && connection_wait(progress->connection, -1, answer_ns).input)
        status = connection_receive(progress->connection, &reply, NULL);
    if (status != STATUS_OK || reply == NULL) {
        connection_close(&progress->connection); /* Perhaps another endpoint the next time. */
        return;
    }
    show_answer(progress, reply);
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
    memory_free((*progress)->node);
    memory_free(*progress);
    *progress = NULL;
}
