/* SPDX-License-Identifier: MIT */
/* From requests to files; see site.h. */
#include "services/http/site.h"

#include "services/http/gateway/group.h"
#include "services/http/gateway/spool.h"
#include "services/http/look.h"
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
	/* Of a client behind a gateway: its own, the server's or those of a program, its content. */
	FDS_GATEWAY = 3,
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
static size_t fds_max(const struct site *site, size_t entries)
{
	size_t each = site->has_gateways ? FDS_GATEWAY : 1;
	size_t taken = each * (size_t)mu_worker_connections(site->worker) + fds_open() + FDS_SPARE;
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
	site->timed = conf->access_log_format == ACCESS_JSON;
	return site->log ? 0 : -1;
}

/* What a gateway needs: servers, and where content that comes in chunks is kept for all but `proxy`. */
static int open_gateway(struct gateway *gateway, void *arg)
{
	struct site *site = arg;

	site->has_gateways = true;
	if (gateway->kind != GATEWAY_PROXY && !site->spool) {
		site->spool = spool_new(site->worker);
		if (!site->spool)
			return -1;
	}
	if (gateway->kind == GATEWAY_CGI)
		return 0;
	gateway->group = groups_get(site->groups, gateway);
	return gateway->group ? 0 : -1;
}

static int open_gateways(struct site *site)
{
	site->groups = groups_new(site->worker);
	if (site->groups && rules_gateways(site->rules, open_gateway, site) == 0)
		return 0;
	mu_worker_log(site->worker, MU_ERR, "no memory for gateways");
	return -1;
}

static int open_parts(struct site *site)
{
	const struct site_conf *conf = site->conf;

	site->rules = rules_new(conf, site->worker);
	if (!site->rules || open_gateways(site) < 0)
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
		       fds_max(site, (size_t)conf->cache.entries)) < 0) {
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
	groups_free(site->groups);
	spool_free(site->spool);
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

static bool is_for_files(const struct request *request)
{
	return request->method == METHOD_GET || request->method == METHOD_HEAD;
}

/* What was found is not what the client asked for by its path. */
static void find_instead(struct found *found, const struct look *look)
{
	found->path = look->path;
	found->len = look->len;
	if (look->settings != &found->settings)
		found->settings = *look->settings;
}

/* What one path of `try` leads to; 0, a status, or SITE_GATEWAY. */
static int open_candidate(struct site *site, struct look *look, struct found *found)
{
	if (look->settings->gateway) {
		find_instead(found, look);
		return SITE_GATEWAY;
	}
	return look_open(site, look, &found->file);
}

/*
 * One path of `try`; 404: the next one. What is said about that path holds for its file, which is
 * kept under it: but where it leads elsewhere by a `try` or `redirect` of its own, that is not
 * followed. A gateway is: no file has to be there.
 */
static int try_path(struct site *site, const struct look *asked, struct found *found,
		    const struct template_values *values, const char *text)
{
	struct settings settings;
	struct look look = { .conn = asked->conn,
			     .host = asked->host,
			     .settings = &settings,
			     .path = site->candidate,
			     .no_file = asked->no_file };
	bool is_folder;
	int status;

	look.len = template_path(text, values, site->candidate, sizeof site->candidate);
	if (!look.len)
		return 404;
	rules_settings(site->rules, found->host, look.path, look.len, &settings);
	if (!look_admits(look.conn, settings.access))
		return 403;
	is_folder = is_folder_of(found, &look);
	status = open_candidate(site, &look, found);
	/* Relative links of a folder's page lead below it only if its path ends with a slash. */
	if (is_folder && !look.no_file && (status == 0 || status == SITE_GATEWAY)) {
		file_unref(found->file);
		found->file = NULL;
		return 301;
	}
	if (status == SITE_GATEWAY || (status == 0 && !found->file))
		find_instead(found, &look);
	return status == 301 ? 404 : status;
}

static int open_try(struct site *site, const struct look *asked, const struct request *request,
		    const char *data, struct found *found)
{
	const struct mu_words *try = found->settings.try;
	struct template_values values = site_values(request, data, found);
	int status = 404;

	for (size_t i = 0; i < try->n && status == 404; i++) {
		const char *text = try->word[i];

		if (text[0] == '=')
			return asked->no_file ? 404 : atoi(text + 1);
		status = try_path(site, asked, found, &values, text);
	}
	return status;
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
	struct look look = { .conn = conn,
			     .host = found->host,
			     .settings = &found->settings,
			     .path = found->path,
			     .len = found->len,
			     .no_file = !is_for_files(request) };
	int status;

	site_settle(site, found);
	if (!look_admits(conn, found->settings.access))
		return 403;
	if (found->settings.redirect)
		return found->settings.redirect->status;
	if (found->settings.answer)
		return found->settings.answer;
	if (found->settings.gateway)
		return SITE_GATEWAY;
	if (found->settings.try) {
		status = open_try(site, &look, request, data, found);
	} else {
		status = look_open(site, &look, &found->file);
		if (status == SITE_GATEWAY)
			find_instead(found, &look);
	}
	if (status == 404 && look.no_file)
		return 405;
	if (status == 0 && !found->file)
		keep_path(site, found);
	return status;
}

/* The path of a request, decoded; 0, PATH_NO_FILE or a status, see path_clean. */
static int clean(struct site *site, struct found *found)
{
	int status;

	if (path_is_clean(found->path, found->len))
		return 0;
	status = path_clean(found->path, found->len, site->path, sizeof site->path, &found->len);
	found->path = site->path;
	return status;
}

/* A path that no file has: another server may know it, for which it goes on as it was sent. */
static int find_no_file(struct site *site, const struct mu_conn *conn, struct found *found)
{
	const struct gateway *gateway;

	site_settle(site, found);
	gateway = found->settings.gateway;
	if (!gateway || gateway->kind != GATEWAY_PROXY)
		return 404;
	return look_admits(conn, found->settings.access) ? SITE_GATEWAY : 403;
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
		if (!found->file->access || look_admits(conn, found->file->access))
			return 0;
		file_unref(found->file);
		found->file = NULL;
		return 403;
	}
	status = clean(site, found);
	if (status == PATH_NO_FILE)
		status = find_no_file(site, conn, found);
	else if (!status)
		return find_cleaned(site, conn, request, data, found);
	if (status == 400 || status == 404) {
		/* No path of ours: what is said of the whole site holds. */
		found->path = "/";
		found->len = 1;
		found->settled = false;
		site_settle(site, found);
	}
	return status == 400 ? -400 : status;
}

struct file *site_error_file(struct site *site, const struct found *found, int status)
{
	const char *path = settings_error_page(&found->settings, status);
	struct settings settings;
	struct look look = { .host = found->host,
			     .settings = &settings,
			     .path = path,
			     .len = path ? strlen(path) : 0,
			     .no_gateway = true };
	struct file *file = NULL;

	if (!path)
		return NULL;
	rules_settings(site->rules, found->host, path, look.len, &settings);
	status = look_open(site, &look, &file);
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
