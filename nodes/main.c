/* main: aether-node, the daemon: one process per node. Reads its configuration, opens its data, starts its
 * actors on real threads, and waits for a signal. Ends with 0 (asked to), 70 (must be started again), 75 (an
 * operator is needed) or 78 (its configuration is wrong). */
#include "nodes/daemon.h"
#include "nodes/restore.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

static int usage(FILE *out, int code)
{
    (void)fputs(
        "usage: aether-node --config FILE [--check] [--KEY VALUE ...]\n"
        "\n"
        "  --config FILE            YAML; then AETHER_* variables, then flags; later wins\n"
        "  --check                  validate, print the result, and exit\n"
        "  --restore FILE           no daemon: make a new cluster of one from a backup, in node.data\n"
        "                           (what `aether cluster restore` runs); --restore-force moves what is\n"
        "                           there aside, --restore-quiet shows no progress\n"
        "  --help, --version\n"
        "\n"
        "Keys, as flags (--a-b-c), as variables (AETHER_A_B_C), in the file (a: {b-c: …}); as flags\n"
        "and variables, lists are A,B and maps (peers, labels, repositories) NAME=VALUE,NAME=VALUE:\n",
        out);
    config_print_keys(out);
    return code;
}

static int wrong_configuration(const struct error *error)
{
    (void)fprintf(stderr, "error: the configuration is wrong\n%s\ntry: %s\n", error->message,
                  error->hint[0] != '\0' ? error->hint : "aether-node --help");
    return DAEMON_EXIT_CONFIG;
}

int main(int argument_count, char **arguments)
{
    const char *file = NULL;
    bool check = false;
    struct restore_options restore = { 0 };
    const char *rest[256] = { NULL };
    uint32_t rest_count = 0;
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--help") == 0) return usage(stdout, 0);
        if (strcmp(arguments[i], "--version") == 0) return printf("aether-node %s\n", AETHER_VERSION) < 0;
        if (strcmp(arguments[i], "--check") == 0) check = true;
        else if (strcmp(arguments[i], "--config") == 0 && i + 1 < argument_count) file = arguments[++i];
        else if (strcmp(arguments[i], "--restore") == 0 && i + 1 < argument_count)
            restore.file = arguments[++i];
        else if (strcmp(arguments[i], "--restore-force") == 0) restore.force = true;
        else if (strcmp(arguments[i], "--restore-quiet") == 0) restore.quiet = true;
        else if (text_starts_with(arguments[i], "--config=")) file = arguments[i] + strlen("--config=");
        else if (rest_count < ARRAY_COUNT(rest)) rest[rest_count++] = arguments[i];
    }
    struct config config;
    struct error error = { 0 };
    enum status status = config_load(file, (const char *const *)environ, rest, rest_count, &config, &error);
    if (status != STATUS_OK) return wrong_configuration(&error);
    int code = 0;
    restore.config = &config;
    if (check) config_print(&config, stdout);
    else if (restore.file != NULL) code = restore_run(&restore);
    else code = daemon_run(&config);
    config_fini(&config);
    return code;
}
