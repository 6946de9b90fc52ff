/* SPDX-License-Identifier: MIT */
/*
 * The program that runs, as an upgrade needs it: where it is installed and the arguments it was started with.
 * Not /proc/self/exe, which goes on naming the file that was replaced.
 */
#ifndef MASTER_PROGRAM_H
#define MASTER_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct program {
	char *path;  /* absolute; symbolic links are left as they are. NULL: not known */
	char **argv; /* ended by NULL; without what an upgrade added */
};

/* What an upgrade puts in front of the other arguments, with the number of the state's descriptor. */
#define PROGRAM_RESUME "--adopt-state="
#define PROGRAM_CHECK  "--check-state="

/*
 * Copies argv, before setproctitle overwrites it. The path is that of argv[0] (searched in PATH if it has no
 * slash) if that is the file which runs, else the kernel's word. 0 or -1 with errno.
 */
int program_init(struct program *program, char *const *argv);
void program_cleanup(struct program *program);

/*
 * Its arguments with one more in front: "--adopt-state=7" for option PROGRAM_RESUME and fd 7. The array and the
 * new argument are malloc'd as one. NULL with errno.
 */
char **program_arguments(const struct program *program, const char *option, int fd);

/* A file as it was when it was looked at. */
struct program_file {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* 0, or -1 with errno: EACCES also for what is no regular file. */
int program_look(const char *path, struct program_file *file_r);
/* Nothing was replaced or written in between. */
bool program_is_same(const struct program_file *a, const struct program_file *b);

#endif
