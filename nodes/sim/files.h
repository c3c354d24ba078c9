/* files: one machine's files in memory, behind runtime/port/file.h: for actors that keep files, in virtual
 * time. What was written is there at once and stays, whatever becomes of the process. */
#ifndef AETHER_NODES_SIM_FILES_H
#define AETHER_NODES_SIM_FILES_H

#include "runtime/port/file.h"

struct sim_files;

struct sim_files *sim_files_create(void);
void sim_files_destroy(struct sim_files **files);
const struct file_port *sim_files_port(struct sim_files *files);

/* --- what happens to disks --- */
uint32_t sim_files_count(const struct sim_files *files, const char *folder); /* Directly in it. */
bool sim_files_has(const struct sim_files *files, const char *path);
bool sim_files_lose(struct sim_files *files, const char *path);   /* false: there is none. */
bool sim_files_damage(struct sim_files *files, const char *path); /* One bit of its middle. */
void sim_files_write(struct sim_files *files, const char *path, const void *data, size_t size);

#endif
