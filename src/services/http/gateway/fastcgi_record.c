/* SPDX-License-Identifier: MIT */
/*
 * Records of FastCGI; see fastcgi_record.h. A type that we do not know is a fault: we ask for
 * nothing that it could be the answer to, and a stream that has lost its place looks like that.
 */
#include "services/http/gateway/fastcgi_record.h"

#include <string.h>

enum { VERSION = 1, RESPONDER = 1, KEEP_CONN = 1, END_LEN = 8, SHORT_MAX = 127 };

void fastcgi_header(char *out, enum fastcgi_type type, size_t len)
{
	memset(out, 0, FASTCGI_HEADER);
	out[0] = VERSION;
	out[1] = (char)type;
	out[3] = FASTCGI_ID;
	out[4] = (char)(len >> 8);
	out[5] = (char)len;
}

void fastcgi_begin(char *out, bool keep)
{
	fastcgi_header(out, FASTCGI_BEGIN_REQUEST, FASTCGI_BEGIN - FASTCGI_HEADER);
	memset(out + FASTCGI_HEADER, 0, FASTCGI_BEGIN - FASTCGI_HEADER);
	out[FASTCGI_HEADER + 1] = RESPONDER;
	out[FASTCGI_HEADER + 2] = keep ? KEEP_CONN : 0;
}

void fastcgi_params_init(struct fastcgi_params *params, char *out, size_t size)
{
	if (size > FASTCGI_PARAMS_ROOM + FASTCGI_CONTENT_MAX)
		size = FASTCGI_PARAMS_ROOM + FASTCGI_CONTENT_MAX;
	*params = (struct fastcgi_params){ .out = out, .size = size, .len = FASTCGI_HEADER };
}

static size_t length_size(size_t len)
{
	return len <= SHORT_MAX ? 1 : 4;
}

static void put_length(struct fastcgi_params *params, size_t len)
{
	char *out = params->out + params->len;

	params->len += length_size(len);
	if (len > SHORT_MAX) {
		*out++ = (char)(0x80 | len >> 24);
		*out++ = (char)(len >> 16);
		*out++ = (char)(len >> 8);
	}
	*out = (char)len;
}

static void put_bytes(struct fastcgi_params *params, const char *bytes, size_t len)
{
	if (len)
		memcpy(params->out + params->len, bytes, len);
	params->len += len;
}

void fastcgi_params_add(struct fastcgi_params *params, const char *name, size_t name_len,
			const char *value, size_t value_len)
{
	size_t room = params->size - params->len - FASTCGI_HEADER;
	size_t lengths = length_size(name_len) + length_size(value_len);

	/* Each by itself first: their sum might overflow. */
	if (params->is_full || name_len > room || value_len > room ||
	    name_len + value_len + lengths > room) {
		params->is_full = true;
		return;
	}
	put_length(params, name_len);
	put_length(params, value_len);
	put_bytes(params, name, name_len);
	put_bytes(params, value, value_len);
}

size_t fastcgi_params_finish(struct fastcgi_params *params)
{
	size_t len = params->len - FASTCGI_HEADER;

	if (params->is_full)
		return 0;
	/* The record that ends them is empty: so would be one of no pairs. */
	if (!len)
		params->len = 0;
	else
		fastcgi_header(params->out, FASTCGI_PARAMS, len);
	fastcgi_header(params->out + params->len, FASTCGI_PARAMS, 0);
	params->len += FASTCGI_HEADER;
	return params->len;
}

static void bad(struct fastcgi_reader *reader, const char *error)
{
	reader->state = FASTCGI_BAD;
	reader->error = error;
}

/* A record of a stream; an empty one is its end, behind which there is nothing. */
static void begin_stream(struct fastcgi_reader *reader, bool *ended)
{
	if (*ended)
		bad(reader, "FastCGI stream goes on after its end");
	else if (!reader->left)
		*ended = true;
}

static void judge_header(struct fastcgi_reader *reader)
{
	const uint8_t *header = (const uint8_t *)reader->bytes;

	reader->have = 0;
	reader->in_record = true;
	reader->type = header[1];
	reader->left = (uint16_t)(header[4] << 8 | header[5]);
	reader->padding = header[6];
	if (header[0] != VERSION) {
		bad(reader, "FastCGI version is not 1");
		return;
	}
	if ((header[2] << 8 | header[3]) != FASTCGI_ID) {
		bad(reader, "FastCGI record of another request");
		return;
	}
	switch (reader->type) {
	case FASTCGI_STDOUT:
		begin_stream(reader, &reader->stdout_ended);
		break;
	case FASTCGI_STDERR:
		begin_stream(reader, &reader->stderr_ended);
		break;
	case FASTCGI_END_REQUEST:
		if (reader->left != END_LEN)
			bad(reader, "FastCGI END_REQUEST has another length");
		break;
	default:
		bad(reader, "unknown FastCGI record");
	}
}

static void judge_end(struct fastcgi_reader *reader)
{
	const uint8_t *body = (const uint8_t *)reader->bytes;

	reader->app_status = (uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 |
			     (uint32_t)body[2] << 8 | body[3];
	reader->protocol_status = body[4];
	if (reader->protocol_status > FASTCGI_UNKNOWN_ROLE)
		bad(reader, "unknown FastCGI status");
}

/* Gathers eight bytes, which may come one by one. */
static size_t gather(struct fastcgi_reader *reader, const char *data, size_t len)
{
	size_t missing = sizeof reader->bytes - reader->have;

	if (len > missing)
		len = missing;
	memcpy(reader->bytes + reader->have, data, len);
	reader->have = (uint8_t)(reader->have + len);
	return len;
}

/* Content of END_REQUEST, or padding: what nobody else sees. */
static size_t take_inner(struct fastcgi_reader *reader, const char *data, size_t len)
{
	if (!reader->left) {
		if (len > reader->padding)
			len = reader->padding;
		reader->padding = (uint8_t)(reader->padding - len);
		return len;
	}
	len = gather(reader, data, len);
	reader->left = (uint16_t)(reader->left - len);
	if (!reader->left)
		judge_end(reader);
	return len;
}

/* Behind a record, if that is where it stands. */
static void finish_record(struct fastcgi_reader *reader)
{
	if (!reader->in_record || reader->left || reader->padding || reader->state == FASTCGI_BAD)
		return;
	reader->in_record = false;
	if (reader->type == FASTCGI_END_REQUEST)
		reader->state = FASTCGI_DONE;
}

static size_t take_content(struct fastcgi_reader *reader, size_t len)
{
	if (len > reader->left)
		len = reader->left;
	reader->left = (uint16_t)(reader->left - len);
	return len;
}

size_t fastcgi_take(struct fastcgi_reader *reader, const char *data, size_t len, size_t *piece_r,
		    enum fastcgi_stream *stream_r)
{
	size_t at = 0;

	*piece_r = 0;
	*stream_r = FASTCGI_STREAM_NONE;
	while (at < len && reader->state == FASTCGI_MORE && !*piece_r) {
		if (!reader->in_record) {
			at += gather(reader, data + at, len - at);
			if (reader->have == sizeof reader->bytes)
				judge_header(reader);
		} else if (reader->left && reader->type != FASTCGI_END_REQUEST) {
			*stream_r = reader->type == FASTCGI_STDOUT ? FASTCGI_STREAM_OUT
								   : FASTCGI_STREAM_ERR;
			*piece_r = take_content(reader, len - at);
			at += *piece_r;
		} else {
			at += take_inner(reader, data + at, len - at);
		}
		finish_record(reader);
	}
	return at;
}
