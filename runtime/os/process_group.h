/* process_group: the control groups of this process's children, by number. Where no group can be made, the
 * children's own limits hold (runtime/os/confine.h). Any thread. */
#ifndef AETHER_RUNTIME_OS_PROCESS_GROUP_H
#define AETHER_RUNTIME_OS_PROCESS_GROUP_H

#include "runtime/port/process.h"

/* Before the first child: finds where groups can be made, and where version 2 wants it moves this process out
 * of the way, for a group that has processes of its own hands no controllers down. */
void process_group_begin(void);
/* 0: there are no limits, or no group could be made. `out_limited_by` is a constant for people. */
uint32_t process_group_enter(const struct process_limits *limits, int32_t pid, const char **out_limited_by);
/* The process was killed: its group goes as soon as the kernel lets it go. 0 is fine. */
void process_group_leave(uint32_t group);
bool process_group_ran_out_of_memory(uint32_t group);
void process_group_end(void); /* At the end of the program: what is left of them all. */

#endif
