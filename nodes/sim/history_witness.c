/* history_witness: real time by one sweep; then everything replayed in the order of revisions; then what was
 * refused, by the values that its keys held meanwhile.
 *
 * What is unknown is given the benefit of the doubt: a write that nobody saw is left out, unless it explains
 * a refusal; one that was not seen by its revision is placed where a key turned out to hold what it wrote. */
#include "nodes/sim/history_witness.h"

#include "nodes/sim/history_index.h"
#include "runtime/base/memory.h"

#include <stdlib.h>

struct change { /* Of one key, in the order of revisions. */
    uint64_t revision;
    uint64_t value;
};
struct key_state {
    uint64_t value;
    uint64_t revision;
    struct change *changes;
    uint32_t change_count, change_room;
    uint32_t *doubtful; /* Operations of unknown outcome that may have written it, unplaced. */
    uint32_t doubtful_count, doubtful_room;
};

struct step {
    uint64_t revision;
    bool writes;
    uint32_t op;
};

struct witness {
    const struct history *history;
    struct history_index index;
    struct step *steps;
    uint32_t step_count;
    struct key_state *keys;
    uint64_t *floors;   /* By operation: the largest revision that had returned before it began. */
    uint64_t *ceilings; /* The smallest revision of one that began after it returned. */
    bool *placed;       /* By operation: a doubtful one that took a place. */
    struct error *error;
};

/* --- life --- */

static void witness_fini(struct witness *witness)
{
    for (uint32_t i = 0; i < witness->history->key_count; i++) {
        memory_free(witness->keys[i].changes);
        memory_free(witness->keys[i].doubtful);
    }
    memory_free(witness->keys);
    memory_free(witness->steps);
    memory_free(witness->floors);
    memory_free(witness->ceilings);
    memory_free(witness->placed);
    history_index_fini(&witness->index);
}

static bool op_writes(const struct history *history, const struct history_op *op)
{
    for (uint32_t i = 0; i < op->part_count; i++) {
        if (history_writes(&history->parts[op->part_first + i])) return true;
    }
    return false;
}

static void doubt(struct witness *witness, uint32_t op)
{
    const struct history_op *doubted = &witness->history->ops[op];
    for (uint32_t i = 0; i < doubted->part_count; i++) {
        const struct history_part *part = &witness->history->parts[doubted->part_first + i];
        struct key_state *key = &witness->keys[part->key];
        if (!history_writes(part)) continue;
        key->doubtful =
            history_room(key->doubtful, key->doubtful_count, &key->doubtful_room, sizeof *key->doubtful);
        key->doubtful[key->doubtful_count++] = op;
    }
}

/* Writes first: a read at a revision sees what that revision wrote. */
static int by_revision(const void *a, const void *b)
{
    const struct step *left = a;
    const struct step *right = b;
    if (left->revision != right->revision) return left->revision < right->revision ? -1 : 1;
    if (left->writes != right->writes) return left->writes ? -1 : 1;
    return left->op < right->op ? -1 : left->op > right->op;
}

static void take_op(struct witness *witness, uint32_t number)
{
    const struct history_op *op = &witness->history->ops[number];
    bool writes = op_writes(witness->history, op);
    uint64_t revision = writes ? witness->index.revisions[number] : op->revision;
    bool known = op->outcome == HISTORY_OK || (op->outcome == HISTORY_UNKNOWN && writes && revision != 0);
    if (op->outcome == HISTORY_UNKNOWN && writes && revision == 0) doubt(witness, number);
    if (!known) return;
    witness->steps[witness->step_count++] =
        (struct step){ .revision = revision, .writes = writes, .op = number };
}

static enum status witness_init(struct witness *witness, const struct history *history, struct error *error)
{
    *witness = (struct witness){ .history = history, .error = error };
    witness->keys = memory_array(history->key_count + 1, sizeof *witness->keys);
    witness->steps = memory_array(history->op_count + 1, sizeof *witness->steps);
    witness->floors = memory_array(history->op_count + 1, sizeof *witness->floors);
    witness->ceilings = memory_array(history->op_count + 1, sizeof *witness->ceilings);
    witness->placed = memory_array(history->op_count + 1, sizeof *witness->placed);
    enum status status = history_index_init(&witness->index, history, HISTORY_TRUST_REVISIONS, error);
    for (uint32_t i = 0; i < history->op_count; i++)
        take_op(witness, i);
    if (witness->step_count > 0) qsort(witness->steps, witness->step_count, sizeof(struct step), by_revision);
    return status;
}

/* --- real time --- */

struct moment {
    int64_t ns;
    uint32_t op;
};

static int by_time(const void *a, const void *b)
{
    const struct moment *left = a;
    const struct moment *right = b;
    if (left->ns != right->ns) return left->ns < right->ns ? -1 : 1;
    return left->op < right->op ? -1 : left->op > right->op;
}

/* What bounds others: answered, not of the past, and it told a revision. */
static bool is_anchored(const struct history_op *op)
{
    return op->outcome == HISTORY_OK && !op->past;
}

/* Equal times count as overlapping: a clock is no finer than its unit. */
static void sweep(struct witness *witness)
{
    const struct history *history = witness->history;
    uint32_t count = history->op_count;
    struct moment *calls = memory_array(count + 1, sizeof *calls);
    struct moment *returns = memory_array(count + 1, sizeof *returns);
    for (uint32_t i = 0; i < count; i++) {
        calls[i] = (struct moment){ .ns = history->ops[i].call_ns, .op = i };
        returns[i] = (struct moment){ .ns = history->ops[i].return_ns, .op = i };
    }
    qsort(calls, count, sizeof *calls, by_time);
    qsort(returns, count, sizeof *returns, by_time);
    uint64_t largest = 0;
    for (uint32_t c = 0, r = 0; c < count; c++) {
        for (; r < count && returns[r].ns < calls[c].ns; r++) {
            const struct history_op *op = &history->ops[returns[r].op];
            if (is_anchored(op) && op->revision > largest) largest = op->revision;
        }
        witness->floors[calls[c].op] = largest;
    }
    uint64_t smallest = UINT64_MAX;
    for (uint32_t r = count, c = count; r > 0; r--) {
        for (; c > 0 && calls[c - 1].ns > returns[r - 1].ns; c--) {
            uint32_t number = calls[c - 1].op;
            const struct history_op *op = &history->ops[number];
            bool writes = op_writes(history, op);
            uint64_t revision = writes ? witness->index.revisions[number] : op->revision;
            bool bounds = is_anchored(op) || (writes && revision != 0);
            /* A write is where its revision begins: what came before it saw at most the one before. */
            if (bounds && revision - writes < smallest) smallest = revision - writes;
        }
        witness->ceilings[returns[r - 1].op] = smallest;
    }
    memory_free(calls);
    memory_free(returns);
}

static enum status check_time(const struct witness *witness, const struct step *step)
{
    const struct history_op *op = &witness->history->ops[step->op];
    uint64_t floor = op->past ? 0 : witness->floors[step->op];
    char story[HISTORY_STORY_MAX];
    if (step->revision < floor || (step->writes && step->revision == floor && floor != 0))
        return error_set(witness->error, STATUS_CORRUPT, "%s began when revision %llu had already been told",
                         history_tell(witness->history, step->op, story), (unsigned long long)floor);
    if (step->revision < op->after)
        return error_set(witness->error, STATUS_CORRUPT, "%s was to see revision %llu",
                         history_tell(witness->history, step->op, story), (unsigned long long)op->after);
    return STATUS_OK;
}

/* --- replay --- */

static void change(struct key_state *key, uint64_t value, uint64_t revision)
{
    key->value = value;
    key->revision = value == 0 ? 0 : revision;
    key->changes = history_room(key->changes, key->change_count, &key->change_room, sizeof *key->changes);
    key->changes[key->change_count++] = (struct change){ .revision = revision, .value = value };
}

static bool place_doubtful(struct witness *witness, uint32_t key_number, uint64_t value,
                           const struct step *step);

/* Lets an operation of unknown outcome take place right before this step, and before it others of that kind
 * that it requires. false: it can't have. */
static bool take_place(struct witness *witness, uint32_t number, const struct step *step)
{
    const struct history *history = witness->history;
    const struct history_op *op = &history->ops[number];
    bool in_time =
        op->call_ns <= history->ops[step->op].return_ns && witness->floors[number] < step->revision;
    if (witness->placed[number] || !in_time) return false;
    witness->placed[number] = true;
    for (uint32_t i = 0; i < 2 * op->part_count; i++) { /* Twice, as in replay_step. */
        const struct history_part *part = &history->parts[op->part_first + i % op->part_count];
        bool holds = !part->compares || witness->keys[part->key].value == part->expected ||
                     place_doubtful(witness, part->key, part->expected, step);
        if (holds) continue;
        witness->placed[number] = false;
        return false;
    }
    for (uint32_t i = 0; i < op->part_count; i++) {
        const struct history_part *part = &history->parts[op->part_first + i];
        if (history_writes(part))
            change(&witness->keys[part->key], part->value, step->revision - step->writes);
    }
    return true;
}

static bool gives(const struct history *history, uint32_t number, uint32_t key, uint64_t value)
{
    const struct history_op *op = &history->ops[number];
    for (uint32_t i = 0; i < op->part_count; i++) {
        const struct history_part *part = &history->parts[op->part_first + i];
        if (part->key == key && history_writes(part) && part->value == value) return true;
    }
    return false;
}

/* The key holds what no known write gave it: one of unknown outcome did, if one had begun by then. Of those
 * that will do, the one that began last: it is of least use to others. */
static bool place_doubtful(struct witness *witness, uint32_t key_number, uint64_t value,
                           const struct step *step)
{
    const struct key_state *key = &witness->keys[key_number];
    for (uint32_t i = key->doubtful_count; i > 0; i--) { /* They lie in the order of their calls. */
        uint32_t number = key->doubtful[i - 1];
        if (gives(witness->history, number, key_number, value) && take_place(witness, number, step))
            return true;
    }
    return false;
}

static enum status expect(struct witness *witness, const struct step *step, uint32_t key, uint64_t value)
{
    struct key_state *state = &witness->keys[key];
    if (state->value == value || place_doubtful(witness, key, value, step)) return STATUS_OK;
    char story[HISTORY_STORY_MAX];
    return error_set(witness->error, STATUS_CORRUPT,
                     "%s found %llx, but the value there was %llx, of revision %llu",
                     history_tell(witness->history, step->op, story), (unsigned long long)value,
                     (unsigned long long)state->value, (unsigned long long)state->revision);
}

static enum status replay_part(struct witness *witness, const struct step *step,
                               const struct history_part *part)
{
    enum status status = STATUS_OK;
    if (part->compares) status = expect(witness, step, part->key, part->expected);
    if (status != STATUS_OK || part->effect != HISTORY_READS) return status;
    status = expect(witness, step, part->key, part->value);
    const struct key_state *state = &witness->keys[part->key];
    if (status != STATUS_OK || part->revision == 0 || part->revision == state->revision) return status;
    char story[HISTORY_STORY_MAX];
    return error_set(witness->error, STATUS_CORRUPT,
                     "%s was told that the record is of revision %llu, not %llu",
                     history_tell(witness->history, step->op, story), (unsigned long long)part->revision,
                     (unsigned long long)state->revision);
}

static enum status replay_step(struct witness *witness, uint32_t at)
{
    const struct history *history = witness->history;
    const struct step *step = &witness->steps[at];
    const struct history_op *op = &history->ops[step->op];
    char story[HISTORY_STORY_MAX];
    if (step->writes && at > 0 && witness->steps[at - 1].writes &&
        witness->steps[at - 1].revision == step->revision)
        return error_set(witness->error, STATUS_CORRUPT, "K2: %s has the revision of another write",
                         history_tell(history, step->op, story));
    enum status status = check_time(witness, step);
    /* Twice: what the first pass let take place for one key must not have changed another. */
    for (uint32_t i = 0; i < 2 * op->part_count && status == STATUS_OK; i++)
        status = replay_part(witness, step, &history->parts[op->part_first + i % op->part_count]);
    for (uint32_t i = 0; i < op->part_count && status == STATUS_OK; i++) {
        const struct history_part *part = &history->parts[op->part_first + i];
        if (history_writes(part)) change(&witness->keys[part->key], part->value, step->revision);
    }
    return status;
}

/* --- what was refused --- */

/* The first revision from `from` on at which the key held something else; UINT64_MAX: none. */
static uint64_t first_other(const struct key_state *key, uint64_t expected, uint64_t from)
{
    uint32_t low = 0;
    for (uint32_t high = key->change_count; low < high;) { /* The first change after `from`. */
        uint32_t middle = low + (high - low) / 2;
        if (key->changes[middle].revision <= from) low = middle + 1;
        else high = middle;
    }
    uint64_t value = low == 0 ? 0 : key->changes[low - 1].value;
    if (value != expected) return from;
    for (; low < key->change_count; low++) {
        if (key->changes[low].value != expected) return key->changes[low].revision;
    }
    return UINT64_MAX;
}

static bool may_be_doubted(const struct witness *witness, const struct key_state *key,
                           const struct history_op *op)
{
    for (uint32_t i = 0; i < key->doubtful_count; i++) {
        if (witness->history->ops[key->doubtful[i]].call_ns <= op->return_ns) return true;
    }
    return false;
}

/* Each refusal took place at a revision too: at the first that will do, and not before one that had been told
 * before it began. *out_revision: that, or 0 where an operation of unknown outcome may explain it. */
static enum status place_refusal(const struct witness *witness, uint32_t number, uint64_t floor,
                                 uint64_t *out_revision)
{
    const struct history_op *op = &witness->history->ops[number];
    uint64_t first = UINT64_MAX;
    *out_revision = 0;
    for (uint32_t i = 0; i < op->part_count; i++) {
        const struct history_part *part = &witness->history->parts[op->part_first + i];
        const struct key_state *key = &witness->keys[part->key];
        if (!part->compares) continue;
        if (may_be_doubted(witness, key, op)) return STATUS_OK;
        uint64_t other = first_other(key, part->expected, floor);
        if (other < first) first = other;
    }
    *out_revision = first;
    if (first <= witness->ceilings[number] && first != UINT64_MAX) return STATUS_OK;
    char story[HISTORY_STORY_MAX];
    return error_set(witness->error, STATUS_CORRUPT, "K7: %s was refused, though all that it required held",
                     history_tell(witness->history, number, story));
}

static enum status check_refusals(struct witness *witness)
{
    const struct history *history = witness->history;
    struct moment *calls = memory_array(history->op_count + 1, sizeof *calls);
    struct moment *returns = memory_array(history->op_count + 1, sizeof *returns);
    uint64_t *revisions = memory_array(history->op_count + 1, sizeof *revisions);
    uint32_t count = 0;
    for (uint32_t i = 0; i < history->op_count; i++) {
        if (history->ops[i].outcome != HISTORY_REFUSED) continue;
        calls[count] = (struct moment){ .ns = history->ops[i].call_ns, .op = i };
        returns[count++] = (struct moment){ .ns = history->ops[i].return_ns, .op = i };
    }
    qsort(calls, count, sizeof *calls, by_time);
    qsort(returns, count, sizeof *returns, by_time);
    enum status status = STATUS_OK;
    uint64_t largest = 0; /* Of the refusals that had been told. */
    for (uint32_t c = 0, r = 0; c < count && status == STATUS_OK; c++) {
        for (; r < count && returns[r].ns < calls[c].ns; r++) {
            if (revisions[returns[r].op] > largest) largest = revisions[returns[r].op];
        }
        uint32_t number = calls[c].op;
        uint64_t floor = witness->floors[number] > largest ? witness->floors[number] : largest;
        status = place_refusal(witness, number, floor, &revisions[number]);
    }
    memory_free(calls);
    memory_free(returns);
    memory_free(revisions);
    return status;
}

enum status history_witness_check(const struct history *history, struct error *error)
{
    struct witness witness;
    enum status status = witness_init(&witness, history, error);
    if (status == STATUS_OK) sweep(&witness);
    for (uint32_t i = 0; i < witness.step_count && status == STATUS_OK; i++)
        status = replay_step(&witness, i);
    if (status == STATUS_OK) status = check_refusals(&witness);
    witness_fini(&witness);
    if (status != STATUS_OK) (void)error_wrap(error, "revision witness");
    return status;
}
