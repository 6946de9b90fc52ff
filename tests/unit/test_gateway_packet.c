/* SPDX-License-Identifier: MIT */
/* Each packet is taken apart again as its protocol says, and must have what params.h says, in its order. */
#include "services/http/gateway/packet.h"

#include "services/http/gateway/fastcgi_record.h"

#include "gateway_fixture.h"

#define HEAD "POST /a.php/info?b=c HTTP/1.1\r\nHost: www.example\r\nContent-Length: 5\r\n\r\n"

static struct request request;
static struct sockaddr_storage address;
static struct params_source source;
static char *memory;
static size_t size;

static void given(enum params_kind kind, const char *head)
{
	request = gateway_parse(head);
	address = fixture_address("192.0.2.7", 4711);
	source = (struct params_source){
		.kind = kind,
		.request = &request,
		.data = head,
		.length = (int64_t)request.length,
		.path = "/a.php/info",
		.path_len = 11,
		.script_len = 6,
		.file = "/srv/a.php",
		.root = "/srv",
		.peer = &address,
		.local = &address,
		.software = "musterd/1.0",
	};
}

/* Of the very size, so that a sanitizer sees what goes beyond it. */
static char *room(void)
{
	free(memory);
	size = packet_size(&source);
	memory = malloc(size);
	ck_assert_ptr_nonnull(memory);
	return memory;
}

static void teardown(void)
{
	free(memory);
	memory = NULL;
}

static struct params params;
static char buffer[64 * 1024];

static void expect_begin(void)
{
	params_init(&params, &source, buffer, sizeof buffer);
}

static void expect(const char *name, size_t name_len, const char *value, size_t value_len)
{
	struct param param;

	ck_assert_int_eq(params_next(&params, &param), 1);
	ck_assert_uint_eq(name_len, param.name_len);
	ck_assert_uint_eq(value_len, param.value_len);
	ck_assert_int_eq(memcmp(name, param.name, name_len), 0);
	ck_assert_int_eq(memcmp(value, param.value, value_len), 0);
}

static void expect_end(void)
{
	struct param param;

	ck_assert_int_eq(params_next(&params, &param), 0);
}

static size_t take_length(const uint8_t **p)
{
	size_t len = *(*p)++;

	if (!(len & 0x80))
		return len;
	len = (len & 0x7f) << 24 | (size_t)(*p)[0] << 16 | (size_t)(*p)[1] << 8 | (*p)[2];
	*p += 3;
	return len;
}

static void check_fastcgi(bool keep)
{
	const uint8_t *p = (const uint8_t *)room(), *end;
	size_t len = packet_fastcgi(&source, keep, memory, size), content;

	ck_assert_uint_gt(len, 40);
	ck_assert_int_eq(memcmp(p, "\1\1\0\1\0\x8\0\0\0\1", 10), 0);
	ck_assert_int_eq(p[10], keep);
	p += FASTCGI_BEGIN;
	ck_assert_int_eq(memcmp(p, "\1\4\0\1", 4), 0);
	content = (size_t)(p[4] << 8 | p[5]);
	ck_assert_uint_eq(len, FASTCGI_BEGIN + 8 + content + 8);
	end = p + 8 + content;
	ck_assert_int_eq(memcmp(end, "\1\4\0\1\0\0\0\0", 8), 0);
	expect_begin();
	for (p += 8; p < end;) {
		size_t name_len = take_length(&p), value_len = take_length(&p);

		expect((const char *)p, name_len, (const char *)p + name_len, value_len);
		p += name_len + value_len;
	}
	ck_assert_ptr_eq(p, end);
	expect_end();
}

static void check_uwsgi(void)
{
	const uint8_t *p = (const uint8_t *)room(), *end;
	size_t len = packet_uwsgi(&source, memory, size);

	ck_assert_uint_ge(len, 4);
	ck_assert_uint_eq(len, 4U + (unsigned)(p[1] | p[2] << 8));
	ck_assert(p[0] == 0 && p[3] == 0);
	end = p + len;
	expect_begin();
	for (p += 4; p < end;) {
		const uint8_t *name = p + 2;
		size_t name_len = (size_t)(p[0] | p[1] << 8), value_len;

		p = name + name_len;
		value_len = (size_t)(p[0] | p[1] << 8);
		expect((const char *)name, name_len, (const char *)p + 2, value_len);
		p += 2 + value_len;
	}
	ck_assert_ptr_eq(p, end);
	expect_end();
}

static void check_scgi(void)
{
	const char *p = room(), *end;
	size_t len = packet_scgi(&source, memory, size);
	char *colon;
	unsigned long content = strtoul(memory, &colon, 10);

	ck_assert_int_eq(*colon, ':');
	p = colon + 1;
	end = p + content;
	ck_assert_uint_eq(len, (size_t)(end - memory) + 1);
	ck_assert_int_eq(*end, ',');
	ck_assert_int_eq(strcmp(p, "CONTENT_LENGTH"), 0);
	expect_begin();
	while (p < end) {
		const char *value = p + strlen(p) + 1;

		expect(p, strlen(p), value, strlen(value));
		p = value + strlen(value) + 1;
	}
	ck_assert_ptr_eq(p, end);
	expect_end();
}

static void check_environment(void)
{
	const char *const *env;

	room();
	env = packet_environment(&source, "/bin:/usr/bin", memory, size);
	ck_assert_ptr_nonnull(env);
	ck_assert_str_eq(*env++, "PATH=/bin:/usr/bin");
	expect_begin();
	for (; *env; env++) {
		const char *value = strchr(*env, '=') + 1;

		expect(*env, (size_t)(value - *env) - 1, value, strlen(value));
	}
	expect_end();
}

static void check_all(const char *head)
{
	static const char *const words[] = { "HTTPS", "on", "EMPTY", "", "EXTRA", "value", NULL };

	for (int with_set = 0; with_set < 2; with_set++) {
		for (int kind = PARAMS_CGI; kind <= PARAMS_SCGI; kind++) {
			given((enum params_kind)kind, head);
			if (with_set)
				source.set = gateway_lines(words);
			switch ((enum params_kind)kind) {
			case PARAMS_CGI:
				check_environment();
				break;
			case PARAMS_FASTCGI:
				check_fastcgi(with_set);
				break;
			case PARAMS_UWSGI:
				check_uwsgi();
				break;
			case PARAMS_SCGI:
				check_scgi();
				break;
			}
		}
	}
}

START_TEST(packets_have_all_variables)
{
	check_all(HEAD);
}
END_TEST

/* The shortest lines that there are are the ones that grow most; and a value of more than 127 bytes. */
START_TEST(the_size_is_enough_for_many_short_lines)
{
	char head[16384] = "GET / HTTP/1.1\r\nHost: a\r\nLong: ";
	size_t at = strlen(head);

	memset(head + at, 'x', 9000);
	at += 9000;
	at += (size_t)sprintf(head + at, "\r\n");
	for (int i = 0; i < REQUEST_FIELDS_MAX - 2; i++)
		at += (size_t)sprintf(head + at, "%c%c:%c\r\n", 'a' + i % 26, 'a' + i / 26, 'v');
	strcpy(head + at, "\r\n");
	check_all(head);
}
END_TEST

START_TEST(the_size_is_enough_for_one_name_all_over)
{
	char head[16384] = "GET http://b?query HTTP/1.1\r\nHost: a\r\n";
	size_t at = strlen(head);

	for (int i = 0; i < REQUEST_FIELDS_MAX - 1; i++)
		at += (size_t)sprintf(head + at, "A:\r\n");
	strcpy(head + at, "\r\n");
	check_all(head);
}
END_TEST

START_TEST(path_is_set_once_or_not_at_all)
{
	static const char *const words[] = { "PATH", "/opt/bin", NULL };
	static const char *const none[] = { "PATH", "", NULL };
	const char *const *env;
	int paths = 0;

	given(PARAMS_CGI, HEAD);
	source.set = gateway_lines(words);
	room();
	for (env = packet_environment(&source, "/bin", memory, size); *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0) {
			ck_assert_str_eq(*env, "PATH=/opt/bin");
			paths++;
		}
	ck_assert_int_eq(paths, 1);
	source.set = gateway_lines(none);
	room();
	for (env = packet_environment(&source, "/bin", memory, size); *env; env++)
		ck_assert_int_ne(strncmp(*env, "PATH=", 5), 0);
}
END_TEST

/* FastCGI and uwsgi count in 16 bits. */
START_TEST(more_than_a_protocol_can_say_is_refused)
{
	static char value[66000];
	const char *const words[] = { "HUGE", value, NULL };

	memset(value, 'x', sizeof value - 1);
	given(PARAMS_FASTCGI, HEAD);
	source.set = gateway_lines(words);
	room();
	ck_assert_uint_eq(packet_fastcgi(&source, false, memory, size), 0);
	source.kind = PARAMS_UWSGI;
	room();
	ck_assert_uint_eq(packet_uwsgi(&source, memory, size), 0);
	/* Each fits, all together do not. */
	value[65500] = '\0';
	room();
	ck_assert_uint_eq(packet_uwsgi(&source, memory, size), 0);
	source.kind = PARAMS_SCGI;
	source.length = 0;
	check_scgi();
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_packet");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, packets_have_all_variables);
	tcase_add_test(tcase, the_size_is_enough_for_many_short_lines);
	tcase_add_test(tcase, the_size_is_enough_for_one_name_all_over);
	tcase_add_test(tcase, path_is_set_once_or_not_at_all);
	tcase_add_test(tcase, more_than_a_protocol_can_say_is_refused);
	return unit_main("gateway_packet", tcase);
}
