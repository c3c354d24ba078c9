/* raft_notation: see the header. */
#include "tests/support/raft_notation.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LONG_PAYLOAD = 32 }; /* Longer ones are shown by their size. */

static void forget_entries(struct notation *notation)
{
    for (uint32_t i = 0; i < NOTATION_ENTRIES_MAX; i++) {
        bytes_unref(&notation->entries[i].payload);
    }
}

void notation_fini(struct notation *notation)
{
    forget_entries(notation);
    raft_log_fini(&notation->known);
}

void notation_cut(struct notation_line *line, const char *text)
{
    *line = (struct notation_line){ 0 };
    CHECK(text_copy(line->buffer, sizeof line->buffer, text));
    char *rest = line->buffer;
    for (char *word = strtok_r(rest, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        CHECK(line->count < NOTATION_WORDS_MAX);
        line->words[line->count++] = word;
    }
}

const char *notation_next(struct notation_line *line)
{
    return line->at < line->count ? line->words[line->at++] : "";
}

uint64_t notation_number(const char *word)
{
    uint64_t number = 0;
    if (!text_to_u64(word, &number)) (void)fprintf(stderr, "not a number: '%s'\n", word);
    CHECK(text_to_u64(word, &number));
    return number;
}

/* --- entries --- */

void notation_learn(struct notation *notation, const struct raft_entry *entry)
{
    for (uint64_t i = 0; i < notation->known.count; i++) {
        const struct raft_entry *known = &notation->known.entries[i];
        if (known->index == entry->index && known->term == entry->term) return;
    }
    raft_log_append(&notation->known, entry);
}

static void cut_position(const char *word, log_index *out_index, log_term *out_term)
{
    unsigned long long index = 0;
    unsigned long long term = 0;
    CHECK(sscanf(word, "%llu/%llu", &index, &term) == 2);
    *out_index = index;
    *out_term = term;
}

struct log_position notation_position(const struct notation *notation, const char *word)
{
    struct log_position position = { 0 };
    cut_position(word, &position.index, &position.term);
    for (uint64_t i = 0; i < notation->known.count; i++) {
        const struct raft_entry *known = &notation->known.entries[i];
        if (known->index == position.index && known->term == position.term) position.chain = known->chain;
    }
    if (text_ends_with(word, "!")) position.chain ^= 1;
    return position;
}

static struct bytes *default_payload(log_index index, log_term term)
{
    char text[48];
    int size = snprintf(text, sizeof text, "e%" PRIu64 ".%" PRIu64, index, term);
    return bytes_copy(text, (size_t)size);
}

struct raft_entry notation_entry(const char *word, struct log_position *before)
{
    struct raft_entry entry = { .type = ENTRY_COMMAND };
    cut_position(word, &entry.index, &entry.term);
    const char *what = strchr(word, ':');
    if (what == NULL) {
        entry.payload = default_payload(entry.index, entry.term);
    } else if (strncmp(what, ":no-op", 6) == 0) {
        entry.type = ENTRY_NO_OP;
    } else if (strncmp(what, ":config", 7) == 0) {
        struct configuration configuration;
        notation_members(what + 7, &configuration);
        entry.type = ENTRY_CONFIGURATION;
        entry.payload = configuration_pack(&configuration);
    } else if (strncmp(what, ":nonsense", 9) == 0) {
        entry.type = ENTRY_CONFIGURATION;
        entry.payload = bytes_copy("?", 1);
    } else {
        const char *end = strrchr(what, '"');
        CHECK(end != NULL && what[1] == '"');
        entry.payload = bytes_copy(what + 2, (size_t)(end - what - 2));
    }
    entry.chain = entry_chain(before->chain, entry.index, entry.term, entry.type,
                              entry.payload == NULL ? NULL : entry.payload->data,
                              entry.payload == NULL ? 0 : entry.payload->size);
    *before = (struct log_position){ .index = entry.index, .term = entry.term, .chain = entry.chain };
    if (text_ends_with(word, "!")) entry.chain ^= 1;
    return entry;
}

/* One "3" or "4L", up to a separator. */
static const char *read_member(const char *at, uint64_t *out_id, bool *out_learner)
{
    *out_id = 0;
    while (*at >= '0' && *at <= '9') {
        *out_id = *out_id * 10 + (uint64_t)(*at++ - '0');
    }
    CHECK(*out_id != 0);
    *out_learner = *at == 'L';
    return *out_learner ? at + 1 : at;
}

static void add_outgoing(struct configuration *configuration, uint64_t id, const char *name)
{
    bool leaves = configuration_find(configuration, id) == NULL;
    if (leaves) CHECK(configuration_add(configuration, id, name, false) == STATUS_OK);
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (configuration->members[i].id != id) continue;
        configuration->members[i].outgoing_voter = true;
        configuration->members[i].leaves = leaves;
    }
}

void notation_members(const char *word, struct configuration *out_configuration)
{
    *out_configuration = (struct configuration){ 0 };
    const char *at = word;
    CHECK(*at == '(');
    while (*at != ')' && *at != '\0') {
        if (*at == '|') out_configuration->joint = true;
        uint64_t id = 0;
        bool learner = false;
        at = read_member(at + 1, &id, &learner);
        char name[32];
        (void)snprintf(name, sizeof name, "node-%" PRIu64, id);
        if (out_configuration->joint) add_outgoing(out_configuration, id, name);
        else CHECK(configuration_add(out_configuration, id, name, !learner) == STATUS_OK);
    }
}

static void write_members(const struct configuration *configuration, struct text *text)
{
    const char *before = "";
    text_add(text, "(");
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (member->leaves) continue;
        text_printf(text, "%s%" PRIu64 "%s", before, member->id, member->voter ? "" : "L");
        before = ",";
    }
    before = "|";
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (!configuration->members[i].outgoing_voter) continue;
        text_printf(text, "%s%" PRIu64, before, configuration->members[i].id);
        before = ",";
    }
    text_add(text, ")");
}

static void write_checkpoint(const struct raft_entry *entry, struct text *text)
{
    struct checkpoint checkpoint;
    CHECK(checkpoint_unpack(entry->payload->data, entry->payload->size, &checkpoint) == STATUS_OK);
    text_add(text, ":checkpoint(");
    for (uint32_t i = 0; i < checkpoint.count; i++) {
        text_printf(text, "%s%" PRIu64 ":%" PRIu64, i == 0 ? "" : ",", checkpoint.matches[i].id,
                    checkpoint.matches[i].match);
    }
    text_add(text, ")");
}

static void write_entry(const struct raft_entry *entry, struct text *text)
{
    text_printf(text, " %" PRIu64 "/%" PRIu64, entry->index, entry->term);
    if (entry->type == ENTRY_NO_OP) {
        text_add(text, ":no-op");
        return;
    }
    if (entry->type == ENTRY_CONFIGURATION) {
        struct configuration configuration;
        bool readable =
            configuration_unpack(entry->payload->data, entry->payload->size, &configuration) == STATUS_OK;
        text_add(text, readable ? ":config" : ":nonsense");
        if (readable) write_members(&configuration, text);
        return;
    }
    if (entry->type == ENTRY_CHECKPOINT) {
        write_checkpoint(entry, text);
        return;
    }
    struct bytes *usual = default_payload(entry->index, entry->term);
    bool is_usual =
        usual->size == entry->payload->size && memcmp(usual->data, entry->payload->data, usual->size) == 0;
    bytes_unref(&usual);
    if (is_usual) return;
    if (entry->payload->size > LONG_PAYLOAD) {
        text_printf(text, ":size%zu", entry->payload->size);
        return;
    }
    text_add(text, ":\"");
    text_add_bytes(text, entry->payload->data, entry->payload->size);
    text_add(text, "\"");
}

static void write_entries(const struct raft_entry *entries, uint32_t count, struct text *text)
{
    if (count == 0) return;
    text_add(text, " entries");
    for (uint32_t i = 0; i < count; i++) {
        write_entry(&entries[i], text);
    }
}

/* --- messages --- */

static uint64_t read_nonce(const struct notation *notation, const char *word)
{
    if (word[0] != '#') return notation_number(word);
    return notation->nonce_base + notation_number(word + 1) - 1;
}

static void write_nonce(struct notation *notation, const struct core_message *message, struct text *text)
{
    bool asks = message->type == CORE_READ_INDEX || message->type == CORE_HELLO;
    if (asks && notation->nonce_base == 0) notation->nonce_base = message->token;
    uint64_t since = message->token - notation->nonce_base;
    if (notation->nonce_base != 0 && since < 1000) text_printf(text, " nonce #%" PRIu64, since + 1);
    else text_printf(text, " nonce %" PRIu64, message->token);
}

static void read_entries(struct notation *notation, struct notation_line *line, struct core_message *message)
{
    struct log_position before = message->position;
    forget_entries(notation);
    memset(notation->entries, 0, sizeof notation->entries);
    message->entries = notation->entries;
    for (const char *word = notation_next(line); *word != '\0'; word = notation_next(line)) {
        CHECK(message->entry_count < NOTATION_ENTRIES_MAX);
        struct raft_entry *entry = &notation->entries[message->entry_count++];
        *entry = notation_entry(word, &before);
        if (!text_ends_with(word, "!")) notation_learn(notation, entry);
    }
}

static bool is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

static bool read_verdict(const char *word, struct core_message *message)
{
    for (int verdict = CORE_VERDICT_OK; verdict <= CORE_VERDICT_VERSION; verdict++) {
        if (!is(word, core_verdict_name((enum core_verdict)verdict))) continue;
        message->verdict = (enum core_verdict)verdict;
        return true;
    }
    return false;
}

/* A word that stands alone, or one that is followed by its value. false: neither. */
static bool read_field(struct notation *notation, struct notation_line *line, const char *word,
                       struct core_message *message)
{
    if (is(word, "granted") || is(word, "ok")) message->granted = true;
    else if (is(word, "refused")) message->granted = false;
    else if (is(word, "transfer")) message->transfer = true;
    else if (is(word, "term")) message->term = notation_number(notation_next(line));
    else if (is(word, "to")) message->to = notation_number(notation_next(line));
    else if (is(word, "commit") || is(word, "index")) message->commit = notation_number(notation_next(line));
    else if (is(word, "match")) message->match = notation_number(notation_next(line));
    else if (is(word, "at")) message->position.index = notation_number(notation_next(line));
    else if (is(word, "leads")) message->leads = true;
    else if (is(word, "version")) message->version = (uint32_t)notation_number(notation_next(line));
    else if (read_verdict(word, message)) return true;
    else if (is(word, "token")) message->token = notation_number(notation_next(line));
    else if (is(word, "nonce")) message->token = read_nonce(notation, notation_next(line));
    else if (is(word, "hint")) message->hint = notation_position(notation, notation_next(line));
    else if (is(word, "last") || is(word, "after"))
        message->position = notation_position(notation, notation_next(line));
    else if (is(word, "entries")) read_entries(notation, line, message);
    else return false;
    return true;
}

void notation_read_message(struct notation *notation, struct notation_line *line,
                           struct core_message *out_message)
{
    const char *name = notation_next(line);
    for (int type = CORE_PREVOTE; type < CORE_MESSAGE_TYPE_COUNT; type++) {
        if (is(name, core_message_type_name((enum core_message_type)type))) {
            out_message->type = (enum core_message_type)type;
        }
    }
    CHECK(out_message->type != 0);
    for (const char *word = notation_next(line); *word != '\0'; word = notation_next(line)) {
        bool known = read_field(notation, line, word, out_message);
        if (!known) (void)fprintf(stderr, "unknown word '%s'\n", word);
        CHECK(known);
    }
    bool no_chain = out_message->type != CORE_APPEND;
    if (no_chain) out_message->position.chain = 0;
    if (out_message->type == CORE_HELLO && out_message->version == 0) out_message->version = CORE_VERSION;
}

static void write_place(const char *name, const struct log_position *position, struct text *text)
{
    text_printf(text, " %s %" PRIu64 "/%" PRIu64, name, position->index, position->term);
}

void notation_write_message(struct notation *notation, const struct core_message *message, struct text *text)
{
    text_printf(text, "%s term %" PRIu64, core_message_type_name(message->type), message->term);
    switch (message->type) {
    case CORE_PREVOTE:
    case CORE_VOTE:
        write_place("last", &message->position, text);
        if (message->transfer) text_add(text, " transfer");
        break;
    case CORE_PREVOTE_REPLY:
    case CORE_VOTE_REPLY: text_add(text, message->granted ? " granted" : " refused"); break;
    case CORE_APPEND:
        write_place("after", &message->position, text);
        text_printf(text, " commit %" PRIu64, message->commit);
        write_entries(message->entries, message->entry_count, text);
        break;
    case CORE_APPEND_REPLY:
        if (message->granted) {
            text_printf(text, " ok match %" PRIu64, message->match);
        } else {
            text_printf(text, " refused at %" PRIu64, message->position.index);
            write_place("hint", &message->hint, text);
        }
        break;
    case CORE_HEARTBEAT:
        text_printf(text, " commit %" PRIu64 " token %" PRIu64, message->commit, message->token);
        break;
    case CORE_HEARTBEAT_REPLY: text_printf(text, " token %" PRIu64, message->token); break;
    case CORE_READ_INDEX: write_nonce(notation, message, text); break;
    case CORE_READ_INDEX_REPLY:
        write_nonce(notation, message, text);
        text_printf(text, " index %" PRIu64, message->commit);
        break;
    case CORE_HELLO:
        write_nonce(notation, message, text);
        write_place("last", &message->position, text);
        text_printf(text, " commit %" PRIu64, message->commit);
        break;
    case CORE_HELLO_REPLY:
        write_nonce(notation, message, text);
        text_printf(text, " %s", core_verdict_name(message->verdict));
        if (message->verdict == CORE_VERDICT_LOST) text_printf(text, " match %" PRIu64, message->match);
        if (message->leads) text_add(text, " leads");
        break;
    default: break;
    }
}

/* --- actions --- */

static void write_persist(const struct core_persist *persist, struct text *text)
{
    text_printf(text, "PERSIST %" PRIu64, persist->sequence);
    if (persist->hard_changed) {
        text_printf(text, " term %" PRIu64 " vote %" PRIu64, persist->hard.term, persist->hard.vote);
    }
    if (persist->truncate_from != 0) text_printf(text, " truncate %" PRIu64, persist->truncate_from);
    write_entries(persist->entries, persist->entry_count, text);
}

static void write_role(const struct core_role_changed *role, struct text *text)
{
    text_printf(text, "ROLE %s term %" PRIu64 " leader %" PRIu64 "%s", core_role_name(role->role), role->term,
                role->leader, role->ready ? " ready" : "");
}

static void write_install(const struct core_install *install, struct text *text)
{
    text_printf(text, "INSTALL %" PRIu64, install->sequence);
    write_place("snapshot", &install->snapshot.position, text);
    text_add(text, " config");
    write_members(&install->snapshot.configuration.configuration, text);
    text_add(text, install->keep_log ? " keeps the log" : " drops the log");
}

static void write_position(const char *what, const struct log_position *position, struct text *text)
{
    text_printf(text, "%s %" PRIu64 "/%" PRIu64, what, position->index, position->term);
}

static void write_wider_action(const struct core_action *action, struct text *text)
{
    switch (action->type) {
    case CORE_ACTION_CONFIGURED:
        text_printf(text, "CONFIGURED %" PRIu64 "%s%s", action->configured.index,
                    action->configured.joint ? " joint" : "",
                    action->configured.committed ? " committed" : "");
        break;
    case CORE_ACTION_CHECKPOINT_DUE: text_add(text, "CHECKPOINT_DUE"); break;
    case CORE_ACTION_SNAPSHOT_SEND: text_printf(text, "SNAPSHOT_SEND to %" PRIu64, action->replica); break;
    case CORE_ACTION_SNAPSHOT_ASK: text_printf(text, "SNAPSHOT_ASK of %" PRIu64, action->replica); break;
    case CORE_ACTION_SNAPSHOT_ACCEPT: write_position("SNAPSHOT_ACCEPT", &action->position, text); break;
    case CORE_ACTION_SNAPSHOT_IGNORE: write_position("SNAPSHOT_IGNORE", &action->position, text); break;
    case CORE_ACTION_SNAPSHOT_CANCEL: write_position("SNAPSHOT_CANCEL", &action->position, text); break;
    case CORE_ACTION_RELOAD: write_position("RELOAD", &action->position, text); break;
    case CORE_ACTION_INSTALL: write_install(&action->install, text); break;
    default: text_add(text, "?"); break;
    }
}

void notation_write_action(struct notation *notation, const struct core_action *action, struct text *text)
{
    switch (action->type) {
    case CORE_ACTION_PERSIST: write_persist(&action->persist, text); break;
    case CORE_ACTION_READ_LOG:
        text_printf(text, "READ_LOG %" PRIu64 " from %" PRIu64 " to %" PRIu64, action->read_log.tag,
                    action->read_log.from, action->read_log.to);
        break;
    case CORE_ACTION_SEND:
        text_printf(text, "SEND %" PRIu64 " ", action->send.to);
        notation_write_message(notation, &action->send, text);
        break;
    case CORE_ACTION_APPLY:
        text_printf(text, "APPLY %" PRIu64 "-%" PRIu64 "%s", action->apply.from, action->apply.to,
                    action->apply.entries == NULL ? " from log" : "");
        break;
    case CORE_ACTION_PROPOSED:
        text_printf(text, "PROPOSED %" PRIu64 " at %" PRIu64 "/%" PRIu64, action->proposed.tag,
                    action->proposed.index, action->proposed.term);
        break;
    case CORE_ACTION_READ_OK:
        text_printf(text, "READ_OK %" PRIu64 " at %" PRIu64, action->read_ok.tag, action->read_ok.index);
        break;
    case CORE_ACTION_REJECT:
        text_printf(text, "REJECT %" PRIu64 " %s leader %" PRIu64, action->reject.tag,
                    status_name(action->reject.status), action->reject.leader);
        break;
    case CORE_ACTION_ROLE_CHANGED: write_role(&action->role_changed, text); break;
    case CORE_ACTION_STOP: text_printf(text, "STOP %s", core_stop_name(action->stop)); break;
    default: write_wider_action(action, text); break;
    }
}
