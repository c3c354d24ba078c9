/* dev_nodes: see the header. */
#include "cli/dev_nodes.h"

#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/os/file.h"
#include "runtime/os/path.h"
#include "wire/json/value.h"

#include <stdio.h>
#include <string.h>

enum { NODE_PORTS = 10, CLIENT_PORT = 1, MANAGEMENT_PORT = 80, NAME_SIZE = 16, ADDRESS_SIZE = 48 };

static void name_of(uint32_t number, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "node-%u", number);
}

static void address_of(const struct dev_nodes *nodes, uint32_t number, const char *before, uint32_t port,
                       char address[ADDRESS_SIZE])
{
    (void)snprintf(address, ADDRESS_SIZE, "%s127.0.0.1:%u", before,
                   nodes->base_port + NODE_PORTS * (number - 1) + port);
}

void dev_nodes_repository(const struct dev_nodes *nodes, struct text *out)
{
    text_printf(out, "%s/repository", text_string(&nodes->data));
}

void dev_nodes_endpoints(const struct dev_nodes *nodes, struct text *out)
{
    for (uint32_t k = 1; k <= nodes->count; k++) {
        char address[ADDRESS_SIZE];
        address_of(nodes, k, "tcp://", CLIENT_PORT, address);
        text_printf(out, "%s%s", k == 1 ? "" : ",", address);
    }
}

/* --- configuration -------------------------------------------------------------------------------------- */

static struct value *section(struct value *document, const char *name)
{
    value_set(document, name, value_new_object());
    return value_edit(document, name);
}

static void describe_cluster(const struct dev_nodes *nodes, uint32_t number, struct value *cluster)
{
    char name[NAME_SIZE], address[ADDRESS_SIZE];
    address_of(nodes, number, "tcp://", 0, address);
    value_set_string(cluster, "listen", address);
    value_set_string(cluster, "name", "dev");
    value_set(cluster, "bootstrap", value_new_array());
    struct value *peers = section(cluster, "peers");
    for (uint32_t k = 1; k <= nodes->count; k++) {
        name_of(k, name);
        value_append(value_edit(cluster, "bootstrap"), value_new_string(name));
        address_of(nodes, k, "tcp://", 0, address);
        if (k != number) value_set_string(peers, name, address);
    }
}

static void describe_repository(const struct dev_nodes *nodes, struct value *document)
{
    struct text url = { 0 };
    text_add(&url, "file://");
    dev_nodes_repository(nodes, &url);
    struct value *entry = value_new_object();
    value_set_string(entry, "id", "dev");
    value_set_string(entry, "url", text_string(&url));
    value_set(document, "repositories", value_new_array());
    value_append(value_edit(document, "repositories"), entry);
    text_fini(&url);
}

/* JSON is YAML. */
static struct value *describe(const struct dev_nodes *nodes, uint32_t number)
{
    char name[NAME_SIZE], address[ADDRESS_SIZE];
    struct text data = { 0 };
    struct value *document = value_new_object();
    struct value *node = section(document, "node");
    name_of(number, name);
    text_printf(&data, "%s/%s", text_string(&nodes->data), name);
    value_set_string(node, "id", name);
    value_set_string(node, "data", text_string(&data));
    text_fini(&data);
    describe_cluster(nodes, number, section(document, "cluster"));
    address_of(nodes, number, "tcp://", CLIENT_PORT, address);
    value_set_string(section(document, "client"), "listen", address);
    address_of(nodes, number, "", MANAGEMENT_PORT, address);
    value_set_string(section(document, "management"), "listen", address);
    describe_repository(nodes, document);
    struct value *logging = section(document, "logging"); /* cli/dev_view.h reads it. */
    value_set_string(logging, "level", "debug");
    value_set_string(logging, "format", "json");
    return document;
}

static void path_of(const struct dev_nodes *nodes, uint32_t number, struct text *out)
{
    text_printf(out, "%s/node-%u.yaml", text_string(&nodes->data), number);
}

static enum status write_config(const struct dev_nodes *nodes, uint32_t number, struct error *error)
{
    struct text path = { 0 }, text = { 0 };
    struct file file;
    struct value *document = describe(nodes, number);
    path_of(nodes, number, &path);
    render_json(&text, document);
    value_free(&document);
    enum status status = file_os.remove(NULL, text_string(&path), error);
    if (status == STATUS_OK) status = file_os.open(NULL, text_string(&path), FILE_CREATE, &file, error);
    if (status == STATUS_OK) {
        status = file_os.write(NULL, &file, text_string(&text), text.size, error);
        file_os.close(NULL, &file);
    }
    text_fini(&text);
    text_fini(&path);
    return status;
}

static bool is_there(const struct dev_nodes *nodes, uint32_t number)
{
    struct text path = { 0 };
    uint64_t size;
    text_printf(&path, "%s/node-%u", text_string(&nodes->data), number);
    bool found = file_os.size(NULL, text_string(&path), &size, NULL) == STATUS_OK;
    text_fini(&path);
    return found;
}

/* Data of an earlier run is that of as many nodes: founders are not added later. */
static enum status check_count(const struct dev_nodes *nodes, struct error *error)
{
    uint32_t before = 0;
    while (before < DEV_NODES_MAX && is_there(nodes, before + 1))
        before++;
    if (before == 0 || before == nodes->count) return STATUS_OK;
    enum status status = error_set(error, STATUS_INVALID, "%s is the data of %u nodes, not of %u",
                                   text_string(&nodes->data), before, nodes->count);
    error_hint(error, "--nodes %u, or another folder", before);
    return status;
}

/* --- the interface -------------------------------------------------------------------------------------- */

static enum status find_program(struct text *out, struct error *error)
{
    struct text self = { 0 };
    enum status status = path_resolve("/proc/self/exe", &self, error);
    if (status == STATUS_OK) {
        const char *slash = strrchr(text_string(&self), '/');
        text_printf(out, "%.*s/aether-node", (int)(slash - text_string(&self)), text_string(&self));
    }
    text_fini(&self);
    return status;
}

enum status dev_nodes_init(struct dev_nodes *nodes, struct children *children, uint32_t count,
                           uint32_t base_port, struct text *data, struct error *error)
{
    *nodes = (struct dev_nodes){
        .children = children,
        .count = count,
        .base_port = base_port,
        .data = *data,
    };
    *data = (struct text){ 0 };
    struct text repository = { 0 };
    dev_nodes_repository(nodes, &repository);
    enum status status = file_os.make_folder(NULL, text_string(&repository), error);
    text_fini(&repository);
    if (status == STATUS_OK) status = check_count(nodes, error);
    if (status == STATUS_OK) status = find_program(&nodes->program, error);
    for (uint32_t k = 1; status == STATUS_OK && k <= count; k++)
        status = write_config(nodes, k, error);
    return status;
}

void dev_nodes_fini(struct dev_nodes *nodes)
{
    text_fini(&nodes->program);
    text_fini(&nodes->data);
}

enum status dev_nodes_start(const struct dev_nodes *nodes, uint32_t number, struct error *error)
{
    struct text config = { 0 };
    path_of(nodes, number, &config);
    const char *const arguments[] = { text_string(&nodes->program), "--config", text_string(&config), NULL };
    enum status status = children_start(nodes->children, number, arguments, NULL, error);
    text_fini(&config);
    if (status == STATUS_NOT_FOUND)
        error_hint(error, "aether and aether-node belong into one folder: install them together");
    return status;
}
