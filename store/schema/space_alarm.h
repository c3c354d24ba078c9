/* space_alarm: what config/alarms/no-space/{node} holds, for those who write it (cluster_space.h) and those
 * who show it:
 *
 *   {"place":"disk","free":61000000,"mark":67108864,"timestamp":…}   as it was when the alarm was raised */
#ifndef AETHER_STORE_SCHEMA_SPACE_ALARM_H
#define AETHER_STORE_SCHEMA_SPACE_ALARM_H

#include "wire/json/value.h"

#define SPACE_ALARM_PREFIX "config/alarms/no-space/"
#define SPACE_ALARM_DISK   "disk" /* "place" */
#define SPACE_ALARM_MAP    "map"

enum { SPACE_ALARM_TEXT_SIZE = 96 };

/* "less than 64 MiB free on its disk" */
void space_alarm_describe(const struct value *alarm, char text[SPACE_ALARM_TEXT_SIZE]);

#endif
