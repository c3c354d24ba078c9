/* config_test: file, environment and flags, in that order; every wrong key or value is refused with its place
 * and the nearest right key; what is printed reads back to the same. */
#include "nodes/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static const char *file_of(const char *content)
{
    (void)snprintf(path, sizeof path, "/tmp/config_test.XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    size_t size = strlen(content);
    assert_int_equal(write(descriptor, content, size), (ssize_t)size);
    assert_int_equal(close(descriptor), 0);
    return path;
}

static void refused(const char *content, const char *message_part, const char *hint_part)
{
    struct config config;
    struct error error = { 0 };
    enum status status = config_load(file_of(content), NULL, NULL, 0, &config, &error);
    (void)unlink(path);
    assert_int_equal(status, STATUS_INVALID);
    if (strstr(error.message, message_part) == NULL || strstr(error.hint, hint_part) == NULL)
        fail_msg("message \"%s\", hint \"%s\"", error.message, error.hint);
}

static const char good[] = "node: {id: node-2, data: /tmp/n2, labels: {zone: eu-1, disk: ssd}}\n"
                           "cluster:\n"
                           "  listen: tcp://127.0.0.1:7410\n"
                           "  bootstrap: [node-1, node-2, node-3]\n"
                           "  peers: {node-1: \"tcp://127.0.0.1:7400\", node-3: \"tcp://127.0.0.1:7420\"}\n"
                           "repositories: [{id: local, url: \"file:///srv/repo\", require: sha256}]\n"
                           "limits: {lost-after: 2500ms}\n";

static void later_wins(void **unused)
{
    (void)unused;
    struct config config;
    struct error error = { 0 };
    const char *environment[] = { "AETHER_NODE_DATA=/env", "AETHER_CLUSTER_NAME=from-env", "AETHER_NO_SUCH=1",
                                  NULL };
    const char *flags[] = { "--cluster-name", "from-flag", "--logging-level=debug", "--node-labels",
                            "a=1,b=2" };
    assert_int_equal(config_load(file_of(good), environment, flags, 5, &config, &error), STATUS_OK);
    (void)unlink(path);
    assert_string_equal(config.node_id, "node-2");
    assert_string_equal(config.node_data, "/env");
    assert_string_equal(config.cluster_name, "from-flag");
    assert_string_equal(config.logging_level, "debug");
    assert_int_equal(config.node_labels.count, 2);
    assert_string_equal(config.node_labels.pairs[1].value, "2");
    assert_int_equal(config.cluster_bootstrap.count, 3);
    assert_string_equal(config.cluster_peers.pairs[1].key, "node-3");
    assert_string_equal(config.cluster_advertise, "tcp://127.0.0.1:7410");
    assert_int_equal(config.repository_count, 1);
    assert_string_equal(config.repositories[0].require, "sha256");
    assert_int_equal(config.limits_lost_after_ns, INT64_C(2500000000));
    config_fini(&config);
}

static void printed_reads_back(void **unused)
{
    (void)unused;
    struct config config;
    struct error error = { 0 };
    assert_int_equal(config_load(file_of(good), NULL, NULL, 0, &config, &error), STATUS_OK);
    (void)unlink(path);
    char *first = NULL;
    char *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    FILE *out = open_memstream(&first, &first_size);
    config_print(&config, out);
    assert_int_equal(fclose(out), 0);
    config_fini(&config);
    if (config_load(file_of(first), NULL, NULL, 0, &config, &error) != STATUS_OK)
        fail_msg("%s\n%s", error.message, first);
    (void)unlink(path);
    out = open_memstream(&second, &second_size);
    config_print(&config, out);
    assert_int_equal(fclose(out), 0);
    config_fini(&config);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void wrong_content(void **unused)
{
    (void)unused;
    refused("node: {id: a}\nclutser: {name: x}\n", ":2: there is no key clutser",
            "the nearest key is cluster");
    refused("node: {id: a}\ncluster:\n  lisetn: tcp://127.0.0.1:1\n", ":3: there is no key cluster.lisetn",
            "cluster.listen");
    refused("node: {id: \"no spaces\"}\n", "node.id", "letters");
    refused("cluster: {name: x}\n", "node.id", "");
    refused("node: {id: a, role: boss}\n", "voter|worker", "");
    refused("node: {id: a}\nlimits: {lost-after: 5}\n", "limits.lost-after wants a duration", "");
    refused("node: {id: a}\nlimits: {lost-after: 1s}\n", "at least 2s", "");
    refused("node: {id: a}\nlimits: {threads: -1}\n", "limits.threads", "");
    refused("node: {id: a}\nlimits: {artifact-size: 0}\n", "limits.artifact-size wants a size", "");
    refused("node: {id: a}\nlimits: {artifact-cache: 1Mi}\n", "would not fit", "raise limits.artifact-cache");
    refused("node: {id: a}\nlimits: {artifact-cache: much}\n", "limits.artifact-cache", "");
    refused("node: {id: a}\ncluster: {bootstrap: [a, b]}\n", "lists 2 names", "1, 3, 5 or 7");
    refused("node: {id: a}\ncluster: {bootstrap: [a, b, c]}\n", "no address for b", "cluster.peers");
    refused("node: {id: a}\ncluster: {bootstrap: [a, a, b]}\n", "twice", "");
    refused("node: {id: a}\ncluster: {listen: \"tcp://0.0.0.0:7400\"}\n", "not on loopback", "127.0.0.1");
    refused("node: {id: a}\nrepositories: [{id: x}]\n", "repositories[0] wants an id and a url", "");
    refused("node: {id: a}\nrepositories: 5\n", "wants a list", "");
    refused("node: {id: a}\nnode: {id: b}\n", "", "");
    refused("- a\n", "not a map", "");
    refused("", "node.id is missing", "--node-id");
    refused("node: a\n", ":1: node wants its keys", "");
    refused("node: {id: a, role: worker}\n", "needs cluster.peers", "cluster: {peers:");
    refused("node: {id: a}\nclient: {listen: nonsense}\n", "client.listen: \"nonsense\" is no address",
            "HOST:PORT");
    refused("node: {id: a}\nclient: {listen: \"tcp://127.0.0.1:70000\"}\n", "is no address", "1 to 65535");
    refused("node: {id: a}\nrepositories: [{id: x, url: \"ftp://y\"}]\n", "begins with none of", "");
    refused("node: {id: a}\ntimeouts: {loading: 5}\n", "there is no key timeouts", "--help lists every key");
    refused("node: {id: a}\ncluster: {peers: {b: nowhere}}\n", "cluster.peers: \"nowhere\" is no address",
            "HOST:PORT");
    refused("node: {id: a}\ncluster: {peers: {\"b c\": \"tcp://127.0.0.1:1\"}}\n", "\"b c\" is no node name",
            "");
    refused("node: {id: a}\ncluster: {advertise: here}\n", "cluster.advertise: \"here\" is no address", "");
    refused("node: {id: a}\nrepositories: [{id: x, url: \"file:///a\"}, {id: x, url: \"file:///b\"}]\n",
            "repositories lists x twice", "");
    refused("{{{\n", "", "");
}

/* Somebody will write the password itself there: it must not reach a log. */
static void a_secret_is_not_said_again(void **unused)
{
    (void)unused;
    struct config config;
    struct error error = { 0 };
    assert_int_equal(config_load(file_of("node: {id: a}\nrepositories: [{id: x, url: \"file:///a\", "
                                         "credentials: \"joe:s3cret\"}]\n"),
                                 NULL, NULL, 0, &config, &error),
                     STATUS_INVALID);
    (void)unlink(path);
    assert_non_null(strstr(error.message, "repositories: x: credentials say where they are"));
    assert_null(strstr(error.message, "s3cret"));
    assert_non_null(strstr(error.hint, "env:NAME"));
}

static void wrong_flags(void **unused)
{
    (void)unused;
    struct config config;
    struct error error = { 0 };
    const char *misspelt[] = { "--node-idd", "x" };
    assert_int_equal(config_load(NULL, NULL, misspelt, 2, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.hint, "--node-id"));
    const char *verb[] = { "--chek" };
    assert_int_equal(config_load(NULL, NULL, verb, 1, &config, &error), STATUS_INVALID);
    assert_string_equal(error.hint, "the nearest flag is --check");
    const char *bare[] = { "--node-id" };
    assert_int_equal(config_load(NULL, NULL, bare, 1, &config, &error), STATUS_INVALID);
    const char *no_file[] = { "--config" };
    assert_int_equal(config_load(NULL, NULL, no_file, 1, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "name of a file"));
    const char *stray[] = { "stray" };
    assert_int_equal(config_load(NULL, NULL, stray, 1, &config, &error), STATUS_INVALID);
    const char *environment[] = { "AETHER_LIMITS_THREADS=many", NULL };
    assert_int_equal(config_load(NULL, environment, NULL, 0, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "AETHER_LIMITS_THREADS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_wins),    cmocka_unit_test(printed_reads_back),
        cmocka_unit_test(wrong_content), cmocka_unit_test(a_secret_is_not_said_again),
        cmocka_unit_test(wrong_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
