/* SPDX-License-Identifier: MIT */
/* Looking at programs, as executable.h says. */
#include "services/executable.h"

#include "autoconf.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LINUX_OPENAT2_H
#include <linux/openat2.h>
#endif

enum {
	HEAD = 256,           /* what the kernel reads of a file to know it: BINPRM_BUF_SIZE */
	INTERPRETERS_MAX = 5, /* scripts that are run by scripts, as the kernel allows */
	HEADERS_MAX = 64
};

/* Ourselves: what a program must be to run without help of others (binfmt_misc). */
extern const ElfW(Ehdr) __ehdr_start __attribute__((__visibility__("hidden")));

static int say(char *reason, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));

static int say(char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, EXECUTABLE_REASON_MAX, format, args);
	va_end(args);
	return -1;
}

/* Absolute links in a chroot lead to another place for us than for the program. */
static int open_in_root(const char *root, const char *path, int flags)
{
	int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, saved;

	if (folder < 0)
		return -1;
#if defined(HAVE_LINUX_OPENAT2_H) && defined(SYS_openat2)
	struct open_how how = { .flags = (uint64_t)flags, .resolve = RESOLVE_IN_ROOT };

	fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
#else
	errno = ENOSYS;
#endif
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		while (*path == '/')
			path++;
		fd = openat(folder, *path ? path : ".", flags);
	}
	saved = errno;
	close(folder);
	errno = saved;
	return fd;
}

static int open_below(const char *root, const char *path, int flags)
{
	flags |= O_CLOEXEC;
	/* It may be a FIFO. openat2(2) wants nothing beside O_PATH. */
	if (!(flags & O_PATH))
		flags |= O_NONBLOCK | O_NOCTTY;
	return root ? open_in_root(root, path, flags) : open(path, flags);
}

static int stat_below(const char *root, const char *path, struct stat *st_r)
{
	int fd = open_below(root, path, O_PATH), result, saved;

	if (fd < 0)
		return -1;
	result = fstat(fd, st_r);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/* What a file must be before anybody looks into it. 0, or -1 with the reason. */
static int check_mode(const char *root, const char *path, char *reason)
{
	struct stat st;

	if (stat_below(root, path, &st) < 0)
		return say(reason, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return say(reason, "it is a folder");
	if (!S_ISREG(st.st_mode))
		return say(reason, "it is not a regular file");
	if (!(st.st_mode & 0111))
		return say(reason, "it is not executable (chmod +x)");
	if (st.st_size == 0)
		return say(reason, "it is empty");
	/* Rights, and file systems that are mounted noexec. */
	if (!root && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return say(reason, "%s", strerror(errno));
	return 0;
}

/* ---- what it needs ---- */

/* The interpreter in the first line, cut out of it in place; NULL with the reason. */
static char *interpreter(char *head, size_t len, char *reason)
{
	char *end = memchr(head, '\n', len), *name = head + 2, *stop;

	if (end)
		*end = '\0';
	name += strspn(name, " \t");
	stop = name + strcspn(name, " \t");
	if (!*name) {
		say(reason, "its first line names no interpreter behind `#!`");
		return NULL;
	}
	if (!end && !*stop && len == HEAD) {
		say(reason, "its first line is too long");
		return NULL;
	}
	if (end && end[-1] == '\r' && end <= stop) {
		say(reason, "its first line ends in a carriage return, which the kernel takes for "
			    "a part of the interpreter's name: give the file Unix line ends");
		return NULL;
	}
	*stop = '\0';
	return name;
}

/* The loader that a program for this machine wants, "" when it needs none, or we cannot tell. */
static void find_loader(int fd, const char *head, char *loader, size_t size)
{
	ElfW(Phdr) header;
	ElfW(Ehdr) elf;
	ssize_t n;

	*loader = '\0';
	memcpy(&elf, head, sizeof(elf));
	if (memcmp(elf.e_ident, __ehdr_start.e_ident, EI_OSABI) != 0 ||
	    elf.e_machine != __ehdr_start.e_machine || elf.e_phentsize != sizeof(header))
		return;
	for (int i = 0; i < elf.e_phnum && i < HEADERS_MAX; i++) {
		if (pread(fd, &header, sizeof(header),
			  (off_t)(elf.e_phoff + (size_t)i * sizeof(header))) != sizeof(header))
			return;
		if (header.p_type != PT_INTERP)
			continue;
		n = pread(fd, loader, header.p_filesz < size ? header.p_filesz : size - 1,
			  (off_t)header.p_offset);
		loader[n > 0 ? n : 0] = '\0';
		return;
	}
}

static bool is_text(const char *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isprint((unsigned char)head[i]) && !isspace((unsigned char)head[i]))
			return false;
	return true;
}

static bool check_deep(const char *root, const char *file, int depth, char *reason);

static bool check_need(const char *root, const char *what, const char *file, int depth,
		       char *reason)
{
	char inner[EXECUTABLE_REASON_MAX];

	/* A relative one is taken from the folder where the program is run. */
	if (*file != '/' || check_deep(root, file, depth + 1, inner))
		return true;
	say(reason, "its %s `%s`: %.300s", what, file, inner);
	return false;
}

static bool check_content(const char *root, int fd, char *head, size_t len, int depth, char *reason)
{
	char loader[HEAD];
	const char *name;

	if (len > 2 && memcmp(head, "#!", 2) == 0) {
		name = interpreter(head, len, reason);
		return name && check_need(root, "interpreter", name, depth, reason);
	}
	if (len >= sizeof(ElfW(Ehdr)) && memcmp(head, ELFMAG, SELFMAG) == 0) {
		find_loader(fd, head, loader, sizeof(loader));
		return !*loader || check_need(root, "loader", loader, depth, reason);
	}
	if (!is_text(head, len))
		return true;
	say(reason, "it is a text without a first line that names its interpreter: #!/bin/sh");
	return false;
}

static bool check_deep(const char *root, const char *file, int depth, char *reason)
{
	char head[HEAD + 1];
	bool runs = true;
	ssize_t n;
	int fd;

	if (check_mode(root, file, reason) < 0)
		return false;
	/* A program need not be readable for us. */
	fd = open_below(root, file, O_RDONLY);
	if (fd < 0)
		return true;
	n = pread(fd, head, HEAD, 0);
	if (n > 0 && depth < INTERPRETERS_MAX) {
		head[n] = '\0';
		runs = check_content(root, fd, head, (size_t)n, depth, reason);
	}
	close(fd);
	return runs;
}

bool executable_check(const char *root, const char *file, char reason[EXECUTABLE_REASON_MAX])
{
	return check_deep(root, file, 0, reason);
}

bool executable_check_folder(const char *root, const char *folder,
			     char reason[EXECUTABLE_REASON_MAX])
{
	struct stat st;

	if (stat_below(root, folder, &st) < 0)
		say(reason, "%s", strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		say(reason, "it is not a folder");
	else if (!root && faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) < 0)
		say(reason, "%s", strerror(errno));
	else
		return true;
	return false;
}

char *executable_find(const char *root, const char *path, const char *name)
{
	char reason[EXECUTABLE_REASON_MAX], *file;

	while (*path) {
		size_t len = strcspn(path, ":");

		/* An empty one would be the current folder, as would a relative one be below it. */
		if (*path == '/') {
			if (asprintf(&file, "%.*s/%s", (int)len, path, name) < 0)
				return NULL;
			if (check_mode(root, file, reason) == 0)
				return file;
			free(file);
		}
		path += len + (path[len] == ':');
	}
	return NULL;
}
