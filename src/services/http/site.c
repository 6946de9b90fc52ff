/* SPDX-License-Identifier: MIT */
/* From request paths to files; see site.h. */
#include "services/http/site.h"

#include "services/http/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_SPARE = 64, /* for all that is neither a connection nor in the cache */
	FDS_MIN = 4
};

/* How many descriptors the cache may hold without taking any from the connections. */
static size_t fds_max(struct mu_worker *worker, size_t entries)
{
	size_t taken = (size_t)mu_worker_connections(worker) + FDS_SPARE, left = FDS_MIN;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > taken + FDS_MIN)
		left = (size_t)limit.rlim_cur - taken;
	return left < entries ? left : entries;
}

static int open_parts(struct site *site)
{
	const struct site_conf *conf = site->conf;

	if (root_open(&site->root, conf->rules.root) < 0) {
		mu_worker_log(site->worker, MU_ERR, "cannot open root %s: %s", conf->rules.root,
			      strerror(errno));
		return -1;
	}
	if (site->root.by_hand)
		mu_worker_log(site->worker, MU_NOTICE,
			      "no openat2 here: symbolic links below %s are not followed",
			      conf->rules.root);
	site->mime = mime_new(conf->mime_types);
	if (!site->mime) {
		mu_worker_log(site->worker, MU_ERR, "no memory for the media types");
		return -1;
	}
	if (errno)
		mu_worker_log(site->worker, MU_INFO,
			      "cannot read %s: %s; the built-in media types are used",
			      conf->mime_types, strerror(errno));
	if (cache_init(&site->cache, &site->root, (size_t)conf->cache.entries,
		       (size_t)conf->cache.memory,
		       fds_max(site->worker, (size_t)conf->cache.entries)) < 0) {
		mu_worker_log(site->worker, MU_ERR, "no memory for the file cache");
		return -1;
	}
	return 0;
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
	site->root.fd = -1;
	site->now = INT64_MIN;
	if (open_parts(site) < 0) {
		site_free(site);
		return NULL;
	}
	site->file = (struct file_options){
		.root = &site->root,
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
	cache_cleanup(&site->cache);
	mime_free(site->mime);
	root_close(&site->root);
	free(site);
}

void site_turn(struct site *site)
{
	int64_t now = mu_time(site->worker);

	if (now == site->now)
		return;
	site->now = now;
	date_format(now, site->date);
	/* Not left to a file that is missing in the cache: those in it are of the old folder. */
	if (root_refresh(&site->root, now))
		cache_flush(&site->cache);
}

static int status_of(struct site *site, const char *name, int error)
{
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

/* Opens, and gives up a cached descriptor if that is what is missing. 0 or a status. */
static int open_name(struct site *site, const char *name, size_t key_len, struct file **file_r)
{
	for (;;) {
		if (file_open(file_r, &site->file, name, key_len, site->now) == 0)
			return 0;
		if (errno != EMFILE || !cache_release_fd(&site->cache))
			return status_of(site, name, errno);
	}
}

/* A path that ends with a slash: the first index file that is there. */
static int open_index(struct site *site, const char *path, size_t len, struct file **file_r)
{
	const struct mu_words *index = &site->conf->rules.index;
	int status, fd;

	for (size_t i = 0; i < index->n; i++) {
		size_t index_len = strlen(index->word[i]);

		if (len + index_len > sizeof site->name)
			return 404;
		memcpy(site->name, path + 1, len - 1);
		memcpy(site->name + len - 1, index->word[i], index_len + 1);
		status = open_name(site, site->name, len, file_r);
		if (status == 0)
			(*file_r)->is_first = i == 0;
		/* A folder of that name is no index. */
		if (status != 404 && status != 301)
			return status;
	}
	memcpy(site->name, path + 1, len - 1);
	site->name[len - 1] = '\0';
	fd = root_open_file(&site->root, site->name);
	if (fd < 0)
		return status_of(site, site->name, errno);
	close(fd);
	return 403;
}

/* Not in the cache: asks the disk. */
static int open_path(struct site *site, const char *path, size_t len, struct file **file_r)
{
	int status;

	if (path[len - 1] == '/') {
		status = open_index(site, path, len, file_r);
	} else {
		memcpy(site->name, path + 1, len - 1);
		site->name[len - 1] = '\0';
		status = open_name(site, site->name, len, file_r);
		if (status == 0)
			(*file_r)->is_first = true;
	}
	if (status == 0)
		cache_add(&site->cache, *file_r);
	return status;
}

int site_find(struct site *site, const char *path, size_t len, struct file **file_r,
	      const char **path_r, size_t *len_r)
{
	*file_r = cache_find(&site->cache, path, len, site->now);
	if (*file_r)
		return 0;
	if (!path_is_clean(path, len)) {
		int status = path_clean(path, len, site->path, sizeof site->path, &len);

		if (status)
			return status;
		path = site->path;
		*file_r = cache_find(&site->cache, path, len, site->now);
		if (*file_r)
			return 0;
	}
	*path_r = path;
	*len_r = len;
	return open_path(site, path, len, file_r);
}
