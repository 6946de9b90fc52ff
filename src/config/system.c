/* SPDX-License-Identifier: MIT */
/*
 * The live resolver: asks the system, and says in words what a person has to do when the answer is no.
 * Blocks as long as name services do; runs in the checker only.
 */
#include "config/resolver.h"

#include "config/cpus.h"
#include "config/object.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int __attribute__((__format__(__printf__, 2, 3)))
fail(char *reason_r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason_r, RESOLVER_REASON_MAX, format, args);
	va_end(args);
	return -1;
}

/* An id written as a number; the largest one means "no change" to the kernel. */
static bool is_id(const char *text, uint32_t *id_r)
{
	const char *error;
	long long id = strtonum(text, 0, (long long)UINT32_MAX - 1, &error);

	*id_r = (uint32_t)id;
	return !error && text[strspn(text, "0123456789")] == '\0';
}

static int find_group(const char *group, gid_t *gid_r, char *reason_r)
{
	const struct group *found;
	uint32_t id;
	int error;

	errno = 0;
	found = getgrnam(group);
	error = errno;
	if (found)
		*gid_r = found->gr_gid;
	else if (is_id(group, &id))
		*gid_r = id;
	else if (error && error != ENOENT && error != ESRCH)
		return fail(reason_r, "cannot look up the group: %s", strerror(error));
	else
		return fail(reason_r, "there is no such group");
	return 0;
}

/* *found_r NULL: a bare number without an entry. */
static int find_user(const char *user, uid_t *uid_r, const struct passwd **found_r, char *reason_r)
{
	uint32_t id;
	int error;

	errno = 0;
	*found_r = getpwnam(user);
	error = errno;
	if (!*found_r && is_id(user, &id)) {
		*found_r = getpwuid(id);
		*uid_r = id;
		return 0;
	}
	if (!*found_r && error && error != ENOENT && error != ESRCH)
		return fail(reason_r, "cannot look up the user: %s", strerror(error));
	if (!*found_r)
		return fail(reason_r, "there is no such user (useradd --system makes one)");
	*uid_r = (*found_r)->pw_uid;
	return 0;
}

static int list_groups(const struct passwd *user, struct conf_ids *ids, gid_t **group_r,
		       char *reason_r)
{
	char *name = strdup(user->pw_name);
	gid_t *list = NULL, *grown;
	int n = 32, room;

	do {
		room = n;
		grown = name ? reallocarray(list, (size_t)room, sizeof(*list)) : NULL;
		if (!grown) {
			free(list);
			free(name);
			return fail(reason_r, "out of memory");
		}
		list = grown;
	} while (getgrouplist(name, ids->gid, list, &n) < 0 && n > room);
	free(name);
	ids->groups = (size_t)n;
	*group_r = list;
	return 0;
}

static int one_group(struct conf_ids *ids, gid_t **group_r, char *reason_r)
{
	*group_r = malloc(sizeof(**group_r));
	if (!*group_r)
		return fail(reason_r, "out of memory");
	**group_r = ids->gid;
	ids->groups = 1;
	return 0;
}

static int system_ids(const char *user, const char *group, struct conf_ids *ids_r, gid_t **group_r,
		      char *reason_r)
{
	const struct passwd *found = NULL;
	int result;

	ids_r->uid = geteuid();
	if (group && find_group(group, &ids_r->gid, reason_r) < 0)
		return -2;
	if (user && find_user(user, &ids_r->uid, &found, reason_r) < 0)
		return -1;
	if (!group && !found)
		return fail(reason_r, "this number is no known user: give a `group` too");
	if (!group)
		ids_r->gid = found->pw_gid;
	result = found ? list_groups(found, ids_r, group_r, reason_r)
		       : one_group(ids_r, group_r, reason_r);
	ids_r->change = ids_r->uid != geteuid() || ids_r->gid != getegid() || geteuid() == 0;
	if (result == 0 && ids_r->change && geteuid() != 0) {
		free(*group_r);
		*group_r = NULL;
		return fail(reason_r, "only root can change to it: start musterd as root, or leave "
				      "this out to stay who you are");
	}
	return result;
}

static int system_owner(const char *user, uid_t *uid_r, char *reason_r)
{
	const struct passwd *found;

	if (find_user(user, uid_r, &found, reason_r) < 0)
		return -1;
	if (geteuid() != 0 && *uid_r != geteuid())
		return fail(reason_r, "only root can give a socket to another user");
	return 0;
}

/* The folder that a file is in. */
static void folder_of(const char *path, char *folder, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash > path ? (size_t)(slash - path) : 1;

	snprintf(folder, size, "%.*s", (int)len, path);
}

static int check_folder(const char *folder, char *reason_r)
{
	struct stat st;

	if (stat(folder, &st) < 0)
		return fail(reason_r, "its folder `%.200s`: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(reason_r, "`%.200s` is not a folder", folder);
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
		return fail(reason_r, "its folder `%.200s` cannot be written: %s", folder,
			    strerror(errno));
	return 0;
}

static int check_writable(const char *path, char *reason_r)
{
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return fail(reason_r, "is a folder, not a file");
		if (S_ISSOCK(st.st_mode))
			return fail(reason_r, "is a socket, not a file");
		if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
			return fail(reason_r, "cannot be written: %s", strerror(errno));
		return 0;
	}
	folder_of(path, folder, sizeof(folder));
	return check_folder(folder, reason_r);
}

/*
 * A socket that is there is replaced if nobody listens behind it; the folder must take a new one. The master makes that
 * folder when it is missing.
 */
static int check_socket(const char *path, char *reason_r)
{
	char folder[PATH_MAX], above[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return fail(reason_r, "there is a file that is no socket");
	folder_of(path, folder, sizeof(folder));
	folder_of(folder, above, sizeof(above));
	if (stat(folder, &st) < 0 && errno == ENOENT && stat(above, &st) == 0)
		return check_folder(above, reason_r);
	return check_folder(folder, reason_r);
}

static int system_file(enum resolver_file what, const char *path, char *reason_r)
{
	struct stat st;

	if (what == RESOLVER_CONTROL)
		return check_socket(path, reason_r);
	if (what != RESOLVER_CHROOT)
		return check_writable(path, reason_r);
	if (stat(path, &st) < 0)
		return fail(reason_r, "%s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(reason_r, "is not a folder");
	return 0;
}

static void system_identity(const char *path, char *identity_r)
{
	struct stat st;

	identity_r[0] = '\0';
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		snprintf(identity_r, RESOLVER_IDENTITY_MAX, "%ju:%ju:%jd:%jd.%09ld",
			 (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_size,
			 (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

const struct resolver_ops resolver_system = {
	.listen = address_resolve,
	.ids = system_ids,
	.owner = system_owner,
	.group = find_group,
	.cpus = cpus_usable,
	.file = system_file,
	.identity = system_identity,
	.module = object_load,
};
