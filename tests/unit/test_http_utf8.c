/* SPDX-License-Identifier: MIT */
#include "services/http/utf8.h"

#include "unit.h"

#include <string.h>

static size_t decode(const char *text, uint32_t *code_r)
{
	return utf8_decode(text, text + strlen(text), code_r);
}

/* As RFC 3629 section 3 says it. */
static size_t encode(uint32_t code, char out[5])
{
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(n == 1 ? code : ((0xf00u >> n) & 0xff) | code);
	out[n] = '\0';
	return n;
}

/* Not without its last byte, nor with another one in its place. */
static bool is_known(uint32_t code)
{
	char text[5];
	uint32_t found = 0;
	size_t n = encode(code, text);

	if (code >= 0xd800 && code <= 0xdfff)
		return decode(text, &found) == 0;
	if (decode(text, &found) != n || found != code)
		return false;
	if (n == 1)
		return true;
	if (utf8_decode(text, text + n - 1, &found))
		return false;
	text[n - 1] = 'a';
	return decode(text, &found) == 0;
}

START_TEST(every_character_is_known)
{
	/* An assertion for each would cost more than all else in this program. */
	for (uint32_t code = 1; code <= 0x10ffff; code++)
		if (!is_known(code))
			ck_abort_msg("%#x", code);
}
END_TEST

START_TEST(what_is_none)
{
	static const char *const table[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80",
		"\xf8\x88\x80\x80",
		"\xfe",
		"\xff",
		"\xc3\xff",
		"\xe2\xac",
		"\xc3\xc3",
	};
	static const char nul = '\0';
	uint32_t code;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		ck_assert_msg(decode(table[i], &code) == 0, "%zu", i);
	ck_assert_uint_eq(utf8_decode(&nul, &nul + 1, &code), 1);
	ck_assert_uint_eq(code, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_utf8");

	tcase_add_test(tcase, every_character_is_known);
	tcase_add_test(tcase, what_is_none);
	return unit_main("http_utf8", tcase);
}
