/* SPDX-License-Identifier: MIT */
/* From paths to files below a root; see look.h. */
#include "services/http/look.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A site that was moved without its rights looks like this, so it is said; but clients decide how
 * often.
 */
static void warn_of_denial(struct site *site, const struct root *root, int error)
{
	if (site->denied == site->now)
		return;
	site->denied = site->now;
	mu_worker_log(site->worker, MU_WARNING, "cannot open %s/%s: %s", root->path, site->name,
		      error == EXDEV ? "a symbolic link leads out of the root, and "
				       "`follow-symlinks` does not allow that"
				     : strerror(error));
}

/* For site->name, which could not be opened below root. */
static int status_of(struct site *site, const struct root *root, int error)
{
	const char *name = site->name;

	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return 404;
	case EISDIR:
		return 301;
	case EACCES:
	case EPERM:
	case ELOOP:
	case EXDEV:
		warn_of_denial(site, root, error);
		return 403;
	case ENXIO:
	case ENODEV:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		mu_worker_log(site->worker, MU_ERR, "cannot open /%s: %s", name, strerror(error));
		return 503;
	default:
		mu_worker_log(site->worker, MU_ERR, "cannot open /%s: %s", name, strerror(error));
		return 500;
	}
}

bool look_admits(const struct mu_conn *conn, const struct access *access)
{
	struct sockaddr_storage peer;

	if (!access)
		return true;
	mu_peer_address(conn, &peer);
	return access_admits(access, &peer);
}

/* Files below a path that leads to a gateway are not ours to send: they may be programs. */
static bool has_files(const struct look *look)
{
	return look->settings->root && !look->settings->gateway;
}

/*
 * Under what a file is kept, beside its path. A request is given the file that is kept for its host
 * and path before anything else is looked at; where that path leads elsewhere by what is said of
 * it, and only a `try` or an error led to its file, the file is kept under the place behind the
 * host's, which is no host.
 */
static const void *key_of(const struct look *look)
{
	const struct settings *settings = look->settings;
	bool leads_here = !settings->redirect && !settings->answer &&
			  (!settings->try || strcmp(settings->try->word[0], "{path}") == 0);

	return (const char *)look->host + !leads_here;
}

/* Opens site->name, and gives up a cached descriptor if that is what is missing. 0 or a status. */
static int open_name(struct site *site, const struct settings *settings, const struct look *key,
		     bool is_first, struct file **file_r)
{
	for (;;) {
		if (file_open(file_r, settings, &site->file, site->name, key_of(key), key->path,
			      key->len, site->now) == 0) {
			(*file_r)->is_first = is_first;
			cache_add(&site->cache, *file_r);
			return 0;
		}
		if (errno != EMFILE || !cache_release_fd(&site->cache))
			return status_of(site, settings->root, errno);
	}
}

/*
 * Puts the name for look's path into site->name, with more behind it. False: it is too long to
 * exist.
 */
static bool set_name(struct site *site, const struct look *look, const char *more)
{
	size_t len, more_len = strlen(more);
	const char *name = settings_name(look->settings, look->path, look->len, &len);

	if (len + more_len >= sizeof site->name)
		return false;
	memcpy(site->name, name, len);
	memcpy(site->name + len, more, more_len + 1);
	return true;
}

/* A folder without an index: there it is to be listed, or it is not. */
static int open_folder(struct site *site, const struct look *look)
{
	int fd;

	if (!look->settings->root || !set_name(site, look, ""))
		return 404;
	fd = root_open_file(look->settings->root, site->name);
	if (fd < 0)
		return status_of(site, look->settings->root, errno);
	close(fd);
	return look->settings->listing ? 0 : 403;
}

/* A file whose settings are not those that were looked at so far. 0 or a status. */
static int open_file(struct site *site, const struct look *look, struct file **file_r)
{
	*file_r = cache_find(&site->cache, key_of(look), look->path, look->len, site->now);
	if (*file_r)
		return 0;
	if (!has_files(look))
		return 404;
	return set_name(site, look, "") ? open_name(site, look->settings, look, true, file_r) : 404;
}

/* Whether a file is there, which need not be for us to read: 0 or a status. */
static int probe(struct site *site, const struct look *look)
{
	struct root *root = look->settings->root;
	struct stat st;

	if (!root || !set_name(site, look, ""))
		return 404;
	root_refresh(root, site->now);
	if (root_look(root, site->name, &st) < 0)
		return status_of(site, root, errno);
	return S_ISREG(st.st_mode) ? 0 : 404;
}

/* An index file that is a program: the folder's path stands for its own. */
static int open_index_gateway(struct site *site, struct look *folder, const struct look *index)
{
	int status = folder->no_gateway ? 404 : probe(site, index);

	if (status)
		return status;
	if (!look_admits(index->conn, index->settings->access))
		return 403;
	*folder->settings = *index->settings;
	folder->path = index->path;
	folder->len = index->len;
	return SITE_GATEWAY;
}

/*
 * An index file is sent as what is said of its own path has it. It is kept as the folder's; but
 * where not the same clients may have it as the folder, it is asked each time who they are.
 */
static int open_index_file(struct site *site, struct look *folder, size_t turn,
			   struct file **file_r)
{
	const char *name = folder->settings->index->word[turn];
	size_t name_len = strlen(name);
	struct settings settings;
	struct look look = { folder->conn, folder->host, &settings, site->index,
			     folder->len + name_len };
	int status;

	if (look.len >= sizeof site->index)
		return 404;
	memcpy(site->index, folder->path, folder->len);
	memcpy(site->index + folder->len, name, name_len + 1);
	rules_settings(site->rules, look.host, look.path, look.len, &settings);
	if (settings.gateway)
		return open_index_gateway(site, folder, &look);
	if (folder->no_file)
		return 404;
	if (settings.access == folder->settings->access) {
		if (!settings.root || !set_name(site, &look, ""))
			return 404;
		return open_name(site, &settings, folder, turn == 0, file_r);
	}
	status = open_file(site, &look, file_r);
	if (status == 0 && look.conn && !look_admits(look.conn, settings.access)) {
		file_unref(*file_r);
		*file_r = NULL;
		return 403;
	}
	return status;
}

/* A path that ends with a slash: the first index file that is there. */
static int open_index(struct site *site, struct look *look, struct file **file_r)
{
	const struct mu_words *index = look->settings->index;

	for (size_t i = 0; i < index->n; i++) {
		int status = open_index_file(site, look, i, file_r);

		/* A folder of that name is no index. */
		if (status != 404 && status != 301)
			return status;
	}
	return look->no_file ? 404 : open_folder(site, look);
}

int look_open(struct site *site, struct look *look, struct file **file_r)
{
	if (look->path[look->len - 1] != '/')
		return look->no_file ? 404 : open_file(site, look, file_r);
	if (!look->no_file)
		*file_r = cache_find(&site->cache, key_of(look), look->path, look->len, site->now);
	if (*file_r)
		return 0;
	return has_files(look) ? open_index(site, look, file_r) : 404;
}
