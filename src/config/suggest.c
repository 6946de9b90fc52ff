/* SPDX-License-Identifier: MIT */
/*
 * Suggestions, as suggest.h says. In this order: a directive that exists, but elsewhere; the name that
 * another server has for one of ours; a misspelling.
 */
#include "config/suggest.h"

#include <bsd/string.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 63, HOME_TEXT_MAX = 160 };

/* What nginx, Apache, PHP-FPM, gunicorn, uWSGI, xinetd, HAProxy, lighttpd ... call it. */
static const struct foreign {
	const char *name;
	const char *ours; /* NULL: there is none */
	const char *note; /* what to write; NULL: the name says it all */
} foreign[] = {
	{ "worker_processes", "workers" },
	{ "worker-processes", "workers" },
	{ "max_children", "workers", "`workers 2..16` also sets how few there may be" },
	{ "pm.max_children", "workers", "`workers 2..16` also sets how few there may be" },
	{ "MaxRequestWorkers", "workers" },
	{ "MaxClients", "workers" },
	{ "ServerLimit", "workers" },
	{ "StartServers", "workers", "the pool starts with the smaller number of `workers 2..16`" },
	{ "pm.start_servers", "workers",
	  "the pool starts with the smaller number of `workers 2..16`" },
	{ "pm", "workers", "`workers 4` is static, `2..16` dynamic, `0..8` on demand" },
	{ "min_servers", "workers", "the smaller number of `workers 2..16`" },
	{ "max_servers", "workers", "the larger number of `workers 2..16`" },
	{ "processes", "workers" },
	{ "nbproc", "workers" },
	{ "instances", "workers" },
	{ "cheaper", "workers", "`workers 2..16`" },
	{ "server.max-worker", "workers" },
	{ "nproc", "workers" },
	{ "prefork", "workers" },
	{ "MinSpareServers", "spare", "the smaller number of `spare 1..4`" },
	{ "MaxSpareServers", "spare", "the larger number of `spare 1..4`" },
	{ "pm.min_spare_servers", "spare", "the smaller number of `spare 1..4`" },
	{ "pm.max_spare_servers", "spare", "the larger number of `spare 1..4`" },
	{ "worker_connections", "connections", "it is for each worker, in the service" },
	{ "ThreadsPerChild", "connections", "there are no threads: a worker holds connections" },
	{ "threads", "connections", "there are no threads: a worker holds connections" },
	{ "maxconn", "connections", "it is for each worker, in the service" },
	{ "max_connections", "connections", "it is for each worker, in the service" },
	{ "max-connections", "connections", "it is for each worker, in the service" },
	{ "bind", "listen" },
	{ "port", "listen", "`listen *:8080`" },
	{ "http-socket", "listen" },
	{ "ListenStream", "listen" },
	{ "address", "listen", "`listen ADDRESS:PORT`" },
	{ "interface", "listen", "`listen ADDRESS:PORT`" },
	{ "server.port", "listen", "`listen *:8080`" },
	{ "server.bind", "listen", "`listen ADDRESS:PORT`" },
	{ "ListenBacklog", "backlog" },
	{ "listen.backlog", "backlog" },
	{ "somaxconn", "backlog" },
	{ "listen.mode", "mode", "`socket { mode 0660 }`" },
	{ "chmod-socket", "mode", "`socket { mode 0660 }`" },
	{ "SocketMode", "mode", "`socket { mode 0660 }`" },
	{ "listen.owner", "owner", "`socket { owner NAME }`" },
	{ "listen.group", "group", "`socket { group NAME }`" },
	{ "keepalive_timeout", "idle", "`timeout { idle 75s }`" },
	{ "KeepAliveTimeout", "idle", "`timeout { idle 75s }`" },
	{ "keepalive", "idle", "`timeout { idle 75s }`, and in an upstream `keep 32`" },
	{ "keep-alive", "idle", "`timeout { idle 75s }`" },
	{ "client_header_timeout", "header", "`timeout { header 10s }`" },
	{ "RequestReadTimeout", "header", "`timeout { header 10s }`" },
	{ "request_terminate_timeout", "request", "`timeout { request 30s }`" },
	{ "harakiri", "request", "`timeout { request 30s }`" },
	{ "graceful_timeout", "drain", "`timeout { drain 30s }`" },
	{ "GracefulShutdownTimeout", "drain", "`timeout { drain 30s }`" },
	{ "worker_shutdown_timeout", "drain", "`timeout { drain 30s }`" },
	{ "process_control_timeout", "drain", "`timeout { drain 30s }`" },
	{ "TimeoutStopSec", "drain", "`timeout { drain 30s }`" },
	{ "worker_rlimit_nofile", "nofile", "`limit { nofile 4096 }`" },
	{ "rlimit_files", "nofile", "`limit { nofile 4096 }`" },
	{ "LimitNOFILE", "nofile", "`limit { nofile 4096 }`" },
	{ "rlimit_core", "core", "`limit { core unlimited }`" },
	{ "LimitCORE", "core", "`limit { core unlimited }`" },
	{ "LimitAS", "as", "`limit { as 512M }`" },
	{ "rlimit_as", "as", "`limit { as 512M }`" },
	{ "uid", "user" },
	{ "setuid", "user" },
	{ "gid", "group" },
	{ "setgid", "group" },
	{ "ChrootDir", "chroot" },
	{ "RootDirectory", "chroot" },
	{ "NoNewPrivileges", "no-new-privileges" },
	{ "UMask", "umask" },
	{ "ErrorLog", "log" },
	{ "error_log", "log" },
	{ "errorlog", "log" },
	{ "log_type", "log" },
	{ "logto", "log" },
	{ "LogLevel", "log", "the level is its second word: `log stderr info`" },
	{ "log_level", "log", "the level is its second word: `log stderr info`" },
	{ "loglevel", "log", "the level is its second word: `log stderr info`" },
	{ "CustomLog", "access-log" },
	{ "TransferLog", "access-log" },
	{ "log_format", "access-log-format" },
	{ "LogFormat", "access-log-format" },
	{ "PidFile", "pidfile" },
	{ "pid", "pidfile" },
	{ "daemonize", NULL, "`musterd -d` goes to the background" },
	{ "daemon", NULL, "`musterd -d` goes to the background" },
	{ "background", NULL, "`musterd -d` goes to the background" },
	{ "document_root", "root" },
	{ "DocumentRoot", "root" },
	{ "server.document-root", "root" },
	{ "DirectoryIndex", "index" },
	{ "index-file.names", "index" },
	{ "server_name", "host", "`host NAME { ... }` around what is for that name" },
	{ "ServerName", "host", "`host NAME { ... }` around what is for that name" },
	{ "ServerAlias", "alias" },
	{ "alias", "root", "`root FOLDER` and `strip-prefix yes`" },
	{ "try_files", "try", "`try \"{path}\" /index.html`" },
	{ "autoindex", "listing" },
	{ "dir-listing.activate", "listing" },
	{ "add_header", "header", "`header NAME VALUE`" },
	{ "ErrorDocument", "error-page" },
	{ "return", "answer", "`answer 404`, and `redirect 301 TARGET`" },
	{ "rewrite", "redirect", "it sends the client elsewhere; `try` serves another path" },
	{ "RewriteRule", "redirect", "it sends the client elsewhere; `try` serves another path" },
	{ "RewriteEngine", "redirect", "it sends the client elsewhere; `try` serves another path" },
	{ "RedirectMatch", "redirect" },
	{ "gzip_static", "precompressed" },
	{ "brotli_static", "precompressed" },
	{ "gzip", "precompressed",
	  "it sends NAME.gz for NAME; nothing is compressed while it is sent" },
	{ "ExpiresDefault", "expires" },
	{ "disable_symlinks", "follow-symlinks" },
	{ "open_file_cache", "cache" },
	{ "types", "mime-types" },
	{ "TypesConfig", "mime-types" },
	{ "server_tokens", "server-header" },
	{ "ServerTokens", "server-header" },
	{ "server.tag", "server-header" },
	{ "Require", "allow" },
	{ "Directory", "location", "by the path of a request: `location /PREFIX { ... }`" },
	{ "proxy_pass", "proxy", "`location /PATH { proxy HOST:PORT }`" },
	{ "ProxyPass", "proxy", "`location /PATH { proxy HOST:PORT }`" },
	{ "fastcgi_pass", "fastcgi", "`location *.php { fastcgi unix:/PATH }`" },
	{ "uwsgi_pass", "uwsgi", "`location /PATH { uwsgi unix:/PATH }`" },
	{ "scgi_pass", "scgi", "`location /PATH { scgi unix:/PATH }`" },
	{ "ScriptAlias", "cgi", "`location /PATH { cgi PROGRAM }`" },
	{ "proxy_set_header", "set-header", "`proxy NAME { set-header NAME VALUE }`" },
	{ "RequestHeader", "set-header", "`proxy NAME { set-header NAME VALUE }`" },
	{ "proxy_hide_header", "hide-header" },
	{ "fastcgi_hide_header", "hide-header" },
	{ "proxy_pass_header", "pass-header" },
	{ "proxy_connect_timeout", "connect-timeout" },
	{ "fastcgi_connect_timeout", "connect-timeout" },
	{ "proxy_send_timeout", "send-timeout" },
	{ "fastcgi_send_timeout", "send-timeout" },
	{ "proxy_read_timeout", "read-timeout" },
	{ "fastcgi_read_timeout", "read-timeout" },
	{ "ProxyTimeout", "read-timeout" },
	{ "proxy_next_upstream", "retry", "`retry 1` is how many others are tried" },
	{ "proxy_next_upstream_tries", "retry" },
	{ "proxy_intercept_errors", "intercept-errors" },
	{ "fastcgi_intercept_errors", "intercept-errors" },
	{ "fastcgi_param", "param" },
	{ "fastcgi_split_path_info", "split", "`split .php`" },
	{ "fastcgi_index", "index", "outside of the block, where `root` is" },
	{ "set_real_ip_from", "trusted" },
	{ "least_conn", "balance", "`balance least-busy`" },
	{ "ip_hash", "balance", "`balance hash`" },
	{ "health_check", "check", "`check /PATH { }`" },
	{ "proxy_http_version", NULL, "servers are asked in HTTP/1.1" },
	{ "proxy_buffering", NULL, "content goes on as it comes" },
	{ "proxy_request_buffering", NULL, "content goes on as it comes" },
	{ "sendfile", NULL, "it is always used where it is faster" },
	{ "tcp_nopush", NULL, "it is always done where it helps" },
	{ "tcp_nodelay", NULL, "it is always on" },
	{ "client_max_body_size", "max-body",
	  "in the block of `proxy`, `fastcgi` and their like; files take no content" },
	{ "LimitRequestBody", "max-body" },
	{ "server", "service", "`service NAME { ... }`" },
	{ "VirtualHost", "service", "`service NAME { ... }`" },
	{ "frontend", "service", "`service NAME { ... }`" },
	{ "backend", "service", "`service NAME { ... }`" },
	{ "events", "connections", "`connections 1024` in the service" },
	{ "protocol", "handler" },
	{ "exec", "handler" },
	{ "IncludeOptional", "include" },
};

/* -------------------------------------------------------------------------------- near names ---- */

static char folded(char c)
{
	return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static int smallest(int a, int b, int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Optimal string alignment, three rows of the table at a time. */
int suggest_distance(const char *a, const char *b)
{
	int rows[3][NAME_MAX_BYTES + 2];
	int *old = rows[0], *last = rows[1], *row = rows[2], *spare;
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > NAME_MAX_BYTES || len_b > NAME_MAX_BYTES)
		return NAME_MAX_BYTES + 1;
	for (size_t j = 0; j <= len_b; j++)
		last[j] = old[j] = (int)j;
	for (size_t i = 1; i <= len_a; i++) {
		row[0] = (int)i;
		for (size_t j = 1; j <= len_b; j++) {
			bool same = folded(a[i - 1]) == folded(b[j - 1]);

			row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
			    folded(a[i - 2]) == folded(b[j - 1]) && old[j - 2] + 1 < row[j])
				row[j] = old[j - 2] + 1;
		}
		spare = old;
		old = last;
		last = row;
		row = spare;
	}
	return last[len_b];
}

/* Half of a short word changed is another word. */
static bool is_near(const char *name, const char *known, int *best)
{
	int distance = suggest_distance(name, known), far = (int)strlen(known) / 3;

	if (distance > (far < 1 ? 1 : far) || distance > 3 || distance >= *best)
		return false;
	*best = distance;
	return true;
}

/* ------------------------------------------------------------------------------------- homes ---- */

static bool is_labelled(const struct mu_directive *directive)
{
	return directive->type == MU_BLOCKS || (int)directive->type == CONF_ITEMS;
}

/* Writes "`inner { }` in `outer { }`" for the block inside of table, which `outer` names, with the name. */
static bool find_inside(const struct mu_directive *table, const char *name, const char *outer,
			char *text)
{
	char path[HOME_TEXT_MAX];

	for (const struct mu_directive *d = table; d->name; d++) {
		if (!d->block)
			continue;
		snprintf(path, sizeof(path), "`%.30s%s { }`%s%.100s", d->name,
			 is_labelled(d) ? " NAME" : "", *outer ? " in " : "", outer);
		strlcpy(text, path, HOME_TEXT_MAX);
		for (const struct mu_directive *inner = d->block; inner->name; inner++)
			if (strcmp(inner->name, name) == 0)
				return true;
		if (find_inside(d->block, name, path, text))
			return true;
	}
	return false;
}

/* Where a directive of this exact name belongs, in words. False: nowhere. */
static bool find_home(const struct schema *schema, const char *name, char *text)
{
	for (const struct mu_directive *d = schema->top; d && d->name; d++)
		if (strcmp(d->name, name) == 0) {
			strlcpy(text, "the top level, outside of every block", HOME_TEXT_MAX);
			return true;
		}
	if (schema->top && find_inside(schema->top, name, "", text))
		return true;
	for (const struct mu_module *const *m = schema->modules; *m; m++) {
		char handler[HOME_TEXT_MAX];

		if (!(*m)->directives)
			continue;
		snprintf(handler, sizeof(handler), "`handler %.60s { }`", (*m)->name);
		strlcpy(text, handler, HOME_TEXT_MAX);
		for (const struct mu_directive *d = (*m)->directives; d->name; d++)
			if (strcmp(d->name, name) == 0)
				return true;
		if (find_inside((*m)->directives, name, handler, text))
			return true;
	}
	return false;
}

/* The same for what is written as others write names: Listen, no_new_privileges. All of ours are small. */
static bool find_home_folded(const struct schema *schema, const char *name,
			     char folded_r[NAME_MAX_BYTES + 1], char *text)
{
	size_t len = strlen(name);

	if (len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i <= len; i++)
		folded_r[i] = folded(name[i]);
	return find_home(schema, folded_r, text);
}

/* ---------------------------------------------------------------------------------- messages ---- */

static const struct mu_directive *find_name(const struct mu_directive *table, const char *name,
					    size_t len)
{
	for (; table->name; table++)
		if (strlen(table->name) == len && strncmp(table->name, name, len) == 0)
			return table;
	return NULL;
}

static const struct foreign *find_foreign(const struct conf_node *node)
{
	const char *name = node->word[0] + (node->word[0][0] == '<');

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (strcasecmp(foreign[i].name, name) == 0)
			return &foreign[i];
	return NULL;
}

/* A name of theirs for something of this very block, whatever else may have that name here. */
static bool is_foreign_here(const struct mu_directive *table, const struct conf_node *node)
{
	const struct foreign *f = find_foreign(node);

	return f && f->ours && find_name(table, f->ours, strlen(f->ours));
}

/* False: no other server has this name, or what it stands for is nowhere here. */
static bool suggest_foreign(const struct schema *schema, const struct mu_directive *table,
			    const struct conf_node *node, const struct mu_directive **meant_r)
{
	const char *name = node->word[0] + (node->word[0][0] == '<');
	const struct foreign *f = find_foreign(node);
	char home[HOME_TEXT_MAX];

	if (!f)
		return false;
	if (!f->ours) {
		conf_error(schema->context, &node->at, "unknown directive `%s`: %s", name, f->note);
		return true;
	}
	*meant_r = find_name(table, f->ours, strlen(f->ours));
	if (f->note)
		conf_error(schema->context, &node->at, "`%s` is called `%s` here: %s", name,
			   f->ours, f->note);
	else if (*meant_r || strcmp(f->ours, "include") == 0)
		conf_error(schema->context, &node->at, "`%s` is called `%s` here", name, f->ours);
	else if (find_home(schema, f->ours, home))
		conf_error(schema->context, &node->at, "`%s` is called `%s` here and belongs in %s",
			   name, f->ours, home);
	else
		return false;
	return true;
}

/* What is not a misspelt name, but another way to write. */
static bool suggest_syntax(const struct schema *schema, const struct mu_directive *table,
			   const struct conf_node *node, const struct mu_directive **meant_r)
{
	const char *name = node->word[0];
	size_t len = strcspn(name, "=:");

	if (name[len])
		*meant_r = find_name(table, name, len);
	if (*meant_r) {
		conf_error(schema->context, &node->at,
			   "a blank separates a directive from its value: write `%s VALUE`",
			   (*meant_r)->name);
	} else if (strcmp(name, "include") == 0) {
		conf_error(schema->context, &node->at, "`include` takes no block");
	} else if (strncmp(name, "//", 2) == 0 || strncmp(name, "/*", 2) == 0) {
		conf_error(schema->context, &node->at,
			   "unknown directive `%s`: a comment begins with `#`", name);
	} else if (name[0] == '[') {
		conf_error(schema->context, &node->at,
			   "unknown directive `%s`: a section is written `service NAME { ... }`",
			   name);
	} else {
		for (const struct mu_module *const *m = schema->modules; *m; m++)
			if (strcmp((*m)->name, name) == 0) {
				conf_error(schema->context, &node->at,
					   "`%s` is a handler: write `handler %s` in `service NAME "
					   "{ }`",
					   name, name);
				return true;
			}
		return false;
	}
	return true;
}

const struct mu_directive *suggest_directive(const struct schema *schema,
					     const struct mu_directive *table,
					     const struct conf_node *node)
{
	const struct mu_directive *meant = NULL;
	const char *name = node->word[0];
	int best = NAME_MAX_BYTES;
	char home[HOME_TEXT_MAX], small[NAME_MAX_BYTES + 1];

	if (node->broken)
		return NULL;
	if (!is_foreign_here(table, node) && find_home(schema, name, home)) {
		conf_error(schema->context, &node->at, "`%s` belongs in %s", name, home);
		return NULL;
	}
	if (suggest_syntax(schema, table, node, &meant) ||
	    suggest_foreign(schema, table, node, &meant))
		return meant;
	for (const struct mu_directive *d = table; d->name; d++)
		if (is_near(name, d->name, &best))
			meant = d;
	if (best > 0 && find_home_folded(schema, name, small, home)) {
		conf_error(schema->context, &node->at, "`%s` is called `%s` here and belongs in %s",
			   name, small, home);
		return NULL;
	}
	if (is_near(name, "include", &best))
		conf_error(schema->context, &node->at,
			   "unknown directive `%s`: did you mean `include`?", name);
	else if (meant)
		conf_error(schema->context, &node->at, "unknown directive `%s`: did you mean `%s`?",
			   name, meant->name);
	else
		conf_error(schema->context, &node->at, "unknown directive `%s`", name);
	return meant;
}

const char *suggest_label(const char *word)
{
	static const struct {
		const char *word, *note;
	} marks[] = {
		{ "=", "there is no blank behind the `=`" },
		{ "~", "regular expressions are not known here; an ending is written *.php" },
		{ "~*", "regular expressions are not known here; an ending is written *.php" },
		{ "^~", "the path alone is written: the longer one holds after the shorter" },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(word, marks[i].word) == 0)
			return marks[i].note;
	return NULL;
}

void suggest_handler(const struct schema *schema, const struct conf_node *node)
{
	const char *name = node->word[1], *nearest = NULL;
	int best = NAME_MAX_BYTES;
	char list[1024] = "";

	for (const struct mu_module *const *m = schema->modules; *m; m++) {
		if (*list)
			strlcat(list, ", ", sizeof(list));
		strlcat(list, (*m)->name, sizeof(list));
		if (is_near(name, (*m)->name, &best))
			nearest = (*m)->name;
	}
	if (is_near(name, "module", &best))
		nearest = "module";
	if (nearest)
		conf_error(schema->context, &node->word_at[1],
			   "unknown handler `%s`: did you mean `%s`? There are: %s", name, nearest,
			   list);
	else
		conf_error(schema->context, &node->word_at[1],
			   "unknown handler `%s`; there are: %s; one in a file is `module %s`",
			   name, list, name);
}
