/* SPDX-License-Identifier: MIT */
/* Accept-Encoding; see encoding.h. Weights are counted in thousandths. */
#include "services/http/encoding.h"

#include "services/http/octet.h"

enum { WEIGHT_MAX = 1000, WEIGHT_NONE = -1, ANY = ENCODINGS };

static const char *const encoding_names[] = {
	[ENCODING_IDENTITY] = "identity",
	[ENCODING_GZIP] = "gzip",
	[ENCODING_BR] = "br",
	[ENCODING_ZSTD] = "zstd",
	[ANY] = "*",
};

const char *encoding_name(enum encoding encoding)
{
	return encoding_names[encoding];
}

/* One of the codings, or ANY; WEIGHT_NONE for one that we do not have. */
static int find_coding(const char *from, const char *to)
{
	for (int i = 0; i <= ANY; i++)
		if (octets_are(from, to, encoding_names[i]))
			return i;
	/* RFC 9110 section 8.4.1.3. */
	return octets_are(from, to, "x-gzip") ? ENCODING_GZIP : WEIGHT_NONE;
}

/* A qvalue (section 12.4.2), all of it: "0", "0.5", "1.000". WEIGHT_NONE: it is none. */
static int read_weight(const char *p, const char *end)
{
	int weight, unit = WEIGHT_MAX;

	if (p == end || (*p != '0' && *p != '1'))
		return WEIGHT_NONE;
	weight = (*p++ - '0') * unit;
	if (p < end && *p++ != '.')
		return WEIGHT_NONE;
	for (; p < end; p++) {
		unit /= 10;
		if (!octet_is(*p, OCTET_DIGIT) || !unit)
			return WEIGHT_NONE;
		weight += (*p - '0') * unit;
	}
	return weight <= WEIGHT_MAX ? weight : WEIGHT_NONE;
}

/* codings [ OWS ";" OWS "q=" qvalue ], without blanks around it. */
static void read_element(const char *p, const char *end, int weight[ANY + 1])
{
	const char *name_end = octets_skip(p, end, OCTET_TOKEN);
	int coding = find_coding(p, name_end), value = WEIGHT_MAX;

	p = octets_skip_blanks(name_end, end);
	if (p < end) {
		if (*p != ';')
			return;
		p = octets_skip_blanks(p + 1, end);
		if (end - p < 2 || (*p | 0x20) != 'q' || p[1] != '=')
			return;
		value = read_weight(p + 2, end);
	}
	if (coding >= 0 && value >= 0)
		weight[coding] = value;
}

int encoding_choose(const char *value, size_t len, unsigned available)
{
	int weight[ANY + 1], best = ENCODING_IDENTITY, best_weight;
	const char *p = value, *from, *to;

	for (int i = 0; i <= ANY; i++)
		weight[i] = WEIGHT_NONE;
	while (octets_next(&p, value + len, &from, &to))
		read_element(from, to, weight);
	for (int i = 0; i < ENCODINGS; i++)
		if (weight[i] == WEIGHT_NONE)
			weight[i] = weight[ANY];
	/* Not named, or not wanted: no matter, anything else that has a weight goes before it. */
	best_weight = weight[ENCODING_IDENTITY] > 0 ? weight[ENCODING_IDENTITY] : 1;
	for (int i = ENCODING_GZIP; i < ENCODINGS; i++)
		if ((available >> i & 1) && weight[i] >= best_weight) {
			best = i;
			best_weight = weight[i];
		}
	return best;
}
