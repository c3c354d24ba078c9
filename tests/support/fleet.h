/* fleet: the deployment managers of three nodes on the stepper, over one agreed state (agreed.h). Their slice
 * stores and artifact stores are stand-ins: every artifact is there but those with "absent" in their name,
 * RELEASE is 2.0, and those with "weak" in their name fail as the test says. */
#ifndef AETHER_TESTS_SUPPORT_FLEET_H
#define AETHER_TESTS_SUPPORT_FLEET_H

#include "actors/slice/messages.h"
#include "tests/support/agreed.h"
#include "tests/support/probe.h"

enum { FLEET_NODES = 3 };

enum fleet_instance_state { FLEET_LOADED = 1, FLEET_ACTIVE, FLEET_DOWN };

struct fleet_instance {
    struct instance_key key;
    enum fleet_instance_state state;
    char config[64];
};

struct fleet;
struct fleet_store {
    struct fleet *fleet;
    struct agreed_node *node;
    struct actor_id actor;
    struct fleet_instance instances[64];
    uint32_t count;
    uint32_t loads;
    uint32_t activations;
    uint32_t probes;
    enum status refuse_probe; /* Of artifacts with "weak" in their name. */
    enum status refuse_load;
    enum status refuse_activate;
    enum status refuse_configure; /* NOT_FOUND at first: its slices have no such hook. */
    uint32_t configures;          /* Asked. */
};

struct fleet {
    struct agreed agreed;
    struct fleet_store stores[FLEET_NODES];
    struct scheduler *stepper;
    bool hold_loads; /* LOADs hang from here on. */
    bool hold_unloads;
    struct message *held[16];
    uint32_t held_count;
    uint32_t artifact_bytes; /* Stands for the bytes of every artifact: another number, another sha256. */
};

struct fleet *fleet_create(uint64_t seed); /* All nodes started, nobody leads. Zones a, b, a. */
void fleet_destroy(struct fleet **fleet);
void fleet_start(struct fleet *fleet, uint32_t number);
void fleet_settle(struct fleet *fleet, int64_t duration_ns);
void fleet_crash_instance(struct fleet_store *store, struct fleet_instance *instance);
void fleet_sicken_instance(struct fleet_store *store, struct fleet_instance *instance);
void fleet_forget_held(struct fleet *fleet); /* Nobody answers those that wait; the next ones don't. */
uint32_t fleet_store_active(const struct fleet_store *store);
uint32_t fleet_active(const struct fleet *fleet); /* On nodes that are up. */
uint32_t fleet_endpoints(const struct fleet *fleet, const char *artifact);
/* To the leader's manager; steps until it answers. */
struct probe_result fleet_publish_within(struct fleet *fleet, const char *document, bool detach,
                                         int64_t timeout_ns);
struct probe_result fleet_publish(struct fleet *fleet, const char *document);

#endif
