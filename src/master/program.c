/* SPDX-License-Identifier: MIT */
/* Where the running program is installed, as program.h says. */
#include "master/program.h"

#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_running(const char *path)
{
	struct stat there, ours;

	return stat(path, &there) == 0 && stat("/proc/self/exe", &ours) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* The first file of PATH of this name that is the one which runs. malloc'd; NULL: none. */
static char *search(const char *name)
{
	const char *variable = getenv("PATH");
	char *folders = strdup(variable ? variable : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *folder, *rest = folders, *found = NULL, *path;

	while (!found && (folder = strsep(&rest, ":"))) {
		if (asprintf(&path, "%s/%s", *folder ? folder : ".", name) < 0)
			break;
		if (is_running(path))
			found = path_absolute(path);
		free(path);
	}
	free(folders);
	return found;
}

/* malloc'd; NULL with errno. */
static char *find(const char *name)
{
	char link[PATH_MAX];
	ssize_t len;
	char *path = NULL;

	if (name && strchr(name, '/'))
		path = is_running(name) ? path_absolute(name) : NULL;
	else if (name)
		path = search(name);
	if (path)
		return path;
	len = readlink("/proc/self/exe", link, sizeof(link));
	return len > 0 && len < PATH_MAX ? strndup(link, (size_t)len) : NULL;
}

static bool is_of_an_upgrade(const char *argument)
{
	return strncmp(argument, PROGRAM_RESUME, strlen(PROGRAM_RESUME)) == 0 ||
	       strncmp(argument, PROGRAM_CHECK, strlen(PROGRAM_CHECK)) == 0;
}

int program_init(struct program *program, char *const *argv)
{
	size_t n = 0, to = 0;

	while (argv[n])
		n++;
	program->path = find(argv[0]);
	program->argv = calloc(n + 1, sizeof(*program->argv));
	for (size_t i = 0; program->argv && i < n; i++) {
		if (i == 1 && is_of_an_upgrade(argv[i]))
			continue;
		program->argv[to] = strdup(argv[i]);
		if (!program->argv[to++])
			break;
	}
	if (program->argv && (to == 0 || program->argv[to - 1]))
		return 0;
	program_cleanup(program);
	errno = ENOMEM;
	return -1;
}

void program_cleanup(struct program *program)
{
	for (char **argument = program->argv; argument && *argument; argument++)
		free(*argument);
	free(program->argv);
	free(program->path);
	*program = (struct program){ 0 };
}

char **program_arguments(const struct program *program, const char *option, int fd)
{
	const size_t room = strlen(option) + 16;
	size_t n = 0;
	char **argv, *added;

	while (program->argv[n])
		n++;
	argv = calloc(1, (n + 3) * sizeof(*argv) + room);
	if (!argv)
		return NULL;
	added = (char *)(argv + n + 3);
	snprintf(added, room, "%s%d", option, fd);
	argv[0] = n ? program->argv[0] : program->path;
	argv[1] = added;
	for (size_t i = 1; i < n; i++)
		argv[i + 1] = program->argv[i];
	return argv;
}

int program_look(const char *path, struct program_file *file_r)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EACCES;
		return -1;
	}
	*file_r = (struct program_file){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
	return 0;
}

bool program_is_same(const struct program_file *a, const struct program_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}
