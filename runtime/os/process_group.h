/* process_group: the control groups of this process's children, by number. The first child with limits makes
 * their parent; where no group can be made, the children's own limits hold (runtime/os/confine.h). Any
 * thread. */
#ifndef AETHER_RUNTIME_OS_PROCESS_GROUP_H
#define AETHER_RUNTIME_OS_PROCESS_GROUP_H

#include "runtime/port/process.h"

/* 0: there are no limits, or no group could be made. `out_limited_by` is a constant for people. */
uint32_t process_group_enter(const struct process_limits *limits, int32_t pid, const char **out_limited_by);
/* The process was killed: its group goes as soon as the kernel lets it go. 0 is fine. */
void process_group_leave(uint32_t group);
bool process_group_ran_out_of_memory(uint32_t group);
void process_group_end(void); /* At the end of the program: what is left of them all. */

#endif
