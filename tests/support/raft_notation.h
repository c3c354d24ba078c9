/* raft_notation: entries, messages and actions of the Raft core as words, both ways, for scripts. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_NOTATION_H
#define AETHER_TESTS_SUPPORT_RAFT_NOTATION_H

#include "tests/support/raft_disk.h"

#include "runtime/base/text.h"

enum { NOTATION_WORDS_MAX = 64, NOTATION_ENTRIES_MAX = 32 };

struct notation_line { /* One line, cut at its spaces. */
    char buffer[1024];
    char *words[NOTATION_WORDS_MAX];
    uint32_t count;
    uint32_t at; /* Of the next word. */
};

/* What the words refer to: every entry ever seen, by index and term, so that "3/2" has a chain. */
struct notation {
    struct raft_log known;
    uint64_t nonce_base;                             /* The core's first nonce, written #1. */
    struct raft_entry entries[NOTATION_ENTRIES_MAX]; /* Of the message read last. */
};

void notation_fini(struct notation *notation);
void notation_cut(struct notation_line *line, const char *text);
const char *notation_next(struct notation_line *line); /* "" at the end. */
uint64_t notation_number(const char *word);            /* CHECKs that it is one: scripts are ours. */

void notation_learn(struct notation *notation, const struct raft_entry *entry);
/* "3/2": index and term; "3/2!" the same with another chain. */
struct log_position notation_position(const struct notation *notation, const char *word);
/* "3/2" a command, "3/2:no-op", "3/2:"text"", "3/2:config(1,2,3L)"; "!" at the end: damaged. Its payload is
 * the caller's. */
struct raft_entry notation_entry(const char *word, struct log_position *before);
/* "(1,2,3L|1,3,4)": members; L a learner; after | the outgoing voters of a joint configuration: 1 stays a
 * voter, 3 becomes a learner, 4 leaves. */
void notation_members(const char *word, struct configuration *out_configuration);

/* "APPEND term 3 after 2/1 commit 1 entries 3/3"; the entries live in the notation until the next call. */
void notation_read_message(struct notation *notation, struct notation_line *line,
                           struct core_message *out_message);
void notation_write_message(struct notation *notation, const struct core_message *message, struct text *text);
void notation_write_action(struct notation *notation, const struct core_action *action, struct text *text);

#endif
