/* SPDX-License-Identifier: MIT */
/*
 * Why a file cannot be run, in words: execve(2) says "No such file or directory" of a script whose interpreter is
 * missing, and a configuration that is checked has nobody to say anything yet. Nothing is run here.
 */
#ifndef SERVICES_EXECUTABLE_H
#define SERVICES_EXECUTABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { EXECUTABLE_REASON_MAX = 512 };

/*
 * Looks at a file below root (NULL: our own /), its interpreter or loader included; links lead where they would with
 * root as /. True: nothing speaks against it. False with the reason: "its interpreter `/bin/ksh`: No such ...".
 */
bool executable_check(const char *root, const char *file, char reason[EXECUTABLE_REASON_MAX]);

/* The same for a folder to work in. */
bool executable_check_folder(const char *root, const char *folder,
			     char reason[EXECUTABLE_REASON_MAX]);

/*
 * The first file of that name, which one may run, in the folders of path, "/usr/bin:/bin", below root. malloc'd;
 * NULL: there is none.
 */
char *executable_find(const char *root, const char *path, const char *name);

#endif
