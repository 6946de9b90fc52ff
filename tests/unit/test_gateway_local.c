/* SPDX-License-Identifier: MIT */
#include "services/http/gateway/local.h"

#include "gateway_fixture.h"

#include <stdlib.h>

static const struct {
	const char *request, *location, *expect;
} heads[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/b?c", "GET /b?c HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "HEAD / HTTP/1.1\r\nHost:a\r\n\r\n", "/", "HEAD / HTTP/1.1\r\nHost:a\r\n\r\n" },
	{ "GET / HTTP/1.0\r\n\r\n", "/", "GET / HTTP/1.0\r\n\r\n" },
	{ "GET http://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", "/",
	  "GET http://b:80/ HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nX:  y  \r\nContent-Length: 3\r\ncontent-type: a/b\r\n"
	  "Content: c\r\nExpect: 100-continue\r\nRange: bytes=0-\r\n\r\n",
	  "/", "GET / HTTP/1.1\r\nHost: a\r\nX:  y\r\nContent: c\r\nRange: bytes=0-\r\n\r\n" },
	{ "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n", "/",
	  "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
};

START_TEST(another_request_of_the_same_client)
{
	const char *location = heads[_i].location, *expect = heads[_i].expect;
	struct request request = gateway_parse(heads[_i].request), made;
	size_t size = local_head_size(&request, strlen(location)), len;
	char *out = malloc(size);

	ck_assert_ptr_nonnull(out);
	len = local_head(&request, heads[_i].request, location, strlen(location), out);
	ck_assert_uint_le(len, size);
	ck_assert_uint_eq(len, strlen(expect));
	ck_assert_mem_eq(out, expect, len);
	made = gateway_parse(expect);
	ck_assert_uint_eq(made.length, 0);
	ck_assert_int_eq(made.form, request.form);
	ck_assert_int_eq(made.minor, request.minor);
	ck_assert_uint_eq(made.host.len, request.host.len);
	free(out);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("gateway_local");

	tcase_add_loop_test(tcase, another_request_of_the_same_client, 0,
			    sizeof heads / sizeof heads[0]);
	return unit_main("gateway_local", tcase);
}
