/* SPDX-License-Identifier: MIT */
/*
 * Differential fuzz target: one message, read by our parsers and by llhttp in its strict mode. A message that
 * one takes and the other refuses is reported, unless the refusal stands in the lists below, each with the reason why
 * it is meant to differ. What both take must be the same request with the same content and end at the same byte:
 * there is no list for that, for such a difference is how requests are smuggled.
 */
#include "services/http/body.h"
#include "services/http/chunked.h"
#include "services/http/octet.h"
#include "services/http/request.h"

#include "fuzz.h"

#include <inttypes.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>

enum verdict { UNFINISHED, TAKEN, REFUSED };

struct reading {
	enum verdict verdict;
	size_t head;        /* bytes of the head, if it was taken */
	size_t end;         /* TAKEN: the bytes of the message; REFUSED: where */
	uint64_t content;   /* bytes of it, without its coding */
	const char *method; /* NULL: one that the parser does not know */
	struct slice target;
	const char *reason; /* REFUSED */
	bool chunked, upgrade;
};

struct difference {
	const char *reason, *why;
};

/* What we refuse, by our reason, and llhttp takes. */
static const struct difference stricter[] = {
	{ "LF without CR",
	  "RFC 9112 2.2 permits a bare LF; who disagrees about lines can be smuggled past" },
	{ "CR within a line", "llhttp passes over any CR before a request" },
	{ "too many empty lines before the request",
	  "RFC 9112 2.2 asks for one; we stop after four" },
	{ "empty field name", "RFC 9112 5: a token has a byte at least" },
	{ "folded line", "RFC 9112 5.2 permits to unfold; parties differ in how" },
	{ "chunks beyond our limits", "413" },
	{ "blank before the HTTP version", "RFC 9112 3 permits more than one space; we want one" },
	{ "HTTP version is not 1", "llhttp reads 0.9, we answer 505" },
	{ "HTTP/2 is not spoken here", "llhttp reads 2.0 and its preface, we answer 505" },
	{ "invalid request target", "llhttp takes any scheme, RFC 9110 4.2 knows two" },
	{ "invalid byte in the request target",
	  "llhttp takes fragments and more than RFC 3986 has" },
	{ "https asked for where it is not spoken", "RFC 9110 7.4; llhttp takes any scheme" },
	{ "invalid authority in the request target",
	  "llhttp does not look at the parts of an authority" },
	{ "CONNECT without host and port", "llhttp does not look at the parts of an authority" },
	{ "request target * with another method than OPTIONS",
	  "RFC 9112 3.2.4; llhttp leaves it open" },
	{ "no Host", "RFC 9112 3.2; llhttp leaves Host to the application" },
	{ "more than one Host", "as above" },
	{ "invalid Host", "as above" },
	{ "empty Content-Length", "a folded value" },
	{ "chunk size has too many digits", "a limit of ours: fifteen, leading zeros or not" },
	{ "DEL in a quoted string", "RFC 9110 5.6.4: neither qdtext nor to be escaped" },
	{ "unknown transfer coding", "llhttp leaves codings before chunked to the application" },
	{ "empty element before chunked", "who takes the value for one word sees no chunks" },
	{ "the last transfer coding is not chunked",
	  "empty, folded, or one of several fields, which llhttp joins" },
	{ "more than one Transfer-Encoding",
	  "llhttp joins them; parties differ in which they take" },
	{ "Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1: such framing is faulty" },
	{ "unknown expectation", "417; llhttp leaves Expect to the application" },
	{ "too many fields", "a limit of ours, 431" },
	{ "request target is too long", "a limit of ours, 414" },
};

/* What llhttp refuses, by its reason, and we take: in a head, in a head with a tab in it ... */
static const struct difference laxer[] = {
	{ "Invalid HTTP version", "RFC 9110 2.5: a higher minor version is taken for 1.1" },
};

static const struct difference laxer_with_tab[] = {
	{ "Request has invalid `Transfer-Encoding`",
	  "RFC 9110 5.6.3: a tab around a value is none of it" },
	{ "Invalid character in Content-Length", "as above" },
};

/* ... and in content. */
static const struct difference laxer_content[] = {
	{ "Invalid character in chunk size",
	  "RFC 9112 7.1.1 has bad whitespace before an extension" },
	{ "Invalid character in chunk extensions", "we pass over what extensions say" },
	{ "Invalid character in chunk extensions name", "as above" },
	{ "Invalid character in chunk extensions value", "as above" },
	{ "Invalid character in chunk extensions quote value", "as above" },
	{ "Invalid `Transfer-Encoding` header value",
	  "trailers are dropped unread, RFC 9110 6.5.1" },
	{ "Invalid character in Content-Length", "as above" },
	{ "Empty Content-Length", "as above" },
	{ "Content-Length overflow", "as above" },
	{ "Duplicate Content-Length", "as above" },
};

static const char *why_it_differs(const struct difference *list, size_t n, const char *reason)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].reason, reason))
			return list[i].why;
	return NULL;
}

#define WHY(list, reason) why_it_differs(list, sizeof(list) / sizeof *(list), reason)

static void refuse(struct reading *reading, const char *reason)
{
	reading->verdict = REFUSED;
	reading->reason = reason;
}

/* What stood where the coding stopped making sense, told apart as in a head. */
static const char *fault_of(enum chunked_state before, char byte)
{
	if (byte == '\n')
		return "LF without CR";
	if (before == CHUNKED_SIZE && octet_hex(byte) >= 0)
		return "chunk size has too many digits";
	if ((before == CHUNKED_QUOTED || before == CHUNKED_ESCAPED) && byte == 0x7f)
		return "DEL in a quoted string";
	if (before == CHUNKED_TRAILER && byte == ':')
		return "empty field name";
	if (before == CHUNKED_TRAILER && (byte == ' ' || byte == '\t'))
		return "folded line";
	return "invalid chunk";
}

static void read_chunks(struct reading *reading, const char *data, size_t size)
{
	struct chunked chunked = { .limit = BODY_DISCARD_MAX };
	enum chunked_state before = chunked.state;
	size_t at = 0;

	while (at < size && chunked.state < CHUNKED_DONE) {
		before = chunked.state;
		at += chunked_feed(&chunked, data + at, 1);
	}
	reading->end += at;
	reading->content = chunked.total;
	if (chunked.state == CHUNKED_DONE)
		reading->verdict = TAKEN;
	else if (chunked.state == CHUNKED_BAD)
		refuse(reading, fault_of(before, data[at - 1]));
	else if (chunked.state == CHUNKED_TOO_LARGE)
		refuse(reading, "chunks beyond our limits");
}

static void read_content(struct reading *reading, const struct request *request, const char *data,
			 size_t size)
{
	size_t left = size - request->head_len;

	reading->head = reading->end = request->head_len;
	reading->chunked = request->chunked;
	/* What follows is no HTTP; http.c closes the connection. */
	if (request->method == METHOD_CONNECT) {
		reading->verdict = TAKEN;
	} else if (request->chunked) {
		read_chunks(reading, data + reading->end, left);
	} else {
		reading->content = request->length;
		reading->end += (size_t)request->length;
		reading->verdict = request->length <= left ? TAKEN : UNFINISHED;
	}
}

static struct reading read_ours(const char *data, size_t size)
{
	struct reading reading = { .verdict = UNFINISHED };
	struct request request;

	request_init(&request);
	switch (request_parse(&request, data, size)) {
	case REQUEST_MORE:
		break;
	case REQUEST_BAD:
		refuse(&reading, request.reason);
		break;
	case REQUEST_DONE:
		if (request.method != METHOD_OTHER)
			reading.method = request_method_name((enum request_method)request.method);
		reading.target = request.target;
		read_content(&reading, &request, data, size);
	}
	return reading;
}

/* What llhttp says while it reads. */
struct listener {
	llhttp_t parser; /* first: callbacks are given its address */
	const char *data;
	struct reading reading;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct listener *listener = (struct listener *)parser;
	struct slice *target = &listener->reading.target;

	if (!target->len)
		target->at = (uint32_t)(at - listener->data);
	target->len += (uint32_t)len;
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct listener *listener = (struct listener *)parser;

	listener->reading.method = llhttp_method_name((llhttp_method_t)parser->method);
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	(void)at;
	((struct listener *)parser)->reading.content += len;
	return 0;
}

static int on_message_complete(llhttp_t *parser)
{
	((struct listener *)parser)->reading.verdict = TAKEN;
	return HPE_PAUSED;
}

static struct reading read_llhttp(const char *data, size_t size)
{
	struct listener listener = { .data = data };
	llhttp_settings_t settings;
	llhttp_errno_t error;

	llhttp_settings_init(&settings);
	settings.on_url = on_url;
	settings.on_headers_complete = on_headers_complete;
	settings.on_body = on_body;
	settings.on_message_complete = on_message_complete;
	llhttp_init(&listener.parser, HTTP_REQUEST, &settings);
	error = llhttp_execute(&listener.parser, data, size);
	if (error != HPE_OK)
		listener.reading.end = (size_t)(llhttp_get_error_pos(&listener.parser) - data);
	listener.reading.upgrade = listener.parser.upgrade;
	if (error != HPE_OK && listener.reading.verdict != TAKEN)
		refuse(&listener.reading, llhttp_get_error_reason(&listener.parser));
	return listener.reading;
}

static void report(const struct reading *ours, const struct reading *theirs, const char *what)
{
	static const char *const name[] = { "unfinished", "taken", "refused" };

	fprintf(stderr, "musterd: %s (%s), end %zu, content %" PRIu64 "\n", name[ours->verdict],
		ours->reason ? ours->reason : "-", ours->end, ours->content);
	fprintf(stderr, "llhttp:  %s (%s), end %zu, content %" PRIu64 "\n", name[theirs->verdict],
		theirs->reason ? theirs->reason : "-", theirs->end, theirs->content);
	fprintf(stderr, "they differ: %s\n", what);
	abort();
}

static void compare_taken(const struct reading *ours, const struct reading *theirs)
{
	if (ours->end != theirs->end)
		report(ours, theirs, "the end of the message");
	if (ours->content != theirs->content)
		report(ours, theirs, "the length of the content");
	if (ours->target.at != theirs->target.at || ours->target.len != theirs->target.len)
		report(ours, theirs, "the target");
	if (ours->method && strcmp(ours->method, theirs->method) != 0)
		report(ours, theirs, "the method");
}

static bool may_be_laxer(const struct reading *ours, const struct reading *theirs, const char *data)
{
	if (theirs->end > ours->head)
		return WHY(laxer_content, theirs->reason);
	if (memchr(data, '\t', ours->head) && WHY(laxer_with_tab, theirs->reason))
		return true;
	return WHY(laxer, theirs->reason);
}

/* RFC 9113 section 3.4: llhttp takes this for the preface of HTTP/2, whatever version it says, and waits for the rest. */
static bool is_preface(const char *data, size_t size)
{
	while (size && (*data == '\r' || *data == '\n')) {
		data++;
		size--;
	}
	return size >= 4 && memcmp(data, "PRI ", 4) == 0;
}

/*
 * RFC 9110 section 5.6.3: a tab behind "chunked" is none of it. To llhttp that is another coding, which it does not look at where
 * the request is to upgrade the connection: it sees no content.
 */
static bool is_other_coding(const struct reading *ours, const struct reading *theirs,
			    const char *data)
{
	return ours->chunked && theirs->upgrade && memchr(data, '\t', ours->head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading ours, theirs;

	if (size > 16384)
		return 0;
	ours = read_ours((const char *)data, size);
	theirs = read_llhttp((const char *)data, size);
	if (is_other_coding(&ours, &theirs, (const char *)data))
		return 0;
	if (ours.verdict == TAKEN && theirs.verdict == TAKEN)
		compare_taken(&ours, &theirs);
	if (ours.verdict == TAKEN && theirs.verdict == UNFINISHED &&
	    !is_preface((const char *)data, size))
		report(&ours, &theirs, "whether the message is complete");
	if (ours.verdict == UNFINISHED && theirs.verdict == TAKEN)
		report(&ours, &theirs, "whether the message is complete");
	if (ours.verdict == REFUSED && theirs.verdict == TAKEN && !WHY(stricter, ours.reason))
		report(&ours, &theirs, "only llhttp takes it");
	/* llhttp has a list of methods; ours are any token, of which http.c answers 501 to most. */
	if (ours.verdict == TAKEN && theirs.verdict == REFUSED && ours.method &&
	    !may_be_laxer(&ours, &theirs, (const char *)data))
		report(&ours, &theirs, "only musterd takes it");
	return 0;
}
