/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the records of FastCGI: the first byte says in how many bytes at a time the others
 * arrive. Output, errors and the verdict are the same however they do, and the output of a program
 * leads to the same verdict about its head.
 */
#include "services/http/gateway/fastcgi_record.h"
#include "services/http/gateway/reply.h"

#include "exact_copy.h"
#include "fuzz.h"

#include <string.h>

enum { INPUT_MAX = 4096 };

struct reading {
	struct fastcgi_reader reader;
	char out[INPUT_MAX], err[INPUT_MAX];
	size_t out_len, err_len, taken;
	struct reply reply;
	enum reply_state state;
};

static void put(struct reading *reading, const char *piece, size_t len, enum fastcgi_stream stream)
{
	bool is_out = stream == FASTCGI_STREAM_OUT;
	char *to = is_out ? reading->out : reading->err;
	size_t *used = is_out ? &reading->out_len : &reading->err_len;

	must(stream != FASTCGI_STREAM_NONE);
	memcpy(to + *used, piece, len);
	*used += len;
	if (is_out && reading->state == REPLY_MORE)
		reading->state = reply_parse(&reading->reply, reading->out, reading->out_len);
}

static void read_all(struct reading *reading, const char *data, size_t size, size_t step)
{
	memset(reading, 0, sizeof *reading);
	reply_init(&reading->reply, REPLY_CGI, METHOD_GET, false);
	while (reading->taken < size && reading->reader.state == FASTCGI_MORE) {
		size_t left = size - reading->taken, n = left < step ? left : step, piece, taken;
		char *exact = exact_copy(data + reading->taken, n);
		enum fastcgi_stream stream;

		taken = fastcgi_take(&reading->reader, exact, n, &piece, &stream);
		must(taken > 0 && taken <= n && piece <= taken);
		if (piece)
			put(reading, exact + taken - piece, piece, stream);
		reading->taken += taken;
		free(exact);
	}
	must(reading->taken <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading whole, pieces;
	const char *text = (const char *)data + 1;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	size--;
	read_all(&whole, text, size, size);
	read_all(&pieces, text, size, data[0] ? data[0] : 1);

	must(whole.taken == pieces.taken && whole.reader.state == pieces.reader.state);
	must(whole.reader.error == pieces.reader.error);
	must((whole.reader.state == FASTCGI_BAD) == (whole.reader.error != NULL));
	must(whole.reader.app_status == pieces.reader.app_status);
	must(whole.out_len == pieces.out_len && !memcmp(whole.out, pieces.out, whole.out_len));
	must(whole.err_len == pieces.err_len && !memcmp(whole.err, pieces.err, whole.err_len));
	must(whole.state == pieces.state && whole.reply.error == pieces.reply.error);
	must(whole.state != REPLY_DONE || whole.reply.head_len <= whole.out_len);
	if (whole.reader.state == FASTCGI_DONE)
		must(whole.taken >= 16);
	return 0;
}
