/* space_alarm: see the header. */
#include "store/schema/space_alarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t KIB = 1024;
static const int64_t MIB = INT64_C(1024) * 1024;

void space_alarm_describe(const struct value *alarm, char text[SPACE_ALARM_TEXT_SIZE])
{
    int64_t mark = value_get_integer(alarm, "mark", 0);
    bool map = strcmp(value_get_string(alarm, "place", ""), SPACE_ALARM_MAP) == 0;
    bool small = mark < MIB;
    (void)snprintf(text, SPACE_ALARM_TEXT_SIZE, "less than %" PRId64 " %s free %s",
                   small ? mark / KIB : mark / MIB, small ? "KiB" : "MiB",
                   map ? "in its store's map (limits.map-size)" : "on its disk");
}
