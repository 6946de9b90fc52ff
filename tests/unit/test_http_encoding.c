/* SPDX-License-Identifier: MIT */
/* Accept-Encoding values and what is sent to who sends them; sections are of RFC 9110. */
#include "services/http/encoding.h"

#include "exact_copy.h"
#include "unit.h"

#include <string.h>

enum {
	G = 1 << ENCODING_GZIP,
	B = 1 << ENCODING_BR,
	Z = 1 << ENCODING_ZSTD,
	ALL = 1 << ENCODING_IDENTITY | G | B | Z
};

static const struct row {
	const char *value;
	unsigned available;
	int expected;
} rows[] = {
	/* What is asked for, of what is there */
	{ "gzip", ALL, ENCODING_GZIP },
	{ "br", ALL, ENCODING_BR },
	{ "zstd", ALL, ENCODING_ZSTD },
	{ "gzip", B | Z, ENCODING_IDENTITY },
	{ "gzip", 0, ENCODING_IDENTITY },
	{ "gzip, deflate, br, zstd", ALL, ENCODING_ZSTD },
	{ "gzip, deflate, br, zstd", G | B, ENCODING_BR },
	{ "gzip, deflate, br, zstd", G, ENCODING_GZIP },
	{ "gzip, deflate, br, zstd", 0, ENCODING_IDENTITY },
	{ "deflate", ALL, ENCODING_IDENTITY },
	{ "identity", ALL, ENCODING_IDENTITY },

	/* 12.5.3: its examples */
	{ "compress, gzip", ALL, ENCODING_GZIP },
	{ "", ALL, ENCODING_IDENTITY },
	{ "*", ALL, ENCODING_ZSTD },
	{ "compress;q=0.5, gzip;q=1.0", ALL, ENCODING_GZIP },
	{ "gzip;q=1.0, identity; q=0.5, *;q=0", ALL, ENCODING_GZIP },

	/* 12.4.2: the greatest weight; of equal ones the best coding */
	{ "gzip;q=1.0, br;q=0.9", ALL, ENCODING_GZIP },
	{ "gzip;q=0.9, br;q=1", ALL, ENCODING_BR },
	{ "gzip;q=0.001, br;q=0.002, zstd;q=0.001", ALL, ENCODING_BR },
	{ "gzip;q=0.5, br;q=0.5", ALL, ENCODING_BR },
	{ "zstd;q=0.5, br;q=0.5", ALL, ENCODING_ZSTD },
	{ "br, gzip;q=1.000", G, ENCODING_GZIP },
	{ "zstd;q=0.1, gzip", B | Z, ENCODING_ZSTD },
	{ "identity, gzip;q=0.9", ALL, ENCODING_IDENTITY },
	{ "identity;q=0.5, gzip;q=0.5", ALL, ENCODING_GZIP },
	{ "identity;q=0.5, gzip;q=0.4", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0.001", ALL, ENCODING_GZIP },

	/* 0 is no; identity is sent all the same */
	{ "gzip;q=0", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0.000", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0, *", ALL, ENCODING_ZSTD },
	{ "zstd;q=0, *", ALL, ENCODING_BR },
	{ "identity;q=0", ALL, ENCODING_IDENTITY },
	{ "identity;q=0, gzip;q=0.5", ALL, ENCODING_GZIP },
	{ "*;q=0", ALL, ENCODING_IDENTITY },
	{ "*;q=0, gzip;q=0.1", ALL, ENCODING_GZIP },
	{ "*;q=0, gzip", B, ENCODING_IDENTITY },
	{ "*;q=0.5, gzip", ALL, ENCODING_GZIP },
	{ "*;q=0.5, identity", ALL, ENCODING_IDENTITY },
	{ "*;q=0.5", G, ENCODING_GZIP },

	/* 8.4.1: names have no case; 8.4.1.3: x-gzip */
	{ "GZIP", ALL, ENCODING_GZIP },
	{ "Br;Q=1", ALL, ENCODING_BR },
	{ "x-gzip", ALL, ENCODING_GZIP },
	{ "X-GZip;q=0.3", ALL, ENCODING_GZIP },
	{ "gzi", ALL, ENCODING_IDENTITY },
	{ "gzipp", ALL, ENCODING_IDENTITY },
	{ "x-br", ALL, ENCODING_IDENTITY },

	/* 5.6.1.2, 5.6.3: empty elements and blanks */
	{ ",gzip", ALL, ENCODING_GZIP },
	{ "gzip,", ALL, ENCODING_GZIP },
	{ " , ,\tgzip\t ,, ", ALL, ENCODING_GZIP },
	{ "deflate,gzip", ALL, ENCODING_GZIP },
	{ "gzip ; q=0.2", ALL, ENCODING_GZIP },
	{ "gzip\t;\tq=0", ALL, ENCODING_IDENTITY },
	{ ",", ALL, ENCODING_IDENTITY },

	/* What is not valid is passed over, and nothing else */
	{ "gzip;q=", ALL, ENCODING_IDENTITY },
	{ "gzip;q", ALL, ENCODING_IDENTITY },
	{ "gzip;", ALL, ENCODING_IDENTITY },
	{ "gzip;q=2", ALL, ENCODING_IDENTITY },
	{ "gzip;q=1.001", ALL, ENCODING_IDENTITY },
	{ "gzip;q=1.0000", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0.0001", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0.x", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0,5", ALL, ENCODING_IDENTITY },
	{ "gzip;q=.5", ALL, ENCODING_IDENTITY },
	{ "gzip;q=-1", ALL, ENCODING_IDENTITY },
	{ "gzip;q =1", ALL, ENCODING_IDENTITY },
	{ "gzip;q= 1", ALL, ENCODING_IDENTITY },
	{ "gzip;q=0.5;x=1", ALL, ENCODING_IDENTITY },
	{ "gzip;x=1", ALL, ENCODING_IDENTITY },
	{ "gzip;qq=1", ALL, ENCODING_IDENTITY },
	{ "gzip br", ALL, ENCODING_IDENTITY },
	{ "\"gzip\"", ALL, ENCODING_IDENTITY },
	{ ";q=1", ALL, ENCODING_IDENTITY },
	{ "gzip;q=x, br;q=0.1", ALL, ENCODING_BR },
	{ "zstd br, gzip", ALL, ENCODING_GZIP },
	{ "gzip;q=0.", ALL, ENCODING_IDENTITY },
	{ "gzip;q=1.", ALL, ENCODING_GZIP },
	{ "gzip;q=05", ALL, ENCODING_IDENTITY },
};

START_TEST(a_client_gets_what_the_table_says)
{
	const struct row *row = &rows[_i];
	size_t len = strlen(row->value);
	char *exact = exact_copy(row->value, len);
	struct accepted accepted;
	int got;

	encoding_init(&accepted);
	encoding_read(&accepted, exact, len);
	got = encoding_choose(&accepted, row->available);
	free(exact);
	ck_assert_msg(got == row->expected, "%s: %s, not %s", row->value,
		      encoding_name((enum encoding)got),
		      encoding_name((enum encoding)row->expected));
}
END_TEST

/* 5.3 */
START_TEST(several_values_are_one_list)
{
	struct accepted accepted;

	encoding_init(&accepted);
	encoding_read(&accepted, "deflate", 7);
	encoding_read(&accepted, "", 0);
	encoding_read(&accepted, "*;q=0.5, zstd;q=0", 17);
	ck_assert_int_eq(encoding_choose(&accepted, ALL), ENCODING_BR);
	encoding_read(&accepted, "gzip", 4);
	ck_assert_int_eq(encoding_choose(&accepted, ALL), ENCODING_GZIP);
}
END_TEST

START_TEST(a_coding_has_the_name_of_the_registry)
{
	ck_assert_str_eq(encoding_name(ENCODING_IDENTITY), "identity");
	ck_assert_str_eq(encoding_name(ENCODING_GZIP), "gzip");
	ck_assert_str_eq(encoding_name(ENCODING_BR), "br");
	ck_assert_str_eq(encoding_name(ENCODING_ZSTD), "zstd");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_encoding");

	tcase_add_loop_test(tcase, a_client_gets_what_the_table_says, 0,
			    (int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, several_values_are_one_list);
	tcase_add_test(tcase, a_coding_has_the_name_of_the_registry);
	return unit_main("http_encoding", tcase);
}
