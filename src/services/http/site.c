/* SPDX-License-Identifier: MIT */
/* From requests to files; see site.h. */
#include "services/http/site.h"

#include "services/http/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_SPARE = 64, /* for all that is neither a connection nor in the cache */
	FDS_MIN = 4,
	WARNING_PAUSE = 60 /* seconds between two warnings of a missing error page */
};

/* How many descriptors are open, or a few more: the kernel gives out the lowest number that is free. */
static size_t fds_open(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? (size_t)fd : 0;
}

/* How many the cache may hold without taking any from the connections; the roots are open already. */
static size_t fds_max(struct mu_worker *worker, size_t entries)
{
	size_t taken = (size_t)mu_worker_connections(worker) + fds_open() + FDS_SPARE;
	size_t left = FDS_MIN;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > taken + FDS_MIN)
		left = (size_t)limit.rlim_cur - taken;
	return left < entries ? left : entries;
}

static int open_log(struct site *site)
{
	const struct site_conf *conf = site->conf;
	int fd;

	if (!conf->access_log)
		return 0;
	fd = mu_output(site->worker, conf->access_log);
	if (fd < 0) {
		mu_worker_log(site->worker, MU_ERR, "%s is not open: %s", conf->access_log,
			      strerror(errno));
		return -1;
	}
	site->log = access_log_new(site->worker, fd, (enum access_format)conf->access_log_format);
	if (!site->log)
		mu_worker_log(site->worker, MU_ERR, "no memory for the access log");
	return site->log ? 0 : -1;
}

static int open_parts(struct site *site)
{
	const struct site_conf *conf = site->conf;

	site->rules = rules_new(conf, site->worker);
	if (!site->rules)
		return -1;
	site->mime = mime_new(conf->mime_types);
	if (!site->mime) {
		mu_worker_log(site->worker, MU_ERR, "no memory for the media types");
		return -1;
	}
	if (errno)
		mu_worker_log(site->worker, MU_INFO,
			      "cannot read %s: %s; the built-in media types are used",
			      conf->mime_types, strerror(errno));
	if (cache_init(&site->cache, (size_t)conf->cache.entries, (size_t)conf->cache.memory,
		       fds_max(site->worker, (size_t)conf->cache.entries)) < 0) {
		mu_worker_log(site->worker, MU_ERR, "no memory for the file cache");
		return -1;
	}
	return open_log(site);
}

struct site *site_new(const struct site_conf *conf, struct mu_worker *worker)
{
	struct site *site = calloc(1, sizeof *site);

	if (!site) {
		mu_worker_log(worker, MU_ERR, "no memory for a website");
		return NULL;
	}
	site->conf = conf;
	site->worker = worker;
	site->now = site->denied = INT64_MIN;
	if (open_parts(site) < 0) {
		site_free(site);
		return NULL;
	}
	site->file = (struct file_options){
		.mime = site->mime,
		.server = conf->server_header ? "Server: musterd\r\n" : "",
		.content_max = conf->cache.file_size,
	};
	site_turn(site);
	return site;
}

void site_free(struct site *site)
{
	if (!site)
		return;
	access_log_free(site->log);
	cache_cleanup(&site->cache);
	mime_free(site->mime);
	rules_free(site->rules);
	free(site);
}

void site_turn(struct site *site)
{
	int64_t now = mu_time(site->worker);

	if (now == site->now)
		return;
	site->now = now;
	date_format(now, site->date);
}

/* ----------------------------------------------------------------------------- opening files ---- */

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

static bool admits(const struct mu_conn *conn, const struct access *access)
{
	struct sockaddr_storage peer;

	if (!access)
		return true;
	mu_peer_address(conn, &peer);
	return access_admits(access, &peer);
}

/* What is looked for below a root: the path of a request, or one that stands in for it. */
struct look {
	const struct mu_conn *conn; /* who asks; NULL: it does not matter who */
	const struct host *host;
	const struct settings *settings;
	const char *path;
	size_t len;
};

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

	if (!set_name(site, look, ""))
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
	if (!look->settings->root)
		return 404;
	return set_name(site, look, "") ? open_name(site, look->settings, look, true, file_r) : 404;
}

/*
 * An index file is sent as what is said of its own path has it. It is kept as the folder's; but
 * where not the same clients may have it as the folder, it is asked each time who they are.
 */
static int open_index_file(struct site *site, const struct look *folder, size_t turn,
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
	if (settings.access == folder->settings->access) {
		if (!settings.root || !set_name(site, &look, ""))
			return 404;
		return open_name(site, &settings, folder, turn == 0, file_r);
	}
	status = open_file(site, &look, file_r);
	if (status == 0 && look.conn && !admits(look.conn, settings.access)) {
		file_unref(*file_r);
		*file_r = NULL;
		return 403;
	}
	return status;
}

/* A path that ends with a slash: the first index file that is there. */
static int open_index(struct site *site, const struct look *look, struct file **file_r)
{
	for (size_t i = 0; i < look->settings->index->n; i++) {
		int status = open_index_file(site, look, i, file_r);

		/* A folder of that name is no index. */
		if (status != 404 && status != 301)
			return status;
	}
	return open_folder(site, look);
}

/* 0 with a file, or without one: site->name is a folder to be listed. Else a status. */
static int open_look(struct site *site, const struct look *look, struct file **file_r)
{
	if (look->path[look->len - 1] != '/')
		return open_file(site, look, file_r);
	*file_r = cache_find(&site->cache, key_of(look), look->path, look->len, site->now);
	if (*file_r)
		return 0;
	return look->settings->root ? open_index(site, look, file_r) : 404;
}

/* ------------------------------------------------------------------------------- what is said ---- */

struct template_values site_values(const struct request *request, const char *data,
				   const struct found *found)
{
	return (struct template_values){
		.host = data + request->host.at,
		.host_len = request->host.len,
		.path = found->path,
		.path_len = found->len,
		.query = data + request->query.at,
		.query_len = request->query.len,
		.prefix_len = found->settings.prefix_len,
	};
}

void site_settle(struct site *site, struct found *found)
{
	if (found->settled)
		return;
	rules_settings(site->rules, found->host, found->path, found->len, &found->settings);
	found->settled = true;
}

/* The path that is tried, with a slash behind it: is that another one than the client asked for? */
static bool is_folder_of(const struct found *found, const struct look *look)
{
	return look->len == found->len + 1 && look->path[found->len] == '/' &&
	       !memcmp(look->path, found->path, found->len);
}

/*
 * One path of `try`; 404: the next one. What is said about that path holds for its file, which is
 * kept under it: but where it leads elsewhere by a `try` or `redirect` of its own, that is not
 * followed.
 */
static int try_path(struct site *site, const struct mu_conn *conn, struct found *found,
		    const struct template_values *values, const char *text)
{
	struct settings settings;
	struct look look = { conn, found->host, &settings, site->candidate, 0 };
	int status;

	look.len = template_path(text, values, site->candidate, sizeof site->candidate);
	if (!look.len)
		return 404;
	rules_settings(site->rules, found->host, look.path, look.len, &settings);
	if (!admits(conn, settings.access))
		return 403;
	status = open_look(site, &look, &found->file);
	/* Relative links of a folder's page lead below it only if its path ends with a slash. */
	if (status == 0 && is_folder_of(found, &look)) {
		file_unref(found->file);
		found->file = NULL;
		return 301;
	}
	if (status == 0 && !found->file) {
		found->path = look.path;
		found->len = look.len;
		found->settings = settings;
	}
	return status == 301 ? 404 : status;
}

static int open_try(struct site *site, const struct mu_conn *conn, const struct request *request,
		    const char *data, struct found *found)
{
	const struct mu_words *try = found->settings.try;
	struct template_values values = site_values(request, data, found);
	int status = 404;

	for (size_t i = 0; i < try->n && status == 404; i++) {
		const char *text = try->word[i];

		if (text[0] == '=')
			return atoi(text + 1);
		status = try_path(site, conn, found, &values, text);
	}
	return status;
}

static bool is_for_files(const struct request *request)
{
	return request->method == METHOD_GET || request->method == METHOD_HEAD;
}

/* A folder's list is of a path that ends with a NUL, which the client's own bytes do not. */
static void keep_path(struct site *site, struct found *found)
{
	memmove(site->path, found->path, found->len);
	site->path[found->len] = '\0';
	found->path = site->path;
}

/* Not in the cache under the path as it was sent. */
static int find_cleaned(struct site *site, const struct mu_conn *conn,
			const struct request *request, const char *data, struct found *found)
{
	struct look look = { conn, found->host, &found->settings, found->path, found->len };
	int status;

	site_settle(site, found);
	if (!admits(conn, found->settings.access))
		return 403;
	if (found->settings.redirect)
		return found->settings.redirect->status;
	if (found->settings.answer)
		return found->settings.answer;
	if (!is_for_files(request))
		return 405;
	if (found->settings.try)
		status = open_try(site, conn, request, data, found);
	else
		status = open_look(site, &look, &found->file);
	if (status == 0 && !found->file)
		keep_path(site, found);
	return status;
}

int site_find(struct site *site, const struct mu_conn *conn, const struct request *request,
	      const char *data, struct found *found)
{
	int status;

	found->host = rules_host(site->rules, data + request->host.at, request->host.len);
	found->path = data + request->path.at;
	found->len = request->path.len;
	found->settled = false;
	found->file = NULL;
	if (is_for_files(request))
		found->file =
			cache_find(&site->cache, found->host, found->path, found->len, site->now);
	if (found->file) {
		if (!found->file->access || admits(conn, found->file->access))
			return 0;
		file_unref(found->file);
		found->file = NULL;
		return 403;
	}
	if (!path_is_clean(found->path, found->len)) {
		status = path_clean(found->path, found->len, site->path, sizeof site->path,
				    &found->len);
		found->path = site->path;
		if (status) {
			/* No path of ours: what is said of the whole site holds. */
			found->path = "/";
			found->len = 1;
			site_settle(site, found);
			return status == 400 ? -400 : status;
		}
	}
	return find_cleaned(site, conn, request, data, found);
}

struct file *site_error_file(struct site *site, const struct found *found, int status)
{
	const char *path = settings_error_page(&found->settings, status);
	struct settings settings;
	struct look look = { NULL, found->host, &settings, path, path ? strlen(path) : 0 };
	struct file *file;

	if (!path)
		return NULL;
	rules_settings(site->rules, found->host, path, look.len, &settings);
	status = open_look(site, &look, &file);
	if (status == 0 && file)
		return file;
	/* Clients decide how often this happens. */
	if (site->now - site->warned >= WARNING_PAUSE) {
		site->warned = site->now;
		mu_worker_log(site->worker, MU_WARNING, "cannot use the error page %s: status %d",
			      path, status);
	}
	return NULL;
}
