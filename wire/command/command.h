/* command: the one table of commands. A row names messages, not functions: the target's behavior is the
 * handler, so the CLI, MCP and (later) HTTP carry no logic of their own. Types, repetition and presence come
 * from the protobuf descriptors of request and reply; the row adds words. Rows are constant and live for
 * ever. */
#ifndef AETHER_WIRE_COMMAND_COMMAND_H
#define AETHER_WIRE_COMMAND_COMMAND_H

#include "wire/kinds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command_role { ROLE_OBSERVER, ROLE_OPERATOR, ROLE_ADMIN };

enum command_flag {
    COMMAND_CHANGES = 1,         /* Changes the cluster: audited; an MCP caller needs the agent lease. */
    COMMAND_DESTROYS = 2,        /* What it changes may be gone for good (MCP's destructiveHint). */
    COMMAND_IDEMPOTENT = 4,      /* Asking again is harmless: asked again at a new leader when one dies. */
    COMMAND_CALLS = 8,           /* Runs a slice: neither read-only nor a change of the cluster. */
    COMMAND_ON_LEADER = 16,      /* Answered on the leading node only; a `stale` request is answered here. */
    COMMAND_PREFERS_LEADER = 32, /* The leader knows more; where none is known, this node answers. */
    COMMAND_FRESH = 64,    /* Answered from a watcher's view: a read barrier (Q1) goes first unless stale. */
    COMMAND_WAITS = 128,   /* Waits for the outcome: the CLI's patience is 5 minutes, not 30 s. */
    COMMAND_FOLLOWS = 256, /* A long poll: the CLI repeats it, one JSON object a line. */
    COMMAND_DOWNLOADS = 512, /* Answers page by page: the CLI writes them into a file. */
    COMMAND_UPLOADS = 1024,  /* Asked piece by piece: the CLI reads them from a file. */
};

/* How a string field is filled where it isn't plain text. */
enum command_form {
    FORM_PLAIN,    /* By its type. */
    FORM_JSON,     /* Holds JSON text, and nothing else: MCP passes any JSON value. */
    FORM_VALUE,    /* The same, but what is no JSON is text in its own right. */
    FORM_DOCUMENT, /* Holds a YAML or JSON document: MCP passes its text, or an object. */
};
enum command_source {                      /* What a word on the command line stands for. */
                      SOURCE_WORD,         /* Itself. */
                      SOURCE_FILE,         /* The file of that name, "-" for standard input. */
                      SOURCE_WORD_OR_FILE, /* Itself, or "@FILE", or "-". */
};

struct command_argument {
    const char *field; /* Of the request. On the command line and in JSON with '-' for '_'. */
    const char *help;
    const char *metavar; /* NULL: the field's name in capitals. */
    bool positional;
    bool optional; /* A positional that may be left out. (Fields with presence always may, flags too.) */
    bool needed;   /* A flag that may not. */
    enum command_form form;
    enum command_source source;
};
#define ARGUMENTS(...)                                                                                       \
    (const struct command_argument[])                                                                        \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }

enum command_column_form { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_TIME /* Unix ms */ };
struct command_column {
    const char *field; /* Of the listed message. */
    const char *title;
    enum command_column_form form;
};
#define AS_TEXT(member, heading)                                                                             \
    {                                                                                                        \
        .field = (member), .title = (heading), .form = COLUMN_TEXT                                           \
    }
#define AS_NUMBER(member, heading)                                                                           \
    {                                                                                                        \
        .field = (member), .title = (heading), .form = COLUMN_NUMBER                                         \
    }
#define AS_TIME(member, heading)                                                                             \
    {                                                                                                        \
        .field = (member), .title = (heading), .form = COLUMN_TIME                                           \
    }
#define COLUMNS(...)                                                                                         \
    (const struct command_column[])                                                                          \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }
#define FIELDS(...)                                                                                          \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

struct command {
    const char *name;    /* "noun verb", or one word. The MCP tool is the same with '_' for ' ' and '-'. */
    const char *help;    /* One sentence, imperative. */
    const char *details; /* More, for help and for the tool's description; NULL: none. */
    const char *example;
    const char *http; /* Method and route. */
    uint32_t
        request; /* Kinds; 0: the program does it by itself, and takes and prints messages of these types. */
    uint32_t reply;
    const ProtobufCMessageDescriptor *local_request;
    const ProtobufCMessageDescriptor *local_reply;
    enum actor_address target;
    enum command_role role;
    uint32_t flags;
    const struct command_argument *arguments; /* NULL: none. */
    /* How the reply reads. */
    const char *record; /* This member's fields are the document's own; NULL: as they are. */
    const char *plain;  /* A table is this field alone, as it is; NULL: a table. */
    const char *list;   /* The repeated field shown as a table; NULL: one record. */
    const struct command_column *columns; /* Of the list, or of the record; NULL: "field: value" lines. */
    const char *more_list; /* Another repeated field, shown as a table of its own where it has rows. */
    const struct command_column *more_columns;
    const char *identity;           /* What `-o name` prints: a field of the list or of the record. */
    const char *const *omit_empty;  /* Fields, at any depth, that are left out where they are empty. */
    const char *const *json_fields; /* String fields, at any depth, that hold JSON text. */
    /* This member, where the reply has it, says how it went: with another `outcome` than OK the reply is a
     * failure, of which it is the details (its `message`, `next`); NULL: replies are successes. */
    const char *verdict;
};

extern const struct command cluster_commands[]; /* Each ends with name == NULL. */
extern const struct command kv_commands[];
extern const struct command slice_commands[];
extern const struct command artifact_commands[];
extern const struct command local_commands[]; /* The program's own: rows of the command line only. */

size_t command_count(void);
const struct command *command_at(size_t position); /* In the order of help; NULL: past the end. */
/* These, then the local ones: what words on the command line may mean. */
const struct command *command_word_at(size_t position);
const struct command *command_find(const char *name);      /* "kv get", local ones too; NULL: none. */
const struct command *command_find_tool(const char *tool); /* "kv_get" */
const struct command *command_find_request(uint32_t kind);
void command_tool_name(char *to, size_t size, const struct command *command);
const ProtobufCMessageDescriptor *command_request_descriptor(const struct command *command);
const ProtobufCMessageDescriptor *command_reply_descriptor(const struct command *command);

/* All arguments of a command, from position 0: the row's own, then the read flags that its request has
 * (stale, after, at), which every surface offers alike. false: past the end. */
bool command_argument_at(const struct command *command, size_t position,
                         const struct command_argument **out_argument,
                         const ProtobufCFieldDescriptor **out_field);
bool command_argument_required(const struct command_argument *argument,
                               const ProtobufCFieldDescriptor *field);
/* The name on every surface: "if_rev" is "if-rev". */
void command_field_name(char *to, size_t size, const char *field);
bool command_holds_json(const struct command *command, const char *field); /* json_fields has it. */
bool command_omits_empty(const struct command *command, const char *field);
/* The request asks for a stale read (its field `stale` is set). */
bool command_is_stale(const struct command *command, const void *request);
/* The revision that it wants to be visible first (its field `after`); 0: none. */
uint64_t command_after(const struct command *command, const void *request);

#endif
