/* error: the story of a failure, for a person. Held by the caller, fixed size, nothing to free; a NULL
 * pointer means that nobody wants the story. `message` says what failed and where, `hint` what to do. */
#ifndef AETHER_RUNTIME_BASE_ERROR_H
#define AETHER_RUNTIME_BASE_ERROR_H

#include "runtime/base/status.h"

#include <stdbool.h>

enum { ERROR_MESSAGE_MAX = 480, ERROR_HINT_MAX = 240 };

struct error {
    enum status status;
    char message[ERROR_MESSAGE_MAX];
    char hint[ERROR_HINT_MAX];
    bool is_final;     /* Whoever asks again, here or elsewhere, hears the same. */
    bool is_unstarted; /* Nothing was begun, even where the status alone doesn't say so: again is harmless. */
};

/* Sets status and message, clears the rest, and returns the status, so that
 * `return error_set(error, STATUS_IO, "open %s: %s", path, text);` reads as one step. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts a prefix and ": " before the message; returns error's status. */
enum status error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
