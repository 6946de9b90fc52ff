/* SPDX-License-Identifier: MIT */
/*
 * Variables packed, see packet.h. The end of the memory is what params.h puts its own texts
 * together in, the rest is what is sent.
 */
#include "services/http/gateway/packet.h"

#include "services/http/gateway/fastcgi_record.h"
#include "services/http/gateway/output.h"

#include <string.h>

enum {
	PAIR_MAX = 8,    /* what a protocol puts around a pair: FastCGI two lengths of four bytes */
	AROUND_MAX = 256 /* and around all of them; PATH */
};

size_t packet_size(const struct params_source *source)
{
	struct params_most most = params_most(source);

	return AROUND_MAX + most.bytes + PAIR_MAX * most.pairs + most.buffer;
}

/* Where the variables come from, and what is left of the memory for what they become. */
static size_t begin(struct params *params, const struct params_source *source, char *out,
		    size_t size)
{
	size_t buffer = params_most(source).buffer;

	params_init(params, source, out + size - buffer, buffer);
	return size - buffer;
}

size_t packet_fastcgi(const struct params_source *source, bool keep, char *out, size_t size)
{
	struct fastcgi_params pairs;
	struct params params;
	struct param param;
	size_t room = begin(&params, source, out, size), len;
	int more;

	fastcgi_begin(out, keep);
	fastcgi_params_init(&pairs, out + FASTCGI_BEGIN, room - FASTCGI_BEGIN);
	while ((more = params_next(&params, &param)) > 0)
		fastcgi_params_add(&pairs, param.name, param.name_len, param.value,
				   param.value_len);
	len = more < 0 ? 0 : fastcgi_params_finish(&pairs);
	return len ? FASTCGI_BEGIN + len : 0;
}

/* ----------------------------------------------------------------------------------- uwsgi ---- */

static void put_uint16(struct output *out, size_t number)
{
	const char bytes[2] = { (char)number, (char)(number >> 8) };

	out->full |= number > UINT16_MAX;
	output_bytes(out, bytes, sizeof bytes);
}

size_t packet_uwsgi(const struct params_source *source, char *out, size_t size)
{
	enum { HEADER = 4 }; /* modifier 1, the length of what follows, modifier 2 */
	struct params params;
	struct param param;
	struct output pairs = output_of(out + HEADER, begin(&params, source, out, size) - HEADER);
	struct output header = output_of(out, HEADER);
	int more;

	while ((more = params_next(&params, &param)) > 0) {
		put_uint16(&pairs, param.name_len);
		output_bytes(&pairs, param.name, param.name_len);
		put_uint16(&pairs, param.value_len);
		output_bytes(&pairs, param.value, param.value_len);
	}
	output_bytes(&header, "", 1);
	put_uint16(&header, output_len(&pairs));
	output_bytes(&header, "", 1);
	if (more < 0 || pairs.full || header.full)
		return 0;
	return HEADER + output_len(&pairs);
}

/* ------------------------------------------------------------------------------------ SCGI ---- */

size_t packet_scgi(const struct params_source *source, char *out, size_t size)
{
	enum { LENGTH_MAX = 24 }; /* "65536:" */
	struct params params;
	struct param param;
	size_t room = begin(&params, source, out, size);
	struct output pairs = output_of(out + LENGTH_MAX, room - LENGTH_MAX);
	struct output length = output_of(out, LENGTH_MAX);
	int more;

	while ((more = params_next(&params, &param)) > 0) {
		output_bytes(&pairs, param.name, param.name_len);
		output_bytes(&pairs, "", 1);
		output_bytes(&pairs, param.value, param.value_len);
		output_bytes(&pairs, "", 1);
	}
	output_number(&length, output_len(&pairs));
	output_text(&length, ":");
	output_text(&pairs, ",");
	if (more < 0 || pairs.full)
		return 0;
	memmove(out + output_len(&length), pairs.start, output_len(&pairs));
	return output_len(&length) + output_len(&pairs);
}

/* ------------------------------------------------------------------------------------- CGI ---- */

static void put_variable(struct output *out, const char **place, const struct param *param)
{
	*place = out->at;
	output_bytes(out, param->name, param->name_len);
	output_text(out, "=");
	output_bytes(out, param->value, param->value_len);
	output_bytes(out, "", 1);
}

static bool sets_path(const struct params_source *source)
{
	for (size_t i = 0; i < source->set.n; i++)
		if (strcmp(source->set.line[i].word[0], "PATH") == 0)
			return true;
	return false;
}

const char *const *packet_environment(const struct params_source *source, const char *path,
				      char *out, size_t size)
{
	const size_t places = params_most(source).pairs + 2;
	const char **env = (const char **)(void *)out;
	struct param param = { "PATH", path, 4, strlen(path) };
	struct params params;
	size_t room = begin(&params, source, out, size), n = 0;
	struct output text = output_of(out + places * sizeof *env, room - places * sizeof *env);
	int more;

	if (!sets_path(source))
		put_variable(&text, &env[n++], &param);
	while ((more = params_next(&params, &param)) > 0)
		put_variable(&text, &env[n++], &param);
	env[n] = NULL;
	return more < 0 || text.full ? NULL : env;
}
