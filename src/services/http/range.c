/* SPDX-License-Identifier: MIT */
/*
 * Ranges; see range.h. Each spec is compared with at most RANGES_MAX others, so a field full of
 * them costs no more than a few times its parsing.
 */
#include "services/http/range.h"

#include "services/http/octet.h"

#include <stdbool.h>
#include <strings.h>

/* *DIGIT. A number beyond all sizes is the largest one there is. */
static const char *read_position(const char *p, const char *end, int64_t *position_r)
{
	int64_t position = 0;

	for (; p < end && octet_is(*p, OCTET_DIGIT); p++)
		if (__builtin_mul_overflow(position, 10, &position) ||
		    __builtin_add_overflow(position, *p - '0', &position))
			position = INT64_MAX;
	*position_r = position;
	return p;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * int-range or suffix-range (section 14.1.1). What follows it, or NULL: not valid. range->len
 * is 0 where it cannot be satisfied; is_suffix_r: by an end of more than nothing, which only an
 * empty representation does not have.
 */
static const char *read_spec(const char *p, const char *end, int64_t size, struct range *range,
			     bool *is_suffix_r)
{
	int64_t first, last;
	const char *dash = read_position(p, end, &first), *after;

	if (dash == end || *dash != '-')
		return NULL;
	after = read_position(dash + 1, end, &last);
	*is_suffix_r = false;
	if (dash == p) {
		if (after == dash + 1)
			return NULL;
		range->len = least(last, size);
		range->from = size - range->len;
		*is_suffix_r = last > 0;
		return after;
	}
	if (after == dash + 1)
		last = INT64_MAX;
	if (last < first)
		return NULL;
	range->from = first;
	range->len = first < size ? least(last, size - 1) - first + 1 : 0;
	return after;
}

static bool touches(const struct range *a, const struct range *b)
{
	return a->from <= b->from + b->len && b->from <= a->from + a->len;
}

static struct range joined(const struct range *a, const struct range *b)
{
	int64_t from = least(a->from, b->from);
	int64_t a_end = a->from + a->len, b_end = b->from + b->len;

	return (struct range){ from, (a_end > b_end ? a_end : b_end) - from };
}

/*
 * Adds one to n ranges of which none touches another, so that it remains so. Once through is
 * enough: what touches a joined range touches one of its parts. Their number, or -1: too many.
 */
static int add(struct range range[RANGES_MAX], int n, struct range next)
{
	int kept = 0, place = -1;

	for (int i = 0; i < n; i++) {
		if (!touches(&range[i], &next)) {
			range[kept++] = range[i];
			continue;
		}
		next = joined(&range[i], &next);
		if (place < 0)
			place = kept++;
	}
	if (place < 0) {
		if (kept == RANGES_MAX)
			return -1;
		place = kept++;
	}
	range[place] = next;
	return kept;
}

int range_parse(const char *value, size_t len, int64_t size, struct range range[RANGES_MAX])
{
	static const char unit[] = "bytes=";
	const char *p, *end = value + len;
	bool some = false, is_suffix, is_suffix_of_nothing = false;
	struct range next;
	int n = 0;

	if (len < sizeof unit - 1 || strncasecmp(value, unit, sizeof unit - 1) != 0)
		return 0;
	p = value + sizeof unit - 1;
	for (;;) {
		/* Empty elements of a list are no fault (section 5.6.1.2). */
		while (p < end && (octet_is_blank(*p) || *p == ','))
			p++;
		if (p == end)
			break;
		p = read_spec(p, end, size, &next, &is_suffix);
		if (!p)
			return 0;
		p = octets_skip_blanks(p, end);
		if (p < end && *p != ',')
			return 0;
		some = true;
		is_suffix_of_nothing |= is_suffix && size == 0;
		if (next.len)
			n = add(range, n, next);
		if (n < 0)
			return 0;
	}
	if (n)
		return n;
	return some && !is_suffix_of_nothing ? -1 : 0;
}
