/* SPDX-License-Identifier: MIT */
/*
 * From a path to a script, see script.h. What somebody else will run is named with care: a file
 * that only looks like a script (`/upload.jpg/x.php`), lies outside of the root or is none is
 * refused here, whatever the application would make of it.
 */
#include "services/http/gateway/script.h"

#include "services/http/gateway/params.h"
#include "services/http/root.h"
#include "services/http/scope.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* "FOLDER/NAME", and as a part of it the name, below the root. NULL with ENOMEM. */
static const char *join(struct mu_conn *conn, const char *folder, const char *name, size_t len,
			const char **name_r)
{
	size_t folder_len = strlen(folder);
	char *text, *p;

	/* A root that is "/". */
	while (folder_len && folder[folder_len - 1] == '/')
		folder_len--;
	text = mu_alloc(conn, folder_len + len + 2);
	if (!text)
		return NULL;
	p = mempcpy(text, folder, folder_len);
	*p++ = '/';
	memcpy(p, name, len);
	*name_r = p;
	return text;
}

/* The script's name below the root, and its file's. 0 or 503. */
static int set_file(struct script *script, struct mu_conn *conn, const struct settings *settings,
		    const char **name_r)
{
	size_t len;
	const char *name = settings_name(settings, script->path, script->len, &len);

	script->file = join(conn, script->root, name, len, name_r);
	return script->file ? 0 : 503;
}

static int status_of(struct mu_conn *conn, const struct script *script, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return 404;
	case EACCES:
	case EPERM:
	case ELOOP:
	case EXDEV:
		/* Clients decide how often this happens. */
		mu_log(conn, MU_INFO, "the script %s is refused: %s", script->file,
		       error == EXDEV ? "it lies outside of the root" : strerror(error));
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		mu_log(conn, MU_ERR, "cannot look for the script %s: %s", script->file,
		       strerror(error));
		return 503;
	default:
		mu_log(conn, MU_ERR, "cannot look for the script %s: %s", script->file,
		       strerror(error));
		return 500;
	}
}

static bool is_remembered(const struct script_memo *memo, const struct root *root, const char *name,
			  int64_t now)
{
	return memo && memo->second == now && memo->root == root &&
	       memo->generation == root->generation && strcmp(memo->name, name) == 0;
}

static void remember(struct script_memo *memo, const struct root *root, const char *name,
		     int64_t now)
{
	size_t len = strlen(name);

	if (!memo || len >= sizeof memo->name)
		return;
	memo->root = root;
	memo->generation = root->generation;
	memo->second = now;
	memcpy(memo->name, name, len + 1);
}

/* 0: the script is a file, or nobody but the application knows. */
static int look(struct script *script, struct mu_conn *conn, const struct gateway *gateway,
		const struct settings *settings)
{
	struct root *root = settings->root;
	int64_t now = mu_time(mu_worker_of(conn));
	const char *name;
	struct stat st;

	if (!root)
		return 0;
	if (set_file(script, conn, settings, &name))
		return 503;
	if (!gateway->conf->file)
		return 0;
	root_refresh(root, now);
	if (is_remembered(gateway->memo, root, name, now))
		return 0;
	if (root_look(root, name, &st) < 0)
		return status_of(conn, script, errno);
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? 404 : 403;
	remember(gateway->memo, root, name, now);
	return 0;
}

static bool ends_with(const char *path, size_t len, const char *ending)
{
	size_t ending_len = strlen(ending);

	return len >= ending_len && memcmp(path + len - ending_len, ending, ending_len) == 0;
}

static int look_for_index(struct script *script, struct mu_conn *conn,
			  const struct gateway *gateway, const struct settings *settings)
{
	const struct script folder = *script;
	int status = 404;

	for (size_t i = 0; i < settings->index->n && status == 404; i++) {
		const char *index = settings->index->word[i];
		size_t len = strlen(index);
		char *path;

		if (gateway->split && !ends_with(index, len, gateway->split))
			continue;
		path = mu_alloc(conn, folder.path_len + len + 1);
		if (!path)
			return 503;
		mempcpy(mempcpy(path, folder.path, folder.path_len), index, len);
		script->path = path;
		script->path_len = script->len = folder.path_len + len;
		status = look(script, conn, gateway, settings);
	}
	return status;
}

static int find_below_root(struct script *script, struct mu_conn *conn,
			   const struct gateway *gateway, const struct settings *settings)
{
	if (gateway->split)
		script->len = params_split(script->path, script->path_len, gateway->split);
	if (gateway->conf->file && !script->root) {
		mu_log(conn, MU_ERR,
		       "scripts for %s lie below no `root`: write one, or `file no` where only "
		       "the application knows them",
		       gateway->name);
		return 500;
	}
	if (script->path[script->len - 1] == '/' && (gateway->split || gateway->conf->file))
		return look_for_index(script, conn, gateway, settings);
	/*
	 * Without the ending it is some other file, a picture perhaps, or what was uploaded as one.
	 */
	if (gateway->split && !ends_with(script->path, script->len, gateway->split))
		return 404;
	return look(script, conn, gateway, settings);
}

/*
 * Of a path: what stands for the program, the location that has it. Where that is no prefix, all of
 * it.
 */
static size_t location_len(const struct gateway *gateway, const struct settings *settings,
			   size_t len)
{
	for (int i = settings->layers; i-- > 0;) {
		const struct layer *layer = settings->layer[i];

		if (layer->gateway == gateway)
			return layer->kind == LAYER_PREFIX ? layer->len : len;
	}
	return len;
}

int script_find(struct script *script_r, struct mu_conn *conn, const struct gateway *gateway,
		const struct settings *settings, const char *path, size_t len)
{
	*script_r = (struct script){
		.path = path,
		.path_len = len,
		.len = len,
		.root = settings->root ? settings->root->path : NULL,
	};
	switch (gateway->kind) {
	case GATEWAY_FASTCGI:
		return find_below_root(script_r, conn, gateway, settings);
	case GATEWAY_CGI:
		script_r->len = location_len(gateway, settings, len);
		script_r->file = gateway->program;
		return 0;
	default:
		/*
		 * An application that is mounted under a prefix is told of it: WSGI has it in
		 * SCRIPT_NAME.
		 */
		script_r->len = settings->strip_len;
		return 0;
	}
}
