/* SPDX-License-Identifier: MIT */
/*
 * The files that the workers of a pool append to, where the service's module has directives of type
 * MU_OUTPUT. The master opens them: a worker may be in a chroot, or another user by the time of a
 * rotation, and what cannot be opened must be refused before anything is changed. What is written
 * there is the modules'. Used by pool_new.c and logs.c.
 */
#ifndef MASTER_OUTPUTS_H
#define MASTER_OUTPUTS_H

#include "config/config.h"

/*
 * Those of the service, in its order: a malloc'd array, of one more where there is none. NULL with
 * *error_r malloc'd (or NULL with errno), and nothing left open.
 */
int *outputs_open(const struct service_conf *service, char **error_r);
/* Closes them and frees the array. NULL is fine. */
void outputs_close(int *output, size_t n);

/*
 * One alone. Descriptor, or -1 with the reason in words: static text, or good until the next one.
 */
int output_open(const char *path, const char **reason_r);

#endif
