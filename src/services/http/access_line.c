/* SPDX-License-Identifier: MIT */
/*
 * Lines of an access log; see access_line.h. This runs once for each request: no printf, and bytes
 * that need no escape, which is nearly all of them, are only copied.
 */
#include "services/http/access_line.h"

#include "services/http/request.h"
#include "services/http/utf8.h"

#include "musterd/module.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { ESCAPE_MAX = 6 }; /* the longest: \u001f */

struct text {
	const char *at; /* NULL: there is none */
	size_t len;
};

static char *put(char *out, const char *data, size_t len)
{
	memcpy(out, data, len);
	return out + len;
}

#define PUT(out, literal) put((out), (literal), sizeof(literal) - 1)

/*
 * A number with leading zeros. Each division waits for the one before it: two digits at a time.
 */
static inline char *put_digits(char *out, uint64_t value, int digits)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	int left = digits;

	for (; left >= 2; value /= 100) {
		left -= 2;
		memcpy(out + left, pairs + value % 100 * 2, 2);
	}
	if (left)
		*out = (char)('0' + value % 10);
	return out + digits;
}

static char *put_number(char *out, uint64_t value)
{
	int digits = 1;

	for (uint64_t more = 10; digits < 20 && value >= more; more *= 10)
		digits++;
	return put_digits(out, value, digits);
}

/* ---- values that the client chose ---- */

/* Printable ASCII that neither format gives a meaning. */
static inline bool is_plain(char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

enum { BLOCK = 16 };
typedef signed char block __attribute__((vector_size(BLOCK)));

/*
 * The same for a block at once, with the machine's instructions for such. What is beyond ASCII is
 * below 0.
 */
static inline bool are_plain(const char *p)
{
	block bytes, other;
	uint64_t half[2];

	memcpy(&bytes, p, BLOCK);
	other = (bytes < 0x20) | (bytes == 0x7f) | (bytes == '"') | (bytes == '\\');
	memcpy(half, &other, BLOCK);
	return !(half[0] | half[1]);
}

/* Copies what is plain; *p moves behind it. */
static inline char *put_plain(char *out, const char **p, const char *stop)
{
	const char *start = *p;

	for (; stop - *p >= BLOCK && are_plain(*p); *p += BLOCK, out += BLOCK)
		memcpy(out, *p, BLOCK);
	/* Less than a block is left: once more with some of what was before it. */
	if (stop - *p < BLOCK && stop - start >= BLOCK && are_plain(stop - BLOCK)) {
		out += stop - *p;
		memcpy(out - BLOCK, stop - BLOCK, BLOCK);
		*p = stop;
		return out;
	}
	while (*p < stop && is_plain(**p))
		*out++ = *(*p)++;
	return out;
}

static char *put_hex(char *out, unsigned char byte, const char *digits)
{
	*out++ = digits[byte >> 4];
	*out++ = digits[byte & 15];
	return out;
}

/* As nginx writes it. All of UTF-8 too: some of its characters control a terminal. */
static char *put_escaped_byte(char *out, char byte)
{
	out = PUT(out, "\\x");
	return put_hex(out, (unsigned char)byte, "0123456789ABCDEF");
}

/*
 * What ends a line or turns the direction of writing for some reader or terminal: it is escaped
 * too.
 */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

/* One character of a JSON string (RFC 8259 section 7); *p moves behind it. */
static char *put_escaped_character(char *out, const char **p, const char *end)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t code;
	size_t len = utf8_decode(*p, end, &code);
	const char *at = *p;

	*p += len ? len : 1;
	if (!len)
		return PUT(out, "\\ufffd");
	if (code == '"' || code == '\\') {
		*out++ = '\\';
		*out++ = (char)code;
		return out;
	}
	if (is_control(code)) {
		out = PUT(out, "\\u");
		out = put_hex(out, (unsigned char)(code >> 8), digits);
		return put_hex(out, (unsigned char)code, digits);
	}
	return put(out, at, len);
}

/* Not inline: the code that nearly all values need is to be small. */
__attribute__((__noinline__)) static char *put_escaped(char *out, struct text value,
						       enum access_format format)
{
	const char *p = value.at, *end = p + value.len;
	char *last = out + ACCESS_VALUE_MAX;

	while (p < end) {
		const char *stop = end - p > last - out ? p + (last - out) : end;

		out = put_plain(out, &p, stop);
		if (p == end)
			break;
		if (last - out < ESCAPE_MAX)
			return PUT(out, "...");
		if (format == ACCESS_JSON)
			out = put_escaped_character(out, &p, end);
		else
			out = put_escaped_byte(out, *p++);
	}
	return out;
}

static char *put_value(char *out, struct text value, enum access_format format)
{
	const char *p = value.at, *end = p + value.len;
	char *plain;

	if (value.len > ACCESS_VALUE_MAX)
		return put_escaped(out, value, format);
	plain = put_plain(out, &p, end);
	return p == end ? plain : put_escaped(out, value, format);
}

/* ---- the parts of a request ---- */

static struct text field_of(const struct access_entry *entry, enum request_field field)
{
	struct slice slice = entry->request->field[field];

	if (!request_has(entry->request, field))
		return (struct text){ NULL, 0 };
	return (struct text){ entry->data + slice.at, slice.len };
}

/* Where the request line begins: behind the empty lines that may precede it. */
static const char *line_of(const struct access_entry *entry)
{
	const char *p = entry->data, *end = p + entry->data_len;

	if (entry->request->fields)
		end = p + entry->request->target.at;
	while (p < end && (*p == '\r' || *p == '\n'))
		p++;
	return p;
}

static struct text method_of(const struct access_entry *entry)
{
	const char *line = line_of(entry);

	return (struct text){ line, (size_t)(entry->data + entry->request->target.at - 1 - line) };
}

static struct text target_of(const struct access_entry *entry)
{
	return (struct text){ entry->data + entry->request->target.at, entry->request->target.len };
}

/* What was sent in place of a request line. */
static struct text raw_line_of(const struct access_entry *entry)
{
	const char *line = line_of(entry), *end = entry->data + entry->data_len, *p = line;

	while (p < end && *p != '\r' && *p != '\n')
		p++;
	return (struct text){ line, (size_t)(p - line) };
}

/* RFC 5952. */
static char *put_ipv6(char *out, const struct in6_addr *address)
{
	int best = -1, best_len = 1; /* the longest run of two zeros or more, the first of such */

	for (int i = 0, run = 0; i < 8; i++) {
		run = address->s6_addr[2 * i] || address->s6_addr[2 * i + 1] ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	for (int i = 0; i < 8; i++) {
		unsigned group =
			(unsigned)address->s6_addr[2 * i] << 8 | address->s6_addr[2 * i + 1];

		if (i == best) {
			out = PUT(out, "::");
			i += best_len - 1;
			continue;
		}
		if (i > 0 && out[-1] != ':')
			*out++ = ':';
		for (int shift = group > 0xfff  ? 12
				 : group > 0xff ? 8
				 : group > 0xf  ? 4
						: 0;
		     shift >= 0; shift -= 4)
			*out++ = "0123456789abcdef"[group >> shift & 15];
	}
	return out;
}

static char *put_ipv4(char *out, const struct in_addr *address)
{
	const unsigned char *byte = (const unsigned char *)&address->s_addr;

	for (int i = 0; i < 4; i++) {
		unsigned value = byte[i];

		if (i > 0)
			*out++ = '.';
		if (value >= 100)
			*out++ = (char)('0' + value / 100);
		if (value >= 10)
			*out++ = (char)('0' + value / 10 % 10);
		*out++ = (char)('0' + value % 10);
	}
	return out;
}

/* The address; *port_r: its port, 0 for a Unix socket. */
static char *put_peer(char *out, const struct mu_conn *conn, unsigned *port_r)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;

	mu_peer_address(conn, &peer.any);
	*port_r = 0;
	switch (peer.any.ss_family) {
	case AF_INET:
		*port_r = ntohs(peer.in.sin_port);
		return put_ipv4(out, &peer.in.sin_addr);
	case AF_INET6:
		*port_r = ntohs(peer.in6.sin6_port);
		return put_ipv6(out, &peer.in6.sin6_addr);
	default:
		return PUT(out, "unix");
	}
}

/* ---- the formats ---- */

static char *put_quoted_or_dash(char *out, struct text value, enum access_format format)
{
	*out++ = '"';
	if (value.len)
		out = put_value(out, value, format);
	else
		*out++ = '-';
	*out++ = '"';
	return out;
}

static char *put_common(char *out, const struct access_entry *entry, const struct access_date *date)
{
	unsigned port;

	out = put_peer(out, entry->conn, &port);
	out = PUT(out, " - - [");
	out = put(out, date->common, sizeof date->common);
	out = PUT(out, "] ");
	if (entry->request->fields) {
		*out++ = '"';
		out = put_value(out, method_of(entry), ACCESS_COMMON);
		*out++ = ' ';
		out = put_value(out, target_of(entry), ACCESS_COMMON);
		out = PUT(out, " HTTP/1.");
		*out++ = (char)('0' + entry->request->minor);
		*out++ = '"';
	} else {
		out = put_quoted_or_dash(out, raw_line_of(entry), ACCESS_COMMON);
	}
	*out++ = ' ';
	out = put_number(out, (uint64_t)entry->status);
	*out++ = ' ';
	return put_number(out, (uint64_t)entry->bytes);
}

static char *put_combined(char *out, const struct access_entry *entry,
			  const struct access_date *date)
{
	out = put_common(out, entry, date);
	*out++ = ' ';
	out = put_quoted_or_dash(out, field_of(entry, FIELD_REFERER), ACCESS_COMBINED);
	*out++ = ' ';
	return put_quoted_or_dash(out, field_of(entry, FIELD_USER_AGENT), ACCESS_COMBINED);
}

static char *put_string(char *out, struct text value)
{
	if (!value.at)
		return PUT(out, "null");
	*out++ = '"';
	out = put_value(out, value, ACCESS_JSON);
	*out++ = '"';
	return out;
}

/* Seconds with microseconds. */
static char *put_duration(char *out, int64_t nanoseconds)
{
	int64_t microseconds = nanoseconds > 0 ? nanoseconds / 1000 : 0;

	out = put_number(out, (uint64_t)(microseconds / 1000000));
	*out++ = '.';
	return put_digits(out, (uint64_t)microseconds % 1000000, 6);
}

static char *put_json_request(char *out, const struct access_entry *entry)
{
	struct text line;

	if (entry->request->fields) {
		out = PUT(out, "\"method\":");
		out = put_string(out, method_of(entry));
		out = PUT(out, ",\"target\":");
		out = put_string(out, target_of(entry));
		out = PUT(out, ",\"protocol\":\"HTTP/1.");
		*out++ = (char)('0' + entry->request->minor);
		return PUT(out, "\"");
	}
	line = raw_line_of(entry);
	out = PUT(out, "\"method\":null,\"target\":null,\"protocol\":null,\"line\":");
	return put_string(out, line);
}

static char *put_json(char *out, const struct access_entry *entry, const struct access_date *date,
		      int millisecond)
{
	const struct request *request = entry->request;
	const struct mu_worker *worker = mu_worker_of(entry->conn);
	const char *service = mu_service_name(worker);
	unsigned port;

	out = PUT(out, "{\"time\":\"");
	out = put(out, date->iso, sizeof date->iso);
	*out++ = '.';
	out = put_digits(out, millisecond, 3);
	out = put(out, date->zone, sizeof date->zone);
	out = PUT(out, "\",\"peer\":\"");
	out = put_peer(out, entry->conn, &port);
	out = PUT(out, "\",\"port\":");
	out = put_number(out, port);
	*out++ = ',';
	out = put_json_request(out, entry);
	out = PUT(out, ",\"status\":");
	out = put_number(out, (uint64_t)entry->status);
	out = PUT(out, ",\"bytes\":");
	out = put_number(out, (uint64_t)entry->bytes);
	out = PUT(out, ",\"referer\":");
	out = put_string(out, field_of(entry, FIELD_REFERER));
	out = PUT(out, ",\"user_agent\":");
	out = put_string(out, field_of(entry, FIELD_USER_AGENT));
	out = PUT(out, ",\"host\":");
	out = put_string(out,
			 (struct text){ request->host.len ? entry->data + request->host.at : NULL,
					request->host.len });
	out = PUT(out, ",\"encoding\":");
	out = put_string(out, (struct text){ entry->encoding,
					     entry->encoding ? strlen(entry->encoding) : 0 });
	out = PUT(out, ",\"ttfb\":");
	out = entry->t_first ? put_duration(out, entry->t_first - entry->t_start)
			     : PUT(out, "null");
	out = PUT(out, ",\"total\":");
	out = put_duration(out, entry->t_end - entry->t_start);
	out = PUT(out, ",\"count\":");
	out = put_number(out, entry->count);
	out = PUT(out, ",\"service\":");
	out = put_string(out, (struct text){ service, strlen(service) });
	out = PUT(out, ",\"worker\":");
	out = put_number(out, (uint64_t)mu_worker_number(worker));
	*out++ = '}';
	return out;
}

size_t access_line(enum access_format format, const struct access_entry *entry,
		   const struct access_date *date, int millisecond, char *out)
{
	char *end = NULL;

	switch (format) {
	case ACCESS_COMMON:
		end = put_common(out, entry, date);
		break;
	case ACCESS_COMBINED:
		end = put_combined(out, entry, date);
		break;
	case ACCESS_JSON:
		end = put_json(out, entry, date, millisecond);
		break;
	}
	*end++ = '\n';
	return (size_t)(end - out);
}

void access_date_set(struct access_date *date, int64_t second)
{
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)second;
	struct tm tm = { 0 };
	long minutes;
	char sign;

	/* Not localtime(3): that would look for the zone's file again, which a chroot may hide. */
	localtime_r(&seconds, &tm);
	sign = tm.tm_gmtoff < 0 ? '-' : '+';
	minutes = (tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff) / 60;
	memcpy(date->common, "22/Nov/2026:18:00:53 +0100", sizeof date->common);
	put_digits(date->common, tm.tm_mday, 2);
	memcpy(date->common + 3, month[tm.tm_mon], 3);
	put_digits(date->common + 7, tm.tm_year + 1900, 4);
	put_digits(date->common + 12, tm.tm_hour, 2);
	put_digits(date->common + 15, tm.tm_min, 2);
	put_digits(date->common + 18, tm.tm_sec, 2);
	date->common[21] = sign;
	put_digits(date->common + 22, minutes / 60, 2);
	put_digits(date->common + 24, minutes % 60, 2);

	memcpy(date->iso, "2026-11-22T18:00:53", sizeof date->iso);
	put_digits(date->iso, tm.tm_year + 1900, 4);
	put_digits(date->iso + 5, tm.tm_mon + 1, 2);
	put_digits(date->iso + 8, tm.tm_mday, 2);
	memcpy(date->iso + 11, date->common + 12, 8);
	memcpy(date->zone, "+01:00", sizeof date->zone);
	date->zone[0] = sign;
	memcpy(date->zone + 1, date->common + 22, 2);
	memcpy(date->zone + 4, date->common + 24, 2);
	date->second = second;
}
