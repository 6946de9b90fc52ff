/* SPDX-License-Identifier: MIT */
/* What a valid request is answered with; see exchange.h. Gateways are called from here. */
#include "services/http/exchange.h"

#include "services/http/condition.h"
#include "services/http/encoding.h"
#include "services/http/gateway/gateway.h"
#include "services/http/head.h"
#include "services/http/listing.h"
#include "services/http/path.h"

#include <stdlib.h>
#include <string.h>

/* A program that sends its client to itself would do so for ever. */
enum { LOCAL_MAX = 10 };

static const char allow[] = "Allow: GET, HEAD, OPTIONS\r\n";

/* Not inline: its pages of a stack are not touched by those who have nothing to add. */
__attribute__((__noinline__)) static void add_fields(struct exchange *x, int status)
{
	char added[HEAD_FIELDS_MAX], *fields;
	size_t len = head_fields(&x->found.settings, status >= 400, x->site->now, added);

	fields = len ? mu_alloc(x->conn, len + 1) : NULL;
	if (fields)
		x->response.fields = memcpy(fields, added, len);
	if (head_find(x->response.fields, "Server"))
		x->response.server = "";
}

/* Errors are not kept for as long as files are. */
void answer_apply_settings(struct exchange *x, int status)
{
	const struct settings *settings = &x->found.settings;

	x->unlogged |= !settings->log;
	if (settings_have_fields(settings))
		add_fields(x, status);
}

int answer_status(struct exchange *x, int status, const char *fields)
{
	struct file *page;
	int result;

	site_settle(x->site, &x->found);
	answer_apply_settings(x, status);
	page = site_error_file(x->site, &x->found, status);
	if (!page)
		return response_status(&x->response, status, fields);
	result = response_error_file(&x->response, status, fields, page);
	file_unref(page);
	return result;
}

/* ------------------------------------------------------------------------------------- redirects ---- */

static int answer_location(struct exchange *x, int status, const char *location, size_t len)
{
	static const char name[] = "Location: ";
	char *field = mu_alloc(x->conn, sizeof name + len + 2), *p = field;

	if (!field)
		return response_status(&x->response, 503, "");
	p = mempcpy(p, name, sizeof name - 1);
	p = mempcpy(p, location, len);
	memcpy(p, "\r\n", 3);
	return answer_status(x, status, field);
}

static int redirect_to_folder(struct exchange *x)
{
	struct slice query = x->request.query;
	char *location = mu_alloc(x->conn, 3 * x->found.len + query.len + 1), *p = location;

	if (!location)
		return response_status(&x->response, 503, "");
	p += path_encode(x->found.path, x->found.len, p);
	*p++ = '/';
	p = mempcpy(p, x->data + query.at, query.len);
	return answer_location(x, 301, location, (size_t)(p - location));
}

static int answer_redirect(struct exchange *x, int status)
{
	const struct redirect *redirect = x->found.settings.redirect;
	struct template_values values;
	char *location;
	size_t len;

	if (!redirect)
		return redirect_to_folder(x);
	values = site_values(&x->request, x->data, &x->found);
	len = template_url(redirect->target, &values, NULL, 0);
	/* The target asks for {host}, and an old client named none. */
	if (!len)
		return answer_status(x, 400, "");
	location = mu_alloc(x->conn, len + 1);
	if (!location)
		return response_status(&x->response, 503, "");
	template_url(redirect->target, &values, location, len + 1);
	return answer_location(x, status, location, len);
}

/* ---------------------------------------------------------------------------------- what is there ---- */

/* The representation that the client likes best. */
static struct file *choose(struct exchange *x, struct file *file)
{
	struct slice value = x->request.field[FIELD_ACCEPT_ENCODING];
	struct accepted accepted;
	int encoding;

	if (!request_has(&x->request, FIELD_ACCEPT_ENCODING))
		return file;
	encoding_init(&accepted);
	do
		encoding_read(&accepted, x->data + value.at, value.len);
	while (request_repeats(&x->request, FIELD_ACCEPT_ENCODING) &&
	       request_next_value(x->data, "Accept-Encoding", &value));
	encoding = encoding_choose(&accepted, file->encodings);
	if (encoding == ENCODING_IDENTITY)
		return file;
	x->encoding = encoding_name((enum encoding)encoding);
	return file->variant[encoding];
}

static int answer_representation(struct exchange *x, struct file *file)
{
	struct range range[RANGES_MAX];
	char field[RESPONSE_RANGE_MAX];
	int ranges;

	switch (condition_check(&x->request, x->data, file, x->site->now)) {
	case CONDITION_NOT_MODIFIED:
		return response_not_modified(&x->response, file);
	case CONDITION_FAILED:
		return answer_status(x, 412, "");
	case CONDITION_NONE:
		break;
	}
	ranges = condition_ranges(&x->request, x->data, file, x->site->now, range);
	if (ranges >= 0)
		return response_file(&x->response, file, range, ranges);
	return answer_status(x, 416, response_unsatisfied_range(file->size, field));
}

static int answer_file(struct exchange *x, struct file *file)
{
	int result;

	x->unlogged |= !file->is_logged;
	result = answer_representation(x, file_has_variants(file) ? choose(x, file) : file);
	/* The variants are the file's: its reference holds them. */
	file_unref(file);
	return result;
}

/*
 * A list of thousands takes its time: one is made in each turn of the worker, so that neither other
 * clients nor the stall limit feel how many are asked for at once. -1: none could be made; else 0,
 * the page NULL if a limit ended.
 */
static int make_listing(struct exchange *x, char **page_r, size_t *len_r)
{
	struct site *site = x->site;
	struct slice query = x->request.query;

	if (listing_make(x->found.settings.root, site->name, x->found.path, x->found.len,
			 x->data + query.at, query.len, page_r, len_r) < 0) {
		mu_log(x->conn, MU_ERR, "cannot list /%s: %m", site->name);
		return -1;
	}
	site->is_listing = true;
	if (mu_sleep(x->conn, 0) < 0) {
		free(*page_r);
		*page_r = NULL;
	}
	site->is_listing = false;
	return 0;
}

static int answer_listing(struct exchange *x)
{
	char *page;
	size_t len;
	bool fresh;
	int result;

	if (make_listing(x, &page, &len) < 0)
		return answer_status(x, 500, "");
	if (!page)
		return -1;
	answer_apply_settings(x, 200);
	fresh = head_find(x->response.fields, "Cache-Control");
	result =
		response_content(&x->response, 200, LISTING_TYPE,
				 fresh ? LISTING_FIELDS : LISTING_UNKEPT LISTING_FIELDS, page, len);
	free(page);
	return result;
}

static bool asks_for_health(const struct exchange *x)
{
	const char *health = x->site->conf->health;
	struct slice path = x->request.path;

	return health && strlen(health) == path.len &&
	       memcmp(health, x->data + path.at, path.len) == 0 &&
	       (x->request.method == METHOD_GET || x->request.method == METHOD_HEAD);
}

bool answer_is_gateway(struct exchange *x)
{
	const struct request *request = &x->request;
	bool is_gateway;

	if (request->form == FORM_ASTERISK || request->method == METHOD_CONNECT ||
	    request->method == METHOD_TRACE || asks_for_health(x))
		return false;
	is_gateway = site_find(x->site, x->conn, request, x->data, &x->found) == SITE_GATEWAY;
	file_unref(x->found.file);
	x->found.file = NULL;
	return is_gateway;
}

/* What the path leads to; a listing only when no other was made in this turn. */
static int find(struct exchange *x)
{
	struct site *site = x->site;

	for (;;) {
		int status = site_find(site, x->conn, &x->request, x->data, &x->found);

		if (status || x->found.file || !site->is_listing)
			return status;
		if (mu_sleep(x->conn, 1) < 0)
			return -1;
		site_turn(site);
		x->response.now = site->now;
	}
}

/* `answer STATUS TEXT` */
static int answer_text(struct exchange *x, int status)
{
	const char *text = x->found.settings.answer_text;

	answer_apply_settings(x, status);
	return response_text(&x->response, status, "", text);
}

/* For load balancers: whether to send more clients. */
static int answer_health(struct exchange *x)
{
	static const char fields[] = "Cache-Control: no-store\r\n";

	if (mu_is_ready(x->site->worker))
		return response_text(&x->response, 200, fields, "ready\n");
	return response_text(&x->response, 503, fields, "not ready\n");
}

static int answer_path(struct exchange *x)
{
	struct found *found = &x->found;
	enum request_method method = (enum request_method)x->request.method;
	int status = x->is_found ? SITE_GATEWAY : find(x);

	if (status == SITE_GATEWAY && method != METHOD_TRACE)
		return gateway_answer(x);
	if (method == METHOD_OTHER)
		return response_status(&x->response, 501, "");
	if (status == SITE_GATEWAY)
		status = 405;
	if (status == 0 && found->file)
		return answer_file(x, found->file);
	if (status == 0)
		return answer_listing(x);
	if (status == 405)
		return answer_status(x, method == METHOD_OPTIONS ? 204 : 405, allow);
	if (found->settled && found->settings.answer == status && found->settings.answer_text)
		return answer_text(x, status);
	if (status >= 300 && status < 400)
		return answer_redirect(x, status);
	return status < 0 ? status : answer_status(x, status, "");
}

/* As answer, and as gateway_answer. */
static int answer_request(struct exchange *x)
{
	if (asks_for_health(x))
		return answer_health(x);
	if (x->request.method == METHOD_CONNECT)
		return response_status(&x->response, 501, "");
	if (x->request.form == FORM_ASTERISK)
		return response_status(&x->response, 204, allow);
	return answer_path(x);
}

/* ------------------------------------------------------------------------ sent on by a program ---- */

static int answer_local(struct exchange *x)
{
	x->is_found = false;
	x->data = x->local;
	request_init(&x->request);
	if (request_parse(&x->request, x->data, x->local_len) != REQUEST_DONE)
		return -400;
	return answer_request(x);
}

/*
 * Of all that we are sent to the client gets one answer, and the access log has one request: the
 * one that came.
 */
static int answer_locals(struct exchange *x)
{
	struct request *request = mu_alloc(x->conn, sizeof *request);
	const char *data;
	int result = GATEWAY_LOCAL;

	if (!request || exchange_keep_head(x) < 0)
		return response_status(&x->response, 503, "");
	*request = x->request;
	data = x->data;
	for (int i = 0; result == GATEWAY_LOCAL && i < LOCAL_MAX; i++)
		result = answer_local(x);
	if (result == GATEWAY_LOCAL || result == -400) {
		mu_log(x->conn, MU_WARNING, "a program sends its client %s: Location: %.*s",
		       result == -400 ? "where nothing can be" : "on and on within the site",
		       (int)x->request.target.len, x->data + x->request.target.at);
		result = answer_status(x, 502, "");
	}
	x->request = *request;
	x->data = data;
	return result;
}

int answer(struct exchange *x)
{
	int result = answer_request(x);

	return result == GATEWAY_LOCAL ? answer_locals(x) : result;
}
