/* founding: who asks whom, when the lowest name may found, and when a node asks to be let in (consensus.md
 * I2).
 *
 * Why it happens once: only the lowest name of a list founds, only after everybody listed said that it is
 * empty and has the same list, and it stores index 1 before anybody hears of it. A founder that dies before
 * that leaves everybody empty; one that dies after it is not empty any more when it comes back. */
#include "actors/consensus/founding.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"

#include <string.h>

static struct founding_contact *find_contact(struct founding *founding, const char *name)
{
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        if (strcmp(founding->contacts[i].name, name) == 0) return &founding->contacts[i];
    }
    return NULL;
}

static enum status add_contact(struct founding *founding, const char *name, bool listed, struct error *error)
{
    if (strcmp(name, founding->self) == 0 || find_contact(founding, name) != NULL) return STATUS_OK;
    if (founding->contact_count == FOUNDING_CONTACTS_MAX) {
        return error_set(error, STATUS_INVALID, "more than %d peers", FOUNDING_CONTACTS_MAX);
    }
    struct founding_contact *contact = &founding->contacts[founding->contact_count];
    if (name[0] == '\0' || !text_copy(contact->name, sizeof contact->name, name)) {
        return error_set(error, STATUS_INVALID, "\"%s\" is no node name", name);
    }
    contact->listed = listed;
    contact->ticks_left = 0;
    founding->contact_count++;
    return STATUS_OK;
}

static enum status add_listed(struct founding *founding, const char *name, struct error *error)
{
    uint32_t at = 0;
    while (at < founding->list_count && strcmp(founding->list[at], name) < 0)
        at++;
    if (at < founding->list_count && strcmp(founding->list[at], name) == 0) {
        return error_set(error, STATUS_INVALID, "bootstrap names %s twice", name);
    }
    char entry[CONFIGURATION_NAME_MAX];
    if (name[0] == '\0' || !text_copy(entry, sizeof entry, name)) {
        return error_set(error, STATUS_INVALID, "\"%s\" is no node name", name);
    }
    memmove(founding->list[at + 1], founding->list[at],
            (founding->list_count - at) * sizeof founding->list[0]);
    memcpy(founding->list[at], entry, sizeof entry);
    founding->list_count++;
    return add_contact(founding, name, true, error);
}

static bool lists_self(const struct founding *founding)
{
    for (uint32_t i = 0; i < founding->list_count; i++) {
        if (strcmp(founding->list[i], founding->self) == 0) return true;
    }
    return false;
}

enum status founding_init(struct founding *founding, const struct founding_options *options,
                          struct error *error)
{
    CHECK(options->replica != 0);
    memset(founding, 0, sizeof *founding);
    if (!text_copy(founding->self, sizeof founding->self, options->node) || founding->self[0] == '\0') {
        return error_set(error, STATUS_INVALID, "\"%s\" is no node name", options->node);
    }
    founding->replica = options->replica;
    founding->member_of = options->member_of;
    if (options->bootstrap_count > FOUNDING_LIST_MAX) {
        return error_set(error, STATUS_INVALID, "bootstrap names %u nodes, at most %d can vote",
                         options->bootstrap_count, FOUNDING_LIST_MAX);
    }
    if (options->bootstrap_count > 0 && options->bootstrap_count % 2 == 0) {
        return error_set(error, STATUS_INVALID, "bootstrap names %u nodes; it takes 1, 3, 5 or 7",
                         options->bootstrap_count);
    }
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < options->bootstrap_count && status == STATUS_OK; i++) {
        status = add_listed(founding, options->bootstrap[i], error);
    }
    for (uint32_t i = 0; i < options->peer_count && status == STATUS_OK; i++) {
        status = add_contact(founding, options->peers[i], false, error);
    }
    return status;
}

bool founding_lists_agree(const struct founding *founding, const char *const *list, size_t count)
{
    if (count == 0 || founding->list_count == 0) return true;
    if (count != founding->list_count) return false;
    for (uint32_t i = 0; i < founding->list_count; i++) {
        if (strcmp(founding->list[i], list[i]) != 0) return false;
    }
    return true;
}

/* I2: all listed answered, all empty, one list, and we are its lowest name. I3: who belonged to a cluster
 * founds no other. */
static bool may_found(const struct founding *founding)
{
    if (founding->phase != FOUNDING_ASKING || founding->member_of != 0) return false;
    if (!lists_self(founding) || strcmp(founding->list[0], founding->self) != 0) return false;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        const struct founding_contact *contact = &founding->contacts[i];
        if (contact->differs || contact->cluster_id != 0) return false;
        if (contact->listed && !contact->answered) return false;
    }
    return true;
}

static void found(struct founding *founding, uint64_t cluster_id, struct founding_step *step)
{
    CHECK(cluster_id != 0);
    memset(&founding->configuration, 0, sizeof founding->configuration);
    enum status status = configuration_add(&founding->configuration, founding->replica, founding->self, true);
    for (uint32_t i = 0; i < founding->contact_count && status == STATUS_OK; i++) {
        const struct founding_contact *contact = &founding->contacts[i];
        if (!contact->listed) continue;
        status = configuration_add(&founding->configuration, contact->replica, contact->name, true);
    }
    if (status != STATUS_OK) { /* Two nodes say that they have one replica id: a copied directory. */
        for (uint32_t i = 0; i < founding->contact_count; i++)
            founding->contacts[i].answered = false;
        return;
    }
    founding->cluster_id = cluster_id;
    founding->phase = FOUNDING_STORING;
    step->store = true;
}

/* I2: who is not empty is joined, and I3: no other cluster than our own. */
static bool may_join(struct founding *founding, const struct founding_contact *contact,
                     struct founding_step *step)
{
    if (contact->cluster_id == 0 || founding->joining) return false;
    if (founding->member_of != 0) return contact->cluster_id == founding->member_of;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        uint64_t other = founding->contacts[i].cluster_id;
        if (other == 0 || other == contact->cluster_id) continue;
        step->divided = step->divided || !founding->divided;
        founding->divided = true;
        return false;
    }
    return true;
}

/* It is asked again first: who belongs to a cluster that was founded with us hands us index 1 then. */
static void ask_or_join(struct founding *founding, uint32_t at, struct founding_step *step)
{
    struct founding_contact *contact = &founding->contacts[at];
    if (!may_join(founding, contact, step)) {
        step->ask |= UINT32_C(1) << at;
        return;
    }
    founding->joining = true;
    step->join = contact;
}

struct founding_step founding_on_tick(struct founding *founding, uint64_t random)
{
    struct founding_step step = { 0 };
    if (founding->phase == FOUNDING_DONE) return step;
    if (founding->list_count == 1 && may_found(founding)) {
        found(founding, random, &step);
        return step;
    }
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        struct founding_contact *contact = &founding->contacts[i];
        if (contact->ticks_left > 0) {
            contact->ticks_left--;
            continue;
        }
        contact->ticks_left = FOUNDING_PERIOD_TICKS - 1;
        if (founding->phase == FOUNDING_ASKING) ask_or_join(founding, i, &step);
        if (founding->phase == FOUNDING_SPREADING && contact->listed && !contact->holds) {
            step.hand |= UINT32_C(1) << i;
        }
    }
    return step;
}

struct founding_step founding_on_peer_up(struct founding *founding, const char *name)
{
    struct founding_step step = { 0 };
    struct founding_contact *contact = find_contact(founding, name);
    if (contact == NULL) return step;
    uint32_t bit = UINT32_C(1) << (contact - founding->contacts);
    contact->ticks_left = FOUNDING_PERIOD_TICKS;
    if (founding->phase == FOUNDING_ASKING) step.ask = bit;
    if (founding->phase == FOUNDING_SPREADING && contact->listed && !contact->holds) step.hand = bit;
    return step;
}

struct founding_step founding_on_answer(struct founding *founding, const struct founding_answer *answer,
                                        uint64_t random)
{
    struct founding_step step = { 0 };
    struct founding_contact *contact = find_contact(founding, answer->node);
    if (contact == NULL || founding->phase != FOUNDING_ASKING) return step;
    bool news = contact->cluster_id != answer->cluster_id;
    contact->cluster_id = answer->cluster_id;
    if (contact->cluster_id != 0) { /* It hands us index 1 if we are in it; we can't found any more. */
        contact->answered = false;
        if (news) contact->ticks_left = FOUNDING_PERIOD_TICKS; /* Else we ask to be let in. */
        return step;
    }
    bool differs = !founding_lists_agree(founding, answer->list, answer->list_count);
    if (differs && !contact->differs) step.differing = contact;
    contact->differs = differs;
    contact->answered = !differs && answer->replica != 0;
    contact->replica = answer->replica;
    if (may_found(founding)) found(founding, random, &step);
    return step;
}

enum status founding_on_handed(struct founding *founding, uint64_t cluster_id,
                               const struct configuration *configuration, struct error *error)
{
    if (founding->phase != FOUNDING_ASKING) {
        MARK("founding.handed_twice");
        return error_set(error, STATUS_CONFLICT, "this node holds an entry already");
    }
    if (cluster_id == 0) return error_set(error, STATUS_INVALID, "a cluster without an id");
    if (founding->member_of != 0 && founding->member_of != cluster_id) {
        return error_set(error, STATUS_CONFLICT, "this node belongs to cluster %016llx, not to %016llx",
                         (unsigned long long)founding->member_of, (unsigned long long)cluster_id);
    }
    const struct configuration_member *self = configuration_find(configuration, founding->replica);
    if (self == NULL || strcmp(self->name, founding->self) != 0) {
        return error_set(error, STATUS_CONFLICT, "cluster %016llx was founded without this replica",
                         (unsigned long long)cluster_id);
    }
    founding->cluster_id = cluster_id;
    founding->configuration = *configuration;
    founding->phase = FOUNDING_ADOPTING;
    MARK("founding.adopts");
    return STATUS_OK;
}

bool founding_on_joined(struct founding *founding, uint64_t cluster_id)
{
    founding->joining = false;
    if (founding->phase != FOUNDING_ASKING || cluster_id == 0) return false;
    if (founding->member_of != 0 && founding->member_of != cluster_id) return false;
    founding->cluster_id = cluster_id;
    founding->joined = true;
    founding->phase = FOUNDING_ENTERING;
    return true;
}

void founding_on_not_joined(struct founding *founding)
{
    founding->joining = false;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        struct founding_contact *contact = &founding->contacts[i];
        if (contact->cluster_id == 0) continue;
        contact->cluster_id = 0; /* Things may have changed: first it is asked again who it is. */
        contact->ticks_left = FOUNDING_REJOIN_TICKS;
    }
}

static uint32_t holder_count(const struct founding *founding)
{
    uint32_t count = 1; /* Ourselves. */
    for (uint32_t i = 0; i < founding->contact_count; i++)
        count += founding->contacts[i].holds;
    return count;
}

static void finish_if_majority(struct founding *founding, struct founding_step *step)
{
    if (founding->phase != FOUNDING_SPREADING) return;
    if (2 * holder_count(founding) <= founding->list_count) return;
    founding->phase = FOUNDING_DONE;
    step->done = true;
    step->founder = true; /* E10 */
}

struct founding_step founding_on_stored(struct founding *founding)
{
    struct founding_step step = { 0 };
    if (founding->phase == FOUNDING_ADOPTING || founding->phase == FOUNDING_ENTERING) {
        founding->phase = FOUNDING_DONE;
        step.done = true;
        return step;
    }
    CHECK(founding->phase == FOUNDING_STORING);
    founding->phase = FOUNDING_SPREADING;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        struct founding_contact *contact = &founding->contacts[i];
        contact->ticks_left = FOUNDING_PERIOD_TICKS;
        if (contact->listed) step.hand |= UINT32_C(1) << i;
    }
    finish_if_majority(founding, &step);
    return step;
}

struct founding_step founding_on_held(struct founding *founding, replica_id replica, uint64_t cluster_id)
{
    struct founding_step step = { 0 };
    if (founding->phase != FOUNDING_SPREADING || cluster_id != founding->cluster_id) return step;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        struct founding_contact *contact = &founding->contacts[i];
        if (contact->listed && contact->replica == replica) contact->holds = true;
    }
    finish_if_majority(founding, &step);
    return step;
}
