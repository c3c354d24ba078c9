/* dev: see the header. One loop over what the children do; what takes long (waiting for a leader, building,
 * publishing) is a child, too: this program itself, with another command. One such step at a time. */
#include "cli/dev.h"

#include "cli/command.h"
#include "cli/dev_nodes.h"
#include "cli/dev_view.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/slice_tool.h"
#include "runtime/base/check.h"
#include "runtime/os/clock.h"
#include "runtime/os/file.h"
#include "runtime/os/path.h"

#include <stdio.h>
#include <string.h>

enum {
    TAG_WATCH = 100,
    TAG_STEP = 101,
    ARGUMENTS_MAX = 12,
    RESTARTS_MAX = 5,
    PORT_DEFAULT = 7400,
    PORT_MAX = 65000
};

static const int64_t quiet_ns = MILLISECONDS(150); /* A linker writes more than once. */
static const int64_t again_ns = SECONDS(1);        /* Before a watch that ended is begun again. */
static const int64_t restarts_within_ns = SECONDS(60);
static const int64_t stop_ns = SECONDS(15);
static const int64_t look_ns =
    MILLISECONDS(250); /* A signal between a look for it and a wait is seen then. */

enum step { STEP_NONE, STEP_READY, STEP_BUILD, STEP_PUBLISH };

struct dev {
    const struct argv *argv;
    struct children *children;
    struct dev_nodes nodes;
    struct dev_view view;
    struct text self;      /* This program. */
    struct text endpoints; /* Of all nodes. */
    struct text folder;    /* Of the project; empty: none. */
    bool keeps_data;
    uint32_t listening; /* Nodes that listen, until all do. */
    enum step step;     /* That runs. */
    struct text said;   /* By the step: shown if it fails. */
    int64_t stale_ns;   /* The object was written then, and is to be reloaded; 0: it wasn't. */
    int64_t watch_ns;   /* The watch is to be begun then; 0: it runs, or isn't wanted yet. */
    int64_t starts_ns[DEV_NODES_MAX + 1][RESTARTS_MAX]; /* The last starts of each node, in a ring. */
    uint32_t starts[DEV_NODES_MAX + 1];
    bool failed;
    struct error error; /* Why it ends, if it failed. */
};

static int64_t now_ns(void)
{
    return clock_os.monotonic_ns(clock_os.context);
}

/* --- steps ---------------------------------------------------------------------------------------------- */

static void tell(const struct dev *dev, const struct error *error)
{
    dev_view_note(&dev->view, "%s", error->message);
    if (error->hint[0] != '\0') dev_view_note(&dev->view, "try: %s", error->hint);
}

static enum status begin(struct dev *dev, uint32_t tag, const char *const *words, const char *folder,
                         struct error *error)
{
    const char *arguments[ARGUMENTS_MAX] = { text_string(&dev->self) };
    size_t count = 1;
    for (; *words != NULL; words++) {
        CHECK(count < ARGUMENTS_MAX - 1);
        arguments[count++] = *words;
    }
    return children_start(dev->children, tag, arguments, folder, error);
}

static void begin_step(struct dev *dev, enum step step)
{
    struct text blueprint = { 0 };
    text_printf(&blueprint, "%s/blueprint.yaml", text_string(&dev->folder));
    const char *endpoints = text_string(&dev->endpoints);
    const char *const ready[] = { "kv", "list", "nodes/", "--timeout", "60s", "--endpoint", endpoints, NULL };
    const char *const build[] = { "slice", "build", NULL };
    const char *const publish[] = {
        "blueprint", "publish", text_string(&blueprint), "--quiet", "--endpoint", endpoints, NULL,
    };
    const char *const *words = step == STEP_READY ? ready : step == STEP_BUILD ? build : publish;
    struct error error;
    text_fini(&dev->said);
    if (begin(dev, TAG_STEP, words, step == STEP_BUILD ? text_string(&dev->folder) : NULL, &error) ==
        STATUS_OK)
        dev->step = step;
    else tell(dev, &error);
    text_fini(&blueprint);
}

static void begin_watch(struct dev *dev)
{
    static const char week[] = "168h";
    const char *const words[] = {
        "kv",       "watch",      "slices/",
        "--output", "json",       "--timeout",
        week,       "--endpoint", text_string(&dev->endpoints),
        NULL,
    };
    struct error error;
    dev->watch_ns = 0;
    if (begin(dev, TAG_WATCH, words, NULL, &error) != STATUS_OK) tell(dev, &error);
}

/* --- the project ---------------------------------------------------------------------------------------- */

static enum status find_object(const struct dev *dev, struct text *out_path, struct error *error)
{
    return slice_tool_find(text_string(&dev->folder), "build/*.so", "shared object", out_path, error);
}

/* Into the cluster's repository, in place of what it was; then the blueprint is resolved anew. A file that is
 * no slice (half written, perhaps) changes nothing. */
static void reload(struct dev *dev)
{
    struct text object = { 0 }, repository = { 0 };
    struct value *document = value_new_object();
    struct error error;
    dev->stale_ns = 0;
    dev_nodes_repository(&dev->nodes, &repository);
    enum status status = find_object(dev, &object, &error);
    if (status == STATUS_OK)
        status = slice_push_replace(text_string(&object), text_string(&repository), document, &error);
    if (status == STATUS_OK) {
        dev_view_note(&dev->view, "%s: sha256 %.12s", value_get_string(document, "artifact", ""),
                      value_get_string(document, "sha256", ""));
        begin_step(dev, STEP_PUBLISH);
    } else {
        tell(dev, &error);
    }
    value_free(&document);
    text_fini(&object);
    text_fini(&repository);
}

static void watch_build(struct dev *dev)
{
    struct text build = { 0 };
    struct error error;
    text_printf(&build, "%s/build", text_string(&dev->folder));
    enum status status = file_os.make_folder(NULL, text_string(&build), &error);
    if (status == STATUS_OK) status = children_watch(dev->children, text_string(&build), &error);
    if (status != STATUS_OK) tell(dev, &error);
    text_fini(&build);
}

/* The cluster answers: now the project, if there is one. */
static void begin_project(struct dev *dev)
{
    struct text object = { 0 };
    begin_watch(dev);
    dev_view_note(&dev->view, "the cluster is ready: export AETHER_ENDPOINT=%s",
                  text_string(&dev->endpoints));
    if (dev->folder.size == 0) return;
    watch_build(dev);
    if (find_object(dev, &object, NULL) == STATUS_NOT_FOUND) begin_step(dev, STEP_BUILD);
    else reload(dev);
    text_fini(&object);
}

/* --- what happens --------------------------------------------------------------------------------------- */

static const char *name_of_step(enum step step)
{
    switch (step) {
    case STEP_READY: return "waiting for a leader";
    case STEP_BUILD: return "aether slice build";
    case STEP_PUBLISH: return "aether blueprint publish";
    case STEP_NONE: break;
    }
    return "";
}

static void on_step_ended(struct dev *dev, struct child_end end)
{
    enum step step = dev->step;
    bool good = !end.by_signal && end.code == 0;
    dev->step = STEP_NONE;
    if (!good) {
        if (step != STEP_BUILD) (void)fputs(text_string(&dev->said), stderr);
        dev_view_note(&dev->view, "%s failed%s", name_of_step(step),
                      step == STEP_READY ? "" : "; waiting for the next build");
    }
    if (step == STEP_READY && good) begin_project(dev);
    else if (step == STEP_READY)
        dev->failed = error_set(&dev->error, STATUS_NO_LEADER, "the nodes found no leader") != STATUS_OK;
    else if (step == STEP_PUBLISH && good) dev_view_note(&dev->view, "the blueprint is carried out");
}

/* A node that ends again and again is let be. */
static bool may_start_again(struct dev *dev, uint32_t number)
{
    int64_t *oldest = &dev->starts_ns[number][dev->starts[number] % RESTARTS_MAX];
    bool may = dev->starts[number] < RESTARTS_MAX || now_ns() - *oldest > restarts_within_ns;
    *oldest = now_ns();
    dev->starts[number]++;
    return may;
}

static void on_node_ended(struct dev *dev, uint32_t number, struct child_end end)
{
    dev_view_note(&dev->view, "node-%u ended with %s %d", number, end.by_signal ? "signal" : "exit code",
                  end.code);
    if (!end.by_signal && end.code != DEV_EXIT_RESTART) {
        dev->failed = error_set(&dev->error, STATUS_IO, "node-%u can't run (exit code %d)", number,
                                end.code) != STATUS_OK;
        error_hint(&dev->error, "its last words are above; ports in use: --base-port PORT");
    } else if (!may_start_again(dev, number)) {
        dev->failed = error_set(&dev->error, STATUS_IO, "node-%u ended %d times within a minute", number,
                                RESTARTS_MAX) != STATUS_OK;
    } else if (dev_nodes_start(&dev->nodes, number, &dev->error) != STATUS_OK) {
        dev->failed = true;
    }
}

/* Once all of them listen, they can be asked. */
static void on_node_line(struct dev *dev, const char *line)
{
    if (dev->listening == dev->nodes.count || strstr(line, "\"transport.listening\"") == NULL) return;
    if (++dev->listening == dev->nodes.count) begin_step(dev, STEP_READY);
}

static void on_line(struct dev *dev, uint32_t tag, const char *line)
{
    if (tag == TAG_WATCH) {
        dev_view_change(&dev->view, line);
    } else if (tag != TAG_STEP) {
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", tag);
        dev_view_log(&dev->view, name, line);
        on_node_line(dev, line);
    } else if (dev->step == STEP_BUILD) {
        dev_view_note(&dev->view, "%s", line);
    } else {
        text_printf(&dev->said, "%s\n", line);
    }
}

static void on_event(struct dev *dev, const struct children_event *event)
{
    switch (event->kind) {
    case CHILDREN_NOTHING: break;
    case CHILDREN_LINE: on_line(dev, event->tag, event->line); break;
    case CHILDREN_ENDED:
        if (event->tag == TAG_STEP) on_step_ended(dev, event->end);
        else if (event->tag == TAG_WATCH) dev->watch_ns = now_ns() + again_ns;
        else on_node_ended(dev, event->tag, event->end);
        break;
    case CHILDREN_FOLDER:
        if (text_ends_with(event->line, ".so")) dev->stale_ns = now_ns();
        break;
    }
}

static int64_t sooner(int64_t wait_ns, int64_t due_ns, int64_t now)
{
    return due_ns - now < wait_ns ? due_ns - now : wait_ns;
}

/* What is due now; returns how long there is nothing. */
static int64_t take_due(struct dev *dev)
{
    int64_t now = now_ns(), wait_ns = look_ns;
    bool reloads = dev->stale_ns != 0 && dev->step == STEP_NONE;
    if (reloads && dev->stale_ns + quiet_ns <= now) reload(dev);
    else if (reloads) wait_ns = sooner(wait_ns, dev->stale_ns + quiet_ns, now);
    if (dev->watch_ns != 0 && dev->watch_ns <= now) begin_watch(dev);
    else if (dev->watch_ns != 0) wait_ns = sooner(wait_ns, dev->watch_ns, now);
    return wait_ns;
}

static void run(struct dev *dev)
{
    while (!dev->failed && !interrupt_came()) {
        struct children_event event;
        int64_t wait_ns = take_due(dev);
        children_next(dev->children, wait_ns, &event);
        on_event(dev, &event);
    }
}

/* --- beginning and end ---------------------------------------------------------------------------------- */

static bool any_node_runs(const struct dev *dev)
{
    for (uint32_t k = 1; k <= dev->nodes.count; k++)
        if (children_runs(dev->children, k)) return true;
    return false;
}

/* In order, so that slices get their stop; a second signal, or the time, ends it by force (children_destroy).
 */
static void stop(struct dev *dev)
{
    int64_t until_ns = now_ns() + stop_ns;
    dev_view_note(&dev->view, "stopping");
    interrupt_forget();
    children_end(dev->children, TAG_WATCH, true);
    children_end(dev->children, TAG_STEP, true);
    for (uint32_t k = 1; k <= dev->nodes.count; k++)
        children_end(dev->children, k, false);
    while (any_node_runs(dev) && !interrupt_came() && now_ns() < until_ns) {
        struct children_event event;
        children_next(dev->children, look_ns, &event);
        if (event.kind == CHILDREN_LINE && event.tag <= dev->nodes.count) on_line(dev, event.tag, event.line);
    }
}

/* The project's folder, absolute; empty where none was named and this one is none. */
static enum status find_project(struct dev *dev, struct error *error)
{
    const char *named = value_get_string(dev->argv->arguments, "folder", "");
    uint64_t size;
    struct text blueprint = { 0 };
    enum status status = path_resolve(named[0] == '\0' ? "." : named, &dev->folder, error);
    if (status != STATUS_OK) return status;
    text_printf(&blueprint, "%s/blueprint.yaml", text_string(&dev->folder));
    bool found = file_os.size(NULL, text_string(&blueprint), &size, NULL) == STATUS_OK;
    text_fini(&blueprint);
    if (found) return STATUS_OK;
    if (named[0] != '\0') {
        status = error_set(error, STATUS_INVALID, "%s holds no slice's project (no blueprint.yaml)", named);
        error_hint(error, "aether slice new NAME makes one");
    }
    text_fini(&dev->folder);
    return status;
}

static enum status find_data(struct dev *dev, struct text *out_path, struct error *error)
{
    const char *named = value_get_string(dev->argv->arguments, "data", "");
    dev->keeps_data = named[0] != '\0';
    if (!dev->keeps_data) return path_make_temporary("aether-dev-", out_path, error);
    struct text path = { 0 };
    enum status status = named[0] == '/' ? STATUS_OK : path_resolve(".", &path, error);
    text_printf(&path, "%s%s", named[0] == '/' ? "" : "/", named);
    if (status == STATUS_OK) status = file_os.make_folder(NULL, text_string(&path), error);
    if (status == STATUS_OK) status = path_resolve(text_string(&path), out_path, error);
    text_fini(&path);
    return status;
}

static enum status start_nodes(struct dev *dev, struct error *error)
{
    int64_t count = value_get_integer(dev->argv->arguments, "nodes", 1);
    int64_t port = value_get_integer(dev->argv->arguments, "base-port", PORT_DEFAULT);
    struct text data = { 0 };
    if (count != 1 && count != 3 && count != DEV_NODES_MAX)
        return error_set(error, STATUS_INVALID, "--nodes %lld: 1, 3 or 5", (long long)count);
    if (port < 1 || port > PORT_MAX)
        return error_set(error, STATUS_INVALID, "--base-port %lld: 1 to %d", (long long)port, PORT_MAX);
    enum status status = find_data(dev, &data, error);
    if (status == STATUS_OK)
        status = dev_nodes_init(&dev->nodes, dev->children, (uint32_t)count, (uint32_t)port, &data, error);
    text_fini(&data);
    for (uint32_t k = 1; status == STATUS_OK && k <= dev->nodes.count; k++)
        status = dev_nodes_start(&dev->nodes, k, error);
    return status;
}

static void clean_up(struct dev *dev)
{
    struct error error;
    children_destroy(&dev->children);
    if (dev->nodes.data.size > 0 && !dev->keeps_data &&
        path_remove_tree(text_string(&dev->nodes.data), &error) != STATUS_OK)
        tell(dev, &error);
    dev_nodes_fini(&dev->nodes);
    dev_view_fini(&dev->view);
    text_fini(&dev->self);
    text_fini(&dev->endpoints);
    text_fini(&dev->folder);
    text_fini(&dev->said);
}

int dev_run(struct argv *argv)
{
    struct dev dev = {
        .argv = argv,
        .view = { .output = argv->output, .quiet = argv->quiet, .verbose = argv->verbose },
    };
    interrupt_catch();
    enum status status = path_resolve("/proc/self/exe", &dev.self, &dev.error);
    if (status == STATUS_OK) status = find_project(&dev, &dev.error);
    if (status == STATUS_OK) status = children_create(&dev.children, &dev.error);
    if (status == STATUS_OK) status = start_nodes(&dev, &dev.error);
    if (status == STATUS_OK) {
        dev_nodes_endpoints(&dev.nodes, &dev.endpoints);
        dev_view_note(&dev.view, "%u node%s, data in %s", dev.nodes.count, dev.nodes.count == 1 ? "" : "s",
                      text_string(&dev.nodes.data));
        run(&dev);
        stop(&dev);
    }
    clean_up(&dev);
    if (status == STATUS_OK && !dev.failed) return 0;
    struct failure failure = { .error = dev.error, .what = "dev", .harmless = true };
    return command_fail(argv, &failure);
}
