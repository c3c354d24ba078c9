/* content: see the header. */
#include "cli/content.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64 };

/* At most CONTENT_SIZE_MAX + 1 bytes: one more than is allowed tells that there are more. */
static enum status read_stream(FILE *stream, const char *name, struct text *out, struct error *error)
{
    char *buffer = memory_alloc(CONTENT_SIZE_MAX + 1);
    size_t size = fread(buffer, 1, CONTENT_SIZE_MAX + 1, stream);
    enum status status = STATUS_OK;
    if (ferror(stream)) {
        status = error_set(error, STATUS_INVALID, "%s can't be read: %s", name, strerror(errno));
    } else if (size > CONTENT_SIZE_MAX) {
        status = error_set(error, STATUS_INVALID, "%s is larger than 1 MiB", name);
    } else if (!text_is_utf8(buffer, size) || memchr(buffer, '\0', size) != NULL) {
        status = error_set(error, STATUS_INVALID, "%s is no text: it must be UTF-8", name);
    } else {
        text_add_bytes(out, buffer, size);
    }
    memory_free(buffer);
    return status;
}

static enum status read_named(const char *name, struct text *out, struct error *error)
{
    if (name[0] == '\0') return error_set(error, STATUS_INVALID, "the name of the file is empty");
    if (strcmp(name, "-") == 0) return read_stream(stdin, "standard input", out, error);
    FILE *stream = fopen(name, "rb");
    if (stream == NULL) {
        error_set(error, STATUS_INVALID, "%s can't be opened: %s", name, strerror(errno));
        error_hint(error, "give the name of a file, or - for standard input");
        return STATUS_INVALID;
    }
    enum status status = read_stream(stream, name, out, error);
    (void)fclose(stream);
    return status;
}

enum status content_load(struct argv *argv, struct error *error)
{
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(argv->command, i, &argument, &field); i++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, argument->field);
        const char *word = value_get_string(argv->arguments, name, NULL);
        if (word == NULL || argument->source == SOURCE_WORD) continue;
        if (argument->source == SOURCE_WORD_OR_FILE) {
            if (word[0] != '@' && strcmp(word, "-") != 0) continue;
            word += word[0] == '@' ? 1 : 0;
        }
        struct text content = { 0 };
        enum status status = read_named(word, &content, error);
        if (status == STATUS_OK) value_set_string(argv->arguments, name, text_string(&content));
        text_fini(&content);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}
