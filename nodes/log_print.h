/* log_print: log records as lines on standard error, text or JSON, one write a line. Values from outside
 * can't forge a line: control characters are escaped. */
#ifndef AETHER_NODES_LOG_PRINT_H
#define AETHER_NODES_LOG_PRINT_H

#include "runtime/scheduler.h"

struct log_print {
    bool json;
};

void log_print(void *context, const struct log_record *record); /* context: struct log_print. Any thread. */
int log_print_level(const char *name); /* "debug" 0 … "error" 3; -1: no such level. */

#endif
