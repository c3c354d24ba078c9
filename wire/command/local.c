/* local: rows of commands that the program carries out by itself: on the data of a node that does not run,
 * and for the author of a slice. No node knows them. */
#include "wire/command/command.h"
#include "wire/proto/local.pb-c.h"

const struct command local_commands[] = {
    {
        .name = "cluster restore",
        .help = "Make a new cluster of one from a backup, in the data directory of a stopped node",
        .details =
            "The file is checked from end to end before anything is touched. The new cluster has a new id "
            "and "
            "this node as its one voter; start it, then start the other nodes with empty data directories: "
            "they join it, and `aether node promote` makes voters of them. A directory that holds data is "
            "refused, or with --force moved aside.",
        .example = "aether cluster restore /var/backups/aether-2026-11-21 --config /etc/aether/node-1.yaml",
        .local_request = &pb__cluster_restore_request__descriptor,
        .local_reply = &pb__cluster_restore_reply__descriptor,
        .identity = "cluster_id",
        .omit_empty = FIELDS("aside"),
        .arguments = ARGUMENTS({ .field = "file", .help = "what cluster backup wrote", .positional = true },
                               { .field = "config", .help = "the node's configuration", .metavar = "FILE" },
                               { .field = "data", .help = "its data directory, instead", .metavar = "DIR" },
                               { .field = "node", .help = "its name, with --data", .metavar = "NAME" },
                               { .field = "force", .help = "move aside what the directory holds" }),
    },
    {
        .name = "slice new",
        .help = "Make a slice's project: source, header, CMake file, test and blueprint",
        .details = "It builds at once. Group and version may be left out: org.example, 1.0.0.",
        .example = "aether slice new org.example:hello",
        .arguments = ARGUMENTS(
            { .field = "name", .help = "[GROUP:]NAME[:VERSION]", .metavar = "NAME", .positional = true },
            { .field = "folder", .help = "where; else a new folder NAME" }),
        .local_request = &pb__slice_new_request__descriptor,
        .local_reply = &pb__slice_new_reply__descriptor,
        .identity = "folder",
    },
    {
        .name = "slice build",
        .help = "Build the project in this folder, by its CMake file, into build/",
        .example = "aether slice build",
        .arguments = ARGUMENTS({ .field = "folder",
                                 .help = "of the project; else this one",
                                 .positional = true,
                                 .optional = true }),
        .local_request = &pb__slice_build_request__descriptor,
        .local_reply = &pb__slice_build_reply__descriptor,
        .identity = "file",
    },
    {
        .name = "slice check",
        .help = "Load a slice in a process that is thrown away: what it is, what it needs, whether its life "
                "works out",
        .details = "Runs create, start, health, stop and destroy once, without a cluster.",
        .example = "aether slice check build/hello-1.0.0.so",
        .arguments = ARGUMENTS({ .field = "file",
                                 .help = "the shared object; else the one in build/",
                                 .positional = true,
                                 .optional = true },
                               { .field = "config",
                                 .help = "the configuration that create gets, a JSON object",
                                 .metavar = "JSON",
                                 .source = SOURCE_WORD_OR_FILE }),
        .local_request = &pb__slice_check_request__descriptor,
        .local_reply = &pb__slice_check_reply__descriptor,
        .list = "steps",
        .columns = COLUMNS(AS_TEXT("step", "STEP"), AS_TEXT("status", "STATUS"), AS_TEXT("text", "TEXT")),
        .identity = "artifact",
    },
    {
        .name = "slice test",
        .help = "Run a slice's test cases against a host of their own, without a cluster",
        .details =
            "Cases are in YAML: see docs/domains/slice.md. Time jumps instead of passing, and chance is the "
            "same in each run.",
        .example = "aether slice test",
        .arguments = ARGUMENTS({ .field = "file",
                                 .help = "the shared object; else the one in build/",
                                 .positional = true,
                                 .optional = true },
                               { .field = "tests", .help = "file of the cases; else *-test.yaml here" }),
        .local_request = &pb__slice_test_request__descriptor,
        .local_reply = &pb__slice_test_reply__descriptor,
        .list = "cases",
        .columns = COLUMNS(AS_TEXT("name", "CASE"), AS_TEXT("passed", "PASSED"), AS_TEXT("text", "TEXT")),
        .identity = "name",
    },
    {
        .name = "slice push",
        .help = "Put a slice into the cluster, as artifact push does, or into a repository folder",
        .details =
            "Its coordinates are those of its descriptor. A released version is never replaced. With --to "
            "it is written in Maven layout, with checksums, signature and maven-metadata.xml, and a "
            "-SNAPSHOT gets a new date each time.",
        .example = "aether slice push --sign key.pem",
        .arguments = ARGUMENTS({ .field = "file",
                                 .help = "the shared object; else the one in build/",
                                 .positional = true,
                                 .optional = true },
                               { .field = "to",
                                 .help = "a repository's folder, in Maven layout; else the cluster",
                                 .metavar = "FOLDER" },
                               { .field = "sign",
                                 .help = "file of the Ed25519 private key that signs it (PEM, hex or base64)",
                                 .metavar = "KEY" }),
        .local_request = &pb__slice_push_request__descriptor,
        .local_reply = &pb__slice_push_reply__descriptor,
        .identity = "artifact",
        .omit_empty = FIELDS("path"),
    },
    {
        .name = "dev",
        .help = "Run a local cluster in the foreground, and a slice's project in it, until Ctrl-C",
        .details =
            "Starts 1, 3 or 5 nodes on loopback. Where the folder holds a slice's project (blueprint.yaml), "
            "its object "
            "is built if it is not there, pushed into a repository of the cluster's own, and its blueprint "
            "is "
            "published; whenever the build writes the object anew, it is reloaded in place, under the same "
            "coordinates. Shows each change of state, each call and each line of a log as it happens. A node "
            "that "
            "ends with exit code 70 is started again. At the end everything is stopped, and the data is "
            "removed "
            "unless --data names where to keep it.",
        .example = "aether dev hello --nodes 3",
        .arguments = ARGUMENTS({ .field = "folder",
                                 .help = "of the project; else this one, if it is one",
                                 .positional = true,
                                 .optional = true },
                               { .field = "nodes", .help = "how many: 1, 3 or 5; else 1", .metavar = "N" },
                               { .field = "data",
                                 .help = "keep the nodes' data here, and find it again next time",
                                 .metavar = "DIR" },
                               { .field = "base_port",
                                 .help = "node k listens from this + 10 (k - 1) on; else 7400",
                                 .metavar = "PORT" }),
        .local_request = &pb__dev_request__descriptor,
        .local_reply = &pb__dev_event__descriptor,
        .identity = "text",
    },
    { 0 },
};
