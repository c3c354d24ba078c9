/* raft_script: see the header. */
#include "tests/support/raft_script.h"

#include "tests/support/raft_notation.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TERMS_MAX = 64, PROPOSALS_MAX = 16 };

struct script {
    const char *path;
    struct notation notation;
    struct core *core;
    /* What `given` lines say, before the first event. */
    struct core_options options;
    struct configuration configuration;
    log_term terms[TERMS_MAX]; /* Of entries 1.. */
    uint32_t term_count;
    struct hard_state hard;
    log_index applied;
    log_index base; /* The log's entries up to here are gone. */
    bool damaged;
    log_index replay_till;
    bool shows_checkpoints; /* CHECKPOINT_DUE is left out unless the script is about it. */
    enum core_start start;

    struct raft_log log; /* As PERSISTs made it. */
    struct text actual;  /* The actions of the present event, a line each. */
    struct text expected;
    char event[1024];
    uint32_t event_line;
    struct text *report;
    struct text *printed;
    bool failed;
};

static bool is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* --- given --- */

static uint32_t *option_named(struct core_options *options, const char *name)
{
    if (is(name, "heartbeat")) return &options->heartbeat_ticks;
    if (is(name, "election-min")) return &options->election_min_ticks;
    if (is(name, "election-max")) return &options->election_max_ticks;
    if (is(name, "window-messages")) return &options->window_messages;
    if (is(name, "window-bytes")) return &options->window_bytes;
    if (is(name, "append-entries")) return &options->append_entries;
    if (is(name, "tail-entries")) return &options->tail_entries;
    if (is(name, "uncommitted-bytes")) return &options->uncommitted_bytes;
    if (is(name, "preference")) return &options->preference_ticks;
    if (is(name, "preference-max")) return &options->preference_max_ticks;
    if (is(name, "checkpoint-entries")) return &options->checkpoint_entries;
    if (is(name, "checkpoint-ticks")) return &options->checkpoint_ticks;
    (void)fprintf(stderr, "unknown option '%s'\n", name);
    CHECK(false);
    return NULL;
}

static void on_given(struct script *script, struct notation_line *line)
{
    const char *what = notation_next(line);
    if (is(what, "replica")) script->options.self = notation_number(notation_next(line));
    else if (is(what, "members")) notation_members(notation_next(line), &script->configuration);
    else if (is(what, "term")) script->hard.term = notation_number(notation_next(line));
    else if (is(what, "vote")) script->hard.vote = notation_number(notation_next(line));
    else if (is(what, "applied")) script->applied = notation_number(notation_next(line));
    else if (is(what, "base")) script->base = notation_number(notation_next(line));
    else if (is(what, "replay-till")) script->replay_till = notation_number(notation_next(line));
    else if (is(what, "damaged")) script->damaged = true;
    else if (is(what, "checkpoints")) script->shows_checkpoints = true;
    else if (is(what, "founder")) script->start = CORE_START_FOUNDER;
    else if (is(what, "restarted")) script->start = CORE_START_RESTARTED;
    else if (is(what, "log")) {
        while (line->at < line->count) {
            CHECK(script->term_count < TERMS_MAX);
            script->terms[script->term_count++] = notation_number(notation_next(line));
        }
    } else {
        *option_named(&script->options, what) = (uint32_t)notation_number(notation_next(line));
    }
}

/* --- steps --- */

static void note(struct script *script, const struct core_action *action)
{
    if (action->type == CORE_ACTION_CHECKPOINT_DUE && !script->shows_checkpoints) return;
    text_add(&script->actual, "    ");
    notation_write_action(&script->notation, action, &script->actual);
    text_add(&script->actual, "\n");
    if (action->type != CORE_ACTION_PERSIST) return;
    const struct core_persist *persist = &action->persist;
    if (persist->truncate_from != 0) raft_log_truncate(&script->log, persist->truncate_from);
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        raft_log_append(&script->log, &persist->entries[i]);
        notation_learn(&script->notation, &persist->entries[i]);
    }
}

static void step(struct script *script, const struct core_event *event)
{
    const struct core_actions *actions = core_step(script->core, event);
    for (uint32_t i = 0; i < actions->count; i++) {
        note(script, &actions->items[i]);
    }
}

static void make_log(struct script *script)
{
    struct log_position before = { 0 };
    for (uint32_t i = 0; i < script->term_count; i++) {
        char word[64];
        (void)snprintf(word, sizeof word, "%u/%" PRIu64, i + 1, script->terms[i]);
        struct raft_entry entry = { 0 };
        if (i == 0) {
            entry = (struct raft_entry){ .index = 1, .term = script->terms[0], .type = ENTRY_CONFIGURATION };
            entry.payload = configuration_pack(&script->configuration);
            entry.chain = entry_chain(0, 1, entry.term, entry.type, entry.payload->data, entry.payload->size);
            before = (struct log_position){ .index = 1, .term = entry.term, .chain = entry.chain };
        } else {
            entry = notation_entry(word, &before);
        }
        raft_log_append(&script->log, &entry);
        notation_learn(&script->notation, &entry);
        bytes_unref(&entry.payload);
    }
}

static void give_base(const struct script *script, struct core_init *init)
{
    const struct raft_entry *base = raft_log_at(&script->log, script->base);
    if (base == NULL) return;
    init->base = (struct log_position){ .index = base->index, .term = base->term, .chain = base->chain };
    if (init->applied < base->index) init->applied = base->index;
}

static void begin(struct script *script)
{
    if (script->core != NULL) return;
    make_log(script);
    if (script->options.election_max_ticks == 0) { /* Timeouts that a reader can count. */
        script->options.election_min_ticks = 20;
        script->options.election_max_ticks = 21;
    }
    if (script->options.heartbeat_ticks == 0) script->options.heartbeat_ticks = 5; /* Four in a timeout. */
    script->options.seed = 1;
    script->core = core_create(&script->options);
    static struct core_term_run runs[CORE_TERM_RUNS_MAX];
    static struct core_log_configuration configurations[CORE_CONFIGURATIONS_MAX];
    struct raft_disk disk = { .hard = script->hard, .log = script->log };
    disk.copy.position.index = script->applied;
    struct core_init init;
    raft_disk_init(&disk, runs, configurations, &init);
    init.start = script->start;
    init.damaged = script->damaged;
    init.replay_till = script->replay_till;
    give_base(script, &init);
    step(script, &(struct core_event){ .type = CORE_EVENT_INIT, .init = &init });
}

/* --- events --- */

static void on_tick(struct script *script, struct notation_line *line)
{
    const char *count = notation_next(line);
    uint64_t ticks = *count == '\0' ? 1 : notation_number(count);
    for (uint64_t i = 0; i < ticks; i++) {
        step(script, &(struct core_event){ .type = CORE_EVENT_TICK });
    }
}

static void on_receive(struct script *script, struct notation_line *line)
{
    struct core_message message = { .to = script->options.self };
    message.from = notation_number(notation_next(line));
    notation_read_message(&script->notation, line, &message);
    step(script, &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &message });
}

static struct bytes *quoted_payload(const char *word)
{
    size_t size = strlen(word);
    bool quoted = size >= 2 && word[0] == '"' && word[size - 1] == '"';
    return quoted ? bytes_copy(word + 1, size - 2) : bytes_copy(word, size);
}

static void put_checkpoint(const struct script *script, struct core_proposal *proposal)
{
    struct checkpoint checkpoint;
    core_checkpoint(script->core, &checkpoint);
    proposal->type = ENTRY_CHECKPOINT;
    proposal->payload = checkpoint_pack(&checkpoint);
}

/* "propose 7 "text" 8 no-op": tags and payloads in turn; "size 2000" is a payload of that size. */
static void on_propose(struct script *script, struct notation_line *line)
{
    struct core_proposal proposals[PROPOSALS_MAX] = { 0 };
    uint32_t count = 0;
    while (line->at < line->count) {
        CHECK(count < PROPOSALS_MAX);
        struct core_proposal *proposal = &proposals[count++];
        proposal->type = ENTRY_COMMAND;
        proposal->tag = notation_number(notation_next(line));
        const char *what = notation_next(line);
        if (is(what, "no-op")) proposal->type = ENTRY_NO_OP;
        else if (is(what, "checkpoint")) put_checkpoint(script, proposal);
        else if (is(what, "size")) proposal->payload = bytes_create(notation_number(notation_next(line)));
        else proposal->payload = quoted_payload(what);
        if (is(what, "size")) memset(proposal->payload->data, 'x', proposal->payload->size);
        if (is(what, "config")) proposal->type = ENTRY_CONFIGURATION;
    }
    struct core_event event = { .type = CORE_EVENT_PROPOSE };
    event.propose.items = proposals;
    event.propose.count = count;
    step(script, &event);
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&proposals[i].payload);
    }
}

/* "log-read 1 from 2 to 3", from the log as persisted; "log-read 1 nothing". */
static void on_log_read(struct script *script, struct notation_line *line)
{
    struct core_event event = { .type = CORE_EVENT_LOG_READ };
    event.log_read.tag = notation_number(notation_next(line));
    if (is(notation_next(line), "from")) {
        log_index from = notation_number(notation_next(line));
        CHECK(is(notation_next(line), "to"));
        log_index to = notation_number(notation_next(line));
        event.log_read.entries = raft_log_at(&script->log, from);
        CHECK(raft_log_at(&script->log, to) != NULL);
        event.log_read.count = (uint32_t)(to - from + 1);
    }
    step(script, &event);
}

/* "conf 7 (1,2,3,4L)" */
static void on_conf(struct script *script, struct notation_line *line)
{
    struct configuration wanted;
    struct core_event event = { .type = CORE_EVENT_CONF };
    event.conf.tag = notation_number(notation_next(line));
    notation_members(notation_next(line), &wanted);
    event.conf.wanted = &wanted;
    step(script, &event);
}

/* "retired 4 5" */
static void on_retired(struct script *script, struct notation_line *line)
{
    replica_id ids[NOTATION_WORDS_MAX];
    struct core_event event = { .type = CORE_EVENT_RETIRED };
    event.retired.ids = ids;
    while (line->at < line->count) {
        ids[event.retired.count++] = notation_number(notation_next(line));
    }
    step(script, &event);
}

/* "checkpoint 1:10 2:8" */
static void on_checkpoint(struct script *script, struct notation_line *line)
{
    struct checkpoint checkpoint = { 0 };
    while (line->at < line->count) {
        struct checkpoint_match *match = &checkpoint.matches[checkpoint.count++];
        unsigned long long id = 0;
        unsigned long long index = 0;
        CHECK(sscanf(notation_next(line), "%llu:%llu", &id, &index) == 2);
        *match = (struct checkpoint_match){ .id = id, .match = index };
    }
    step(script, &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &checkpoint });
}

/* "snapshot-sent 3 index 7", "snapshot-sent 3 failed" */
static void on_snapshot_sent(struct script *script, struct notation_line *line)
{
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_SENT };
    event.snapshot_sent.replica = notation_number(notation_next(line));
    if (is(notation_next(line), "index")) event.snapshot_sent.index = notation_number(notation_next(line));
    step(script, &event);
}

/* "snapshot-offered 2 term 3 at 9/2 config 1 (1,2,3)", and "asked". */
static void on_snapshot_offered(struct script *script, struct notation_line *line)
{
    struct core_snapshot snapshot = { 0 };
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_OFFERED };
    event.snapshot_offered.snapshot = &snapshot;
    event.snapshot_offered.from = notation_number(notation_next(line));
    CHECK(is(notation_next(line), "term"));
    event.snapshot_offered.term = notation_number(notation_next(line));
    CHECK(is(notation_next(line), "at"));
    snapshot.position = notation_position(&script->notation, notation_next(line));
    CHECK(is(notation_next(line), "config"));
    snapshot.configuration.index = notation_number(notation_next(line));
    notation_members(notation_next(line), &snapshot.configuration.configuration);
    event.snapshot_offered.asked = is(notation_next(line), "asked");
    step(script, &event);
}

/* Those of membership, snapshots and compaction. false: none of them. */
static bool on_wider_event(struct script *script, const char *what, struct notation_line *line)
{
    struct core_event event = { 0 };
    if (is(what, "compacted")) event.type = CORE_EVENT_COMPACTED;
    else if (is(what, "snapshot-ready")) event.type = CORE_EVENT_SNAPSHOT_READY;
    else if (is(what, "snapshot-failed")) event.type = CORE_EVENT_SNAPSHOT_FAILED;
    if (event.type != 0) {
        event.position = notation_position(&script->notation, notation_next(line));
        step(script, &event);
        return true;
    }
    if (is(what, "conf")) on_conf(script, line);
    else if (is(what, "retired")) on_retired(script, line);
    else if (is(what, "checkpoint")) on_checkpoint(script, line);
    else if (is(what, "snapshot-sent")) on_snapshot_sent(script, line);
    else if (is(what, "snapshot-offered")) on_snapshot_offered(script, line);
    else return false;
    return true;
}

/* No event: what a leader knows of the others (M3). */
static void on_peers(struct script *script)
{
    static const char *const states[] = { "?", "probe", "pipeline", "snapshot" };
    struct core_status status;
    core_status(script->core, &status);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        const struct core_peer_status *peer = &status.peers[i];
        text_printf(&script->actual, "    PEER %" PRIu64 " %s %s match %" PRIu64 " silent %u%s\n", peer->id,
                    peer->voter ? "voter" : "learner", states[peer->state], peer->match, peer->silent_ticks,
                    peer->caught_up ? " caught up" : "");
    }
}

/* No event: in how many ticks the core next has something to do. */
static void on_due(struct script *script)
{
    text_printf(&script->actual, "    DUE in %u\n", core_next_tick_due(script->core));
}

/* No event: shows what else is worth knowing. */
static void on_status(struct script *script)
{
    struct core_status status;
    core_status(script->core, &status);
    text_printf(&script->actual,
                "    STATUS last %" PRIu64 "/%" PRIu64 " durable %" PRIu64 " commit %" PRIu64
                " applied %" PRIu64 " vote %" PRIu64 " configuration %" PRIu64 " malformed %" PRIu64 "\n",
                status.last.index, status.last.term, status.durable, status.commit, status.applied,
                status.hard.vote, status.configuration_index, status.malformed_count);
}

static void on_event(struct script *script, struct notation_line *line)
{
    const char *what = notation_next(line);
    struct core_event event = { 0 };
    if (is(what, "tick")) on_tick(script, line);
    else if (is(what, "receive")) on_receive(script, line);
    else if (is(what, "propose")) on_propose(script, line);
    else if (is(what, "log-read")) on_log_read(script, line);
    else if (is(what, "status")) on_status(script);
    else if (is(what, "due")) on_due(script);
    else if (is(what, "peers")) on_peers(script);
    else if (is(what, "begin") || on_wider_event(script, what, line)) return;
    else if (is(what, "disk-error")) event.type = CORE_EVENT_DISK_ERROR;
    else {
        uint64_t number = notation_number(notation_next(line));
        if (is(what, "read"))
            event = (struct core_event){ .type = CORE_EVENT_READ,
                                         .read = { number, is(notation_next(line), "patient") } };
        else if (is(what, "transfer"))
            event = (struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = number };
        else if (is(what, "peer-up"))
            event = (struct core_event){ .type = CORE_EVENT_PEER_UP, .replica = number };
        else if (is(what, "peer-down"))
            event = (struct core_event){ .type = CORE_EVENT_PEER_DOWN, .replica = number };
        else if (is(what, "persisted"))
            event = (struct core_event){ .type = CORE_EVENT_PERSISTED, .sequence = number };
        else if (is(what, "applied"))
            event = (struct core_event){ .type = CORE_EVENT_APPLIED, .index = number };
        if (event.type == 0) (void)fprintf(stderr, "unknown event '%s'\n", what);
        CHECK(event.type != 0);
    }
    if (event.type != 0) step(script, &event);
}

/* --- the text --- */

/* The event before is complete: did it do what the script says? */
static void compare(struct script *script)
{
    if (script->printed != NULL) text_add(script->printed, text_string(&script->actual));
    bool same = strcmp(text_string(&script->actual), text_string(&script->expected)) == 0;
    if (!same && !script->failed) {
        script->failed = true;
        text_printf(script->report, "%s:%u: after \"%s\"\n  expected\n%s  actual\n%s", script->path,
                    script->event_line, script->event, text_string(&script->expected),
                    text_string(&script->actual));
    }
    text_fini(&script->actual);
    text_fini(&script->expected);
}

static void on_line(struct script *script, const char *text, uint32_t number)
{
    struct notation_line line;
    bool is_event = text[0] == '>';
    bool is_action = text[0] == ' ';
    if (is_event) compare(script);
    if (is_action) {
        text_printf(&script->expected, "%s\n", text);
        return;
    }
    if (script->printed != NULL && !(text[0] == '\0' && script->actual.size > 0)) {
        if (!is_event && script->actual.size > 0) compare(script);
        text_printf(script->printed, "%s\n", text);
    }
    if (is_event) {
        script->event_line = number;
        (void)text_copy(script->event, sizeof script->event, text + 2);
        notation_cut(&line, text + 2);
        begin(script);
        on_event(script, &line);
    } else if (text_starts_with(text, "given ")) {
        notation_cut(&line, text + 6);
        on_given(script, &line);
    }
}

static bool read_file(const char *path, struct text *out_text)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    char part[4096];
    size_t size = 0;
    while ((size = fread(part, 1, sizeof part, file)) > 0) {
        text_add_bytes(out_text, part, size);
    }
    (void)fclose(file);
    return out_text->size > 0;
}

static void run_lines(struct script *script, char *text)
{
    uint32_t number = 0;
    char *next = text;
    while (next != NULL && *next != '\0') {
        char *line = next;
        next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        on_line(script, line, ++number);
    }
    compare(script);
}

bool raft_script_run(const char *path, struct text *out_report, struct text *out_script)
{
    struct text text = { 0 };
    if (!read_file(path, &text)) {
        text_printf(out_report, "%s: can't be read\n", path);
        return false;
    }
    struct script *script = memory_zalloc(sizeof *script);
    script->path = path;
    script->report = out_report;
    script->printed = out_script;
    script->options.self = 1;
    char *lines = text_take(&text);
    run_lines(script, lines);
    bool passed = !script->failed && script->core != NULL;
    memory_free(lines);
    core_destroy(&script->core);
    raft_log_fini(&script->log);
    notation_fini(&script->notation);
    memory_free(script);
    return passed;
}
