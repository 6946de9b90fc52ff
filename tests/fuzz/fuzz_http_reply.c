/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for the parser of replies and for their content: the first byte says in how many bytes
 * at a time the others arrive, the second one what was asked. Whatever they are, they mean the same
 * however they come, to the reason of a refusal; and a head that is accepted holds no byte that it
 * must not, is framed without doubt, and its parts lie within it.
 */
#include "services/http/gateway/content.h"
#include "services/http/gateway/reply.h"

#include "http_head.h"

enum { TRAILERS_MAX = 256, LIMIT = 8192 };

/* Behind the end of a line, as this kind has it; *end_r: where its text ends. */
static const char *next_line(const struct reply *reply, const char *line, const char *end,
			     const char **end_r)
{
	const char *next = memchr(line, '\n', (size_t)(end - line));

	must(next != NULL);
	*end_r = next > line && next[-1] == '\r' ? next - 1 : next;
	must(reply->kind == REPLY_CGI || *end_r < next);
	return next + 1;
}

static void must_be_framed(const struct reply *reply, const struct head_census *census)
{
	must(census->lengths <= 1 && census->codings <= 1 && census->length == reply->length);
	must(census->lengths + census->codings <= 1);
	must(!census->codings || (reply->minor && reply->kind == REPLY_HTTP));
	if (reply->framing == CONTENT_CHUNKED)
		must(census->codings == 1);
	if (reply->framing == CONTENT_LENGTH)
		must(census->lengths == 1);
	if (reply->framing == CONTENT_UNTIL_END)
		must(census->lengths + census->codings == 0 && !reply->persistent);
	if (reply->framing == CONTENT_NONE)
		must(reply->method == METHOD_HEAD || reply->status < 200 || reply->status == 204 ||
		     reply->status == 304);
	if (reply->framing == CONTENT_TUNNEL)
		must(!reply->persistent && !census->codings && !census->length);
	must(reply->status != 101 || (reply->framing == CONTENT_TUNNEL && reply->may_upgrade));
	must(reply->kind == REPLY_HTTP || (census->for_us > 0 && !reply->persistent));
}

/* The head by another reading, line by line. */
static void must_be_sound(const struct reply *reply, const char *data, size_t size)
{
	const char *line = data + reply->fields, *end = data + reply->head_len, *to, *next;
	struct head_census census = { 0 };

	must(reply->head_len <= size && reply->status >= 100 && reply->status <= 599);
	if (reply->kind == REPLY_HTTP) {
		next = next_line(reply, data, end, &to);
		must(next == line && !memcmp(data, "HTTP/1.", 7) && to - data >= 12);
		must(!memchr(data, '\r', (size_t)(to - data)));
		must(!memchr(data, '\0', (size_t)(to - data)));
	}
	for (;; line = next) {
		next = next_line(reply, line, end, &to);
		if (to == line)
			break;
		head_must_be_field(line, to, &census);
	}
	must(next == end);
	must_be_framed(reply, &census);
	head_must_hold(reply->head_len, reply->phrase);
	for (int i = 0; i < REPLY_OTHER; i++)
		if (reply_has(reply, (enum reply_field)i))
			head_must_hold(reply->head_len, reply->field[i]);
}

static int parse(void *reply, const char *data, size_t len)
{
	return (int)reply_parse(reply, data, len);
}

static void must_be_equal(const struct reply *a, const struct reply *b)
{
	must(a->minor == b->minor && a->status == b->status && a->framing == b->framing);
	must(a->persistent == b->persistent && a->is_local == b->is_local);
	must(a->fields == b->fields && a->head_len == b->head_len && a->length == b->length);
	must(a->seen == b->seen && a->repeated == b->repeated &&
	     head_same_slice(a->phrase, b->phrase));
	for (int i = 0; i < REPLY_OTHER; i++)
		if (reply_has(a, (enum reply_field)i))
			must(head_same_slice(a->field[i], b->field[i]));
}

/* How much of the stream is its content and framing. */
static size_t read_content(struct content *content, const struct reply *reply, const char *data,
			   size_t size, size_t step, char *trailers)
{
	size_t at = 0, piece;

	content_init(content, (enum content_framing)reply->framing, reply->length, LIMIT);
	content_keep_trailers(content, trailers, TRAILERS_MAX);
	while (at < size && content->state == CONTENT_MORE) {
		size_t n = size - at < step ? size - at : step;
		size_t taken = content_take(content, data + at, n, &piece);

		must(taken <= n && piece <= taken);
		must(taken > 0 || content->state != CONTENT_MORE);
		at += taken;
	}
	content_end(content);
	return at;
}

static void check_content(const struct reply *reply, const char *data, size_t size, size_t step)
{
	char trailers[2][TRAILERS_MAX];
	struct content whole, pieces;
	size_t end = read_content(&whole, reply, data, size, size, trailers[0]);

	must(read_content(&pieces, reply, data, size, step, trailers[1]) == end);
	must(whole.state != CONTENT_MORE && whole.state == pieces.state);
	must(whole.total == pieces.total && whole.total <= end && whole.total <= LIMIT);
	must(whole.error == pieces.error && (whole.state == CONTENT_DONE) == !whole.error);
	if (whole.state != CONTENT_DONE)
		return;
	must(reply->framing != CONTENT_LENGTH || whole.total == reply->length);
	must(whole.trailers_len == pieces.trailers_len);
	must(!memcmp(trailers[0], trailers[1], whole.trailers_len));
	must(!whole.trailers_len || !memcmp(trailers[0] + whole.trailers_len - 2, "\r\n", 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum request_method method[] = { METHOD_GET, METHOD_HEAD, METHOD_CONNECT,
						      METHOD_POST };
	const char *text = (const char *)data + 2;
	struct reply whole, pieces;
	int at_once, bit_by_bit;
	enum reply_kind kind;
	size_t step;

	if (size < 3 || size > 16384)
		return 0;
	size -= 2;
	step = head_step(data[0], size);
	kind = data[1] & 4 ? REPLY_CGI : REPLY_HTTP;

	reply_init(&whole, kind, method[data[1] & 3], data[1] & 8);
	at_once = head_feed(parse, &whole, text, size, size);
	reply_init(&pieces, kind, method[data[1] & 3], data[1] & 8);
	bit_by_bit = head_feed(parse, &pieces, text, size, step);

	must(at_once == bit_by_bit && whole.error == pieces.error);
	must((at_once == REPLY_BAD) == (whole.error != NULL));
	if (at_once == REPLY_DONE) {
		must_be_sound(&whole, text, size);
		must_be_equal(&whole, &pieces);
		check_content(&whole, text + whole.head_len, size - whole.head_len, step);
	}
	return 0;
}
