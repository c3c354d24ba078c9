/* config: what one aether-node is told: file (YAML), then environment AETHER_*, then flags; later wins. Key
 * `a.b-c` =
 * `--a-b-c` = AETHER_A_B_C. One table of keys drives all three, `--help` and the printed result. */
#ifndef AETHER_NODES_CONFIG_H
#define AETHER_NODES_CONFIG_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "runtime/port/transport.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CONFIG_LIST_MAX = 64, CONFIG_REPOSITORIES_MAX = 16 };

struct config_pair { /* Of a map: labels, peers. Sorted by key. */
    const char *key;
    const char *value;
};
struct config_map {
    struct config_pair pairs[CONFIG_LIST_MAX];
    uint32_t count;
};
struct config_list {
    const char *items[CONFIG_LIST_MAX];
    uint32_t count;
};
struct config_repository {
    const char *id;
    const char *url;
    const char *credentials; /* "" = none; env:NAME or file:PATH. */
    const char *require;     /* "" or "sha256". */
};

struct config {
    struct arena arena; /* Owns every string. */
    const char *node_id;
    const char *node_data;
    const char *node_role;
    struct config_map node_labels;
    const char *cluster_listen;
    const char *cluster_advertise; /* "" = cluster_listen. */
    const char *cluster_name;
    struct config_list cluster_bootstrap;
    struct config_map cluster_peers;
    const char *client_listen;
    const char *management_listen;
    const char *security_keys; /* "" = none: every listener must be on loopback. */
    const char *security_authorized;
    struct config_list security_artifact_keys; /* Files. */
    struct config_repository repositories[CONFIG_REPOSITORIES_MAX];
    uint32_t repository_count;
    const char *slices_user;
    int64_t limits_threads; /* 0 = one per core. */
    int64_t limits_lost_after_ns;
    int64_t slices_loading_ns;
    int64_t slices_activating_ns;
    int64_t slices_deactivating_ns;
    int64_t slices_unloading_ns;
    int64_t limits_artifact_bytes;
    int64_t limits_artifact_cache_bytes;
    int64_t limits_map_bytes;
    int64_t limits_log_entries; /* D7 */
    const char *logging_level;
    const char *logging_format;
};

/* `file` may be NULL. `environment` is `environ`. Flags: `arguments` without the program's name, --config,
 * --check and
 * --help (main takes those). INVALID: the message names file and line (or variable, or flag), the hint the
 * nearest right key. On failure `out_config` needs no fini. */
MUST_CHECK enum status config_load(const char *file, const char *const *environment,
                                   const char *const *arguments, uint32_t argument_count,
                                   struct config *out_config, struct error *error);
void config_fini(struct config *config);
void config_print(const struct config *config, FILE *out); /* As YAML that config_load reads back. */
void config_print_keys(FILE *out);                         /* For --help: key, default, help. */

#endif
