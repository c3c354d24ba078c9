/* argv: see the header. One pass: until noun and verb are known only global flags may stand; after that the
 * command's row says what else does. */
#include "cli/argv.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/command/usage.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 64, NEAR_MAX = 3 };

struct parser {
    struct argv *out;
    int argc;
    char *const *argv;
    int position;      /* Of the word being read. */
    size_t positional; /* The next positional of the row. */
    bool help;         /* --help stood somewhere, or the first word was help. */
    bool flags_ended;  /* By "--". */
};

/* --- the nearest right spelling ----------------------------------------------------------------------- */
struct nearest {
    const char *wanted;
    char best[NAME_MAX_SIZE];
    uint32_t distance;
};

static void nearest_try(struct nearest *nearest, const char *candidate)
{
    /* Who stops halfway means what begins so. */
    bool begins = nearest->wanted[0] != '\0' && text_starts_with(candidate, nearest->wanted);
    uint32_t distance = begins ? 1 : text_distance(nearest->wanted, candidate);
    if (distance >= nearest->distance) return;
    nearest->distance = distance;
    (void)text_copy(nearest->best, sizeof nearest->best, candidate);
}

static struct nearest nearest_to(const char *wanted)
{
    size_t size = strlen(wanted);
    uint32_t far = size < NEAR_MAX ? (uint32_t)size : NEAR_MAX; /* To a short word everything is near. */
    return (struct nearest){ .wanted = wanted, .distance = far };
}

/* --- values ------------------------------------------------------------------------------------------- */
static enum status wrong_type(const char *flag, const char *wanted, const char *got, struct error *error)
{
    return error_set(error, STATUS_INVALID, "%s takes %s, not \"%s\"", flag, wanted, got);
}

static enum status typed_value(const char *label, const ProtobufCFieldDescriptor *field, const char *word,
                               struct value **out, struct error *error)
{
    uint64_t number;
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
        if (!text_to_u64(word, &number)) return wrong_type(label, "a number from 0", word, error);
        if (number > (field->type == PROTOBUF_C_TYPE_UINT32 ? UINT32_MAX : (uint64_t)INT64_MAX))
            return wrong_type(label, "a smaller number", word, error);
        *out = value_new_integer((int64_t)number);
        return STATUS_OK;
    case PROTOBUF_C_TYPE_BOOL:
        if (strcmp(word, "true") != 0 && strcmp(word, "false") != 0)
            return wrong_type(label, "true or false", word, error);
        *out = value_new_boolean(strcmp(word, "true") == 0);
        return STATUS_OK;
    default: break;
    }
    if (!text_is_utf8(word, strlen(word))) return error_set(error, STATUS_INVALID, "%s is not UTF-8", label);
    *out = value_new_string(word);
    return STATUS_OK;
}

/* --- global flags ------------------------------------------------------------------------------------- */
enum global {
    GLOBAL_ENDPOINT,
    GLOBAL_OUTPUT,
    GLOBAL_TIMEOUT,
    GLOBAL_YES,
    GLOBAL_QUIET,
    GLOBAL_VERBOSE,
    GLOBAL_NO_COLOR,
    GLOBAL_HELP,
    GLOBAL_VERSION,
    GLOBAL_COUNT
};
static const struct {
    const char *name;
    char letter; /* 0: none. */
    bool takes_value;
} globals[GLOBAL_COUNT] = {
    [GLOBAL_ENDPOINT] = { "endpoint", 'e', true }, [GLOBAL_OUTPUT] = { "output", 'o', true },
    [GLOBAL_TIMEOUT] = { "timeout", 0, true },     [GLOBAL_YES] = { "yes", 'y', false },
    [GLOBAL_QUIET] = { "quiet", 'q', false },      [GLOBAL_VERBOSE] = { "verbose", 'v', false },
    [GLOBAL_NO_COLOR] = { "no-color", 0, false },  [GLOBAL_HELP] = { "help", 'h', false },
    [GLOBAL_VERSION] = { "version", 0, false },
};

static const char *const output_names[] = {
    [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_YAML] = "yaml", [OUTPUT_NAME] = "name"
};

static enum status set_output(struct argv *out, const char *value, struct error *error)
{
    for (size_t i = 0; i < ARRAY_COUNT(output_names); i++) {
        if (strcmp(value, output_names[i]) != 0) continue;
        out->output = (enum argv_output)i;
        return STATUS_OK;
    }
    struct nearest nearest = nearest_to(value);
    for (size_t i = 0; i < ARRAY_COUNT(output_names); i++)
        nearest_try(&nearest, output_names[i]);
    error_set(error, STATUS_INVALID, "--output takes table, json, yaml or name, not \"%s\"", value);
    if (nearest.best[0] != '\0') error_hint(error, "--output %s", nearest.best);
    return STATUS_INVALID;
}

static enum status set_timeout(struct argv *out, const char *value, struct error *error)
{
    if (text_to_duration_ns(value, &out->timeout_ns) && out->timeout_ns > 0) return STATUS_OK;
    out->timeout_ns = 0;
    wrong_type("--timeout", "a duration", value, error);
    error_hint(error, "--timeout 30s");
    return STATUS_INVALID;
}

static enum status set_global(struct parser *parser, enum global global, const char *value,
                              struct error *error)
{
    struct argv *out = parser->out;
    switch (global) {
    case GLOBAL_ENDPOINT: out->endpoint = value; break;
    case GLOBAL_OUTPUT: return set_output(out, value, error);
    case GLOBAL_TIMEOUT: return set_timeout(out, value, error);
    case GLOBAL_YES: out->yes = true; break;
    case GLOBAL_QUIET: out->quiet = true; break;
    case GLOBAL_VERBOSE: out->verbose = true; break;
    case GLOBAL_NO_COLOR: out->no_color = true; break;
    case GLOBAL_HELP: parser->help = true; break;
    case GLOBAL_VERSION: out->action = ARGV_VERSION; break;
    case GLOBAL_COUNT: break;
    }
    return STATUS_OK;
}

/* "--name", "--name=value", "-n", "-nvalue". Position of the value within the word, or NULL. */
static bool find_global(const char *word, enum global *out_global, const char **out_value)
{
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t size = is_long ? strcspn(name, "=") : 1;
    for (int i = 0; i < GLOBAL_COUNT; i++) {
        bool same = is_long ? strlen(globals[i].name) == size && memcmp(globals[i].name, name, size) == 0
                            : globals[i].letter != 0 && globals[i].letter == name[0];
        if (!same || (!is_long && name[1] != '\0' && !globals[i].takes_value)) continue;
        *out_global = (enum global)i;
        *out_value = name[size] == '\0' ? NULL : name + size + (is_long || name[size] == '=' ? 1 : 0);
        return true;
    }
    return false;
}

/* The value of the flag being read: attached, or else the next word, which is then read. */
static const char *take_value(struct parser *parser, const char *attached)
{
    if (attached != NULL) return attached;
    if (parser->position + 1 >= parser->argc) return NULL;
    return parser->argv[++parser->position];
}

static enum status take_global(struct parser *parser, enum global global, const char *attached,
                               struct error *error)
{
    const char *name = globals[global].name;
    if (!globals[global].takes_value) {
        if (attached != NULL) return error_set(error, STATUS_INVALID, "--%s takes no value", name);
        return set_global(parser, global, "", error);
    }
    const char *value = take_value(parser, attached);
    if (value == NULL) return error_set(error, STATUS_INVALID, "--%s needs a value", name);
    return set_global(parser, global, value, error);
}

/* --- noun and verb -------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    enum argv_action action;
} locals[] = { { "help", ARGV_HELP }, { "version", ARGV_VERSION }, { "mcp", ARGV_MCP } };

static void noun_of(const struct command *command, char *to, size_t size)
{
    (void)text_copy(to, size, command->name);
    to[strcspn(to, " ")] = '\0';
}

static bool is_noun(const char *word)
{
    const struct command *command;
    for (size_t i = 0; (command = command_word_at(i)) != NULL; i++) {
        char noun[NAME_MAX_SIZE];
        noun_of(command, noun, sizeof noun);
        if (strcmp(noun, word) == 0) return true;
    }
    return false;
}

static enum status unknown_noun(const char *word, struct error *error)
{
    struct nearest nearest = nearest_to(word);
    const struct command *command;
    for (size_t i = 0; (command = command_word_at(i)) != NULL; i++) {
        char noun[NAME_MAX_SIZE];
        noun_of(command, noun, sizeof noun);
        nearest_try(&nearest, noun);
    }
    for (size_t i = 0; i < ARRAY_COUNT(locals); i++)
        nearest_try(&nearest, locals[i].name);
    error_set(error, STATUS_INVALID, "there is no command \"%.64s\"", word);
    error_hint(error, "aether %s", nearest.best[0] == '\0' ? "help" : nearest.best);
    return STATUS_INVALID;
}

static enum status unknown_verb(const char *noun, const char *word, struct error *error)
{
    struct nearest nearest = nearest_to(word);
    size_t size = strlen(noun);
    const struct command *command;
    for (size_t i = 0; (command = command_word_at(i)) != NULL; i++) {
        if (strncmp(command->name, noun, size) == 0 && command->name[size] == ' ')
            nearest_try(&nearest, command->name + size + 1);
    }
    error_set(error, STATUS_INVALID, "%s has no verb \"%.64s\"", noun, word);
    if (nearest.best[0] == '\0') error_hint(error, "aether help %s", noun);
    else error_hint(error, "aether %s %s", noun, nearest.best);
    return STATUS_INVALID;
}

static enum status take_noun(struct parser *parser, const char *word, struct error *error)
{
    struct argv *out = parser->out;
    for (size_t i = 0; i < ARRAY_COUNT(locals); i++) {
        if (strcmp(word, locals[i].name) != 0) continue;
        if (out->action == ARGV_HELP) break; /* "help version" */
        out->action = locals[i].action;
        return STATUS_OK;
    }
    out->noun = word;
    out->command = command_find(word); /* A command of one word: call. */
    return out->command != NULL || is_noun(word) ? STATUS_OK : unknown_noun(word, error);
}

static enum status take_verb(struct parser *parser, const char *word, struct error *error)
{
    char name[2 * NAME_MAX_SIZE];
    snprintf(name, sizeof name, "%.63s %.63s", parser->out->noun, word);
    parser->out->command = command_find(name);
    return parser->out->command != NULL ? STATUS_OK : unknown_verb(parser->out->noun, word, error);
}

/* --- what the row takes --------------------------------------------------------------------------------- */
static bool find_flag(const struct command *command, const char *flag, size_t size,
                      const struct command_argument **out_argument,
                      const ProtobufCFieldDescriptor **out_field)
{
    for (size_t i = 0; command_argument_at(command, i, out_argument, out_field); i++) {
        char name[NAME_MAX_SIZE];
        command_field_name(name, sizeof name, (*out_argument)->field);
        if ((*out_argument)->positional) continue;
        if (strlen(name) == size && memcmp(name, flag, size) == 0) return true;
    }
    return false;
}

static enum status unknown_flag(const struct command *command, const char *flag, struct error *error)
{
    char name[NAME_MAX_SIZE];
    (void)text_copy(name, sizeof name, flag + strspn(flag, "-"));
    name[strcspn(name, "=")] = '\0';
    struct nearest nearest = nearest_to(name);
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command != NULL && command_argument_at(command, i, &argument, &field); i++) {
        char candidate[NAME_MAX_SIZE];
        command_field_name(candidate, sizeof candidate, argument->field);
        if (!argument->positional) nearest_try(&nearest, candidate);
    }
    for (int i = 0; i < GLOBAL_COUNT; i++)
        nearest_try(&nearest, globals[i].name);
    const char *whose = command == NULL ? "aether" : command->name;
    error_set(error, STATUS_INVALID, "%s has no flag %.64s", whose, flag);
    if (nearest.best[0] != '\0') error_hint(error, "--%s", nearest.best);
    else error_hint(error, "aether help%s%s", command == NULL ? "" : " ", command == NULL ? "" : whose);
    return STATUS_INVALID;
}

static enum status set_argument(struct parser *parser, const struct command_argument *argument,
                                const ProtobufCFieldDescriptor *field, const char *label, const char *word,
                                struct error *error)
{
    struct value *value = NULL;
    enum status status = typed_value(label, field, word, &value, error);
    if (status != STATUS_OK) return status;
    char name[NAME_MAX_SIZE];
    command_field_name(name, sizeof name, argument->field);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        value_set(parser->out->arguments, name, value);
        return STATUS_OK;
    }
    if (value_get(parser->out->arguments, name) == NULL)
        value_set(parser->out->arguments, name, value_new_array());
    value_append(value_edit(parser->out->arguments, name), value);
    return STATUS_OK;
}

static enum status take_flag(struct parser *parser, const char *word, struct error *error)
{
    const struct command *command = parser->out->command;
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    if (parser->out->action == ARGV_HELP && strcmp(word, "--markdown") == 0) {
        parser->out->markdown = true;
        return STATUS_OK;
    }
    if (parser->out->action == ARGV_MCP && text_starts_with(word, "--principal")) {
        const char *equals = strchr(word, '=');
        parser->out->principal = take_value(parser, equals == NULL ? NULL : equals + 1);
        if (parser->out->principal != NULL) return STATUS_OK;
        return error_set(error, STATUS_INVALID, "--principal needs a value");
    }
    size_t size = strcspn(word, "=");
    if (command == NULL || !text_starts_with(word, "--") ||
        !find_flag(command, word + 2, size - 2, &argument, &field))
        return unknown_flag(command, word, error);
    char label[NAME_MAX_SIZE + 2];
    snprintf(label, sizeof label, "%.*s", (int)size, word);
    const char *attached = word[size] == '=' ? word + size + 1 : NULL;
    if (field->type == PROTOBUF_C_TYPE_BOOL && attached == NULL) attached = "true";
    const char *value = take_value(parser, attached);
    if (value == NULL) return error_set(error, STATUS_INVALID, "%s needs a value", label);
    return set_argument(parser, argument, field, label, value, error);
}

static enum status take_positional(struct parser *parser, const char *word, struct error *error)
{
    const struct command *command = parser->out->command;
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = parser->positional; command_argument_at(command, i, &argument, &field); i++) {
        if (!argument->positional) continue;
        bool takes_more = field->label == PROTOBUF_C_LABEL_REPEATED;
        parser->positional = takes_more ? i : i + 1;
        return set_argument(parser, argument, field, argument->field, word, error);
    }
    error_set(error, STATUS_INVALID, "%s takes no further word \"%.64s\"", command->name, word);
    error_hint(error, "aether help %s", command->name);
    return STATUS_INVALID;
}

static bool is_flag(const char *word)
{
    return word[0] == '-' && word[1] != '\0' &&
           !isdigit((unsigned char)word[1]); /* "-" and "-1" are words. */
}

static enum status take_word(struct parser *parser, const char *word, struct error *error)
{
    struct argv *out = parser->out;
    enum global global;
    const char *attached;
    if (!parser->flags_ended && is_flag(word)) {
        if (strcmp(word, "--") == 0) {
            parser->flags_ended = true;
            return STATUS_OK;
        }
        if (find_global(word, &global, &attached)) return take_global(parser, global, attached, error);
        return take_flag(parser, word, error);
    }
    if (out->noun == NULL && (out->action == ARGV_COMMAND || out->action == ARGV_HELP))
        return take_noun(parser, word, error);
    if (out->noun != NULL && out->command == NULL) return take_verb(parser, word, error);
    if (out->command != NULL && out->action == ARGV_COMMAND) return take_positional(parser, word, error);
    return error_set(error, STATUS_INVALID, "one word too many: \"%.64s\"", word);
}

/* --- the whole line ------------------------------------------------------------------------------------- */
static enum status check_complete(const struct argv *out, struct error *error)
{
    if (out->noun == NULL) {
        error_set(error, STATUS_INVALID, "a command is missing");
        error_hint(error, "aether help");
        return STATUS_INVALID;
    }
    if (out->command == NULL) {
        error_set(error, STATUS_INVALID, "%s needs a verb", out->noun);
        error_hint(error, "aether help %s", out->noun);
        return STATUS_INVALID;
    }
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(out->command, i, &argument, &field); i++) {
        char name[NAME_MAX_SIZE];
        command_field_name(name, sizeof name, argument->field);
        if (!command_argument_required(argument, field) || value_get(out->arguments, name) != NULL) continue;
        char words[2 * NAME_MAX_SIZE + 8];
        usage_argument(words, sizeof words, argument, field);
        error_set(error, STATUS_INVALID, "%s: %s is missing", out->command->name, words);
        error_hint(error, "%s", out->command->example);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* After a mistake the rest is read for one thing only: how the mistake is to be told. */
static void read_output_only(struct parser *parser)
{
    for (; parser->position < parser->argc; parser->position++) {
        enum global global;
        const char *attached;
        const char *word = parser->argv[parser->position];
        if (!is_flag(word) || !find_global(word, &global, &attached) || global != GLOBAL_OUTPUT) continue;
        (void)take_global(parser, global, attached, NULL);
    }
}

enum status argv_parse(int argc, char *const *argv, struct argv *out, struct error *error)
{
    struct parser parser = { .out = out, .argc = argc, .argv = argv, .position = 1 };
    *out = (struct argv){ .action = ARGV_COMMAND, .arguments = value_new_object() };
    for (; parser.position < argc; parser.position++) {
        enum status status = take_word(&parser, argv[parser.position], error);
        if (status == STATUS_OK) continue;
        if (out->command != NULL && error != NULL && error->hint[0] == '\0')
            error_hint(error, "aether help %s", out->command->name);
        read_output_only(&parser);
        return status;
    }
    if (parser.help) out->action = ARGV_HELP;
    return out->action == ARGV_COMMAND ? check_complete(out, error) : STATUS_OK;
}

void argv_fini(struct argv *argv)
{
    value_free(&argv->arguments);
}
