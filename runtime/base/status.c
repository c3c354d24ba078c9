/* status: see the header. */
#include "runtime/base/status.h"

#include <stddef.h>
#include <string.h>

struct status_row {
    const char *name;
    const char *text;
    int http;
    int json_rpc;
    int exit_code;
};

static const struct status_row rows[STATUS_COUNT] = {
#define STATUS_ROW(number, word, http, rpc, exit, text) [number] = { #word, text, http, rpc, exit },
    STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static const struct status_row *row_of(enum status status)
{
    return &rows[(unsigned)status < STATUS_COUNT ? status : STATUS_UNKNOWN];
}

const char *status_name(enum status status)
{
    return row_of(status)->name;
}

const char *status_text(enum status status)
{
    return row_of(status)->text;
}

int status_http(enum status status)
{
    return row_of(status)->http;
}

int status_json_rpc(enum status status)
{
    return row_of(status)->json_rpc;
}

int status_exit(enum status status)
{
    return row_of(status)->exit_code;
}

enum status status_from_name(const char *name)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) return (enum status)i;
    }
    return STATUS_COUNT;
}

enum status status_from_number(int number)
{
    return number >= 0 && number < STATUS_COUNT ? (enum status)number : STATUS_UNKNOWN;
}
