/* SPDX-License-Identifier: MIT */
/* Another request in place of one; see local.h. */
#include "services/http/gateway/local.h"

#include "services/http/gateway/line.h"

#include <string.h>

static const char http[] = "http://";
static const char version[] = " HTTP/1.x\r\n";
static const char of_content[] = "content-";

size_t local_head_size(const struct request *request, size_t location_len)
{
	return sizeof "HEAD " + sizeof http + request->host.len + location_len + sizeof version +
	       request->head_len;
}

static bool is_of_content(const struct line *line)
{
	const size_t len = sizeof of_content - 1;

	if (line->name_len > len && octets_match(line->name, of_content, len))
		return true;
	return line_is(line, "transfer-encoding") || line_is(line, "trailer") ||
	       line_is(line, "expect");
}

static char *put_lines(char *out, const struct request *request, const char *data)
{
	const char *end = line_end(request, data);
	struct line line;

	for (const char *p = line_first(request, data); line_next(&p, end, &line);) {
		if (is_of_content(&line))
			continue;
		out = mempcpy(out, line.name, (size_t)(line.value + line.value_len - line.name));
		out = mempcpy(out, "\r\n", 2);
	}
	return mempcpy(out, "\r\n", 2);
}

size_t local_head(const struct request *request, const char *data, const char *location,
		  size_t location_len, char *out)
{
	const char *method = request->method == METHOD_HEAD ? "HEAD " : "GET ";
	char *p = mempcpy(out, method, strlen(method));

	/* Then it is the target that names the host, whatever the field says. */
	if (request->form == FORM_ABSOLUTE) {
		p = mempcpy(p, http, sizeof http - 1);
		p = mempcpy(p, data + request->host.at, request->host.len);
	}
	p = mempcpy(p, location, location_len);
	p = mempcpy(p, version, sizeof version - 1);
	p[-3] = request->minor ? '1' : '0';
	return (size_t)(put_lines(p, request, data) - out);
}
