/* SPDX-License-Identifier: MIT */
/* Paths of files. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

/* The path seen from /: what stays good when the working folder changes. malloc'd; NULL with errno. */
char *path_absolute(const char *path);

#endif
