/* SPDX-License-Identifier: MIT */
/*
 * HTTP dates; see date.h. The calendar is the proleptic Gregorian one, counted in eras of 400
 * years.
 */
#include "services/http/date.h"

#include <stdbool.h>
#include <string.h>

static const char day_name[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
				      "Thursday", "Friday", "Saturday" };
static const char month_name[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

enum { DAY = 86400 };

struct civil {
	int year, month, day; /* month from 0 */
	int hour, minute, second;
};

/* Days since 1970-01-01. Years begin in March here, so that the leap day is the last one. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month < 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void civil_of(int64_t days, struct civil *civil)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	civil->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	civil->month = (int)((month + 2) % 12);
	civil->year = (int)(year_of_era + era * 400 + (civil->month < 2));
}

static void put_number(char *out, int value, int digits)
{
	while (digits--) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void date_format(int64_t seconds, char out[DATE_LEN])
{
	const int64_t first = days_of(1, 0, 1) * DAY, last = days_of(10000, 0, 1) * DAY - 1;
	struct civil civil;
	int64_t days;
	int rest;

	if (seconds < first)
		seconds = first;
	if (seconds > last)
		seconds = last;
	days = seconds / DAY - (seconds % DAY < 0);
	rest = (int)(seconds - days * DAY);
	civil_of(days, &civil);
	memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", DATE_LEN);
	/* 1970-01-01 was a Thursday. */
	memcpy(out, day_name[((days + 4) % 7 + 7) % 7], 3);
	put_number(out + 5, civil.day, 2);
	memcpy(out + 8, month_name[civil.month], 3);
	put_number(out + 12, civil.year, 4);
	put_number(out + 17, rest / 3600, 2);
	put_number(out + 20, rest / 60 % 60, 2);
	put_number(out + 23, rest % 60, 2);
}

/*
 * Reads text along a pattern: D any day name in full, d in three letters, m a month, Y four digits,
 * y two, 0 a day of two digits, _ one of two digits or a space and one, n two digits of hour,
 * minute, second in turn; all else stands for itself.
 */
static bool match(const char *text, size_t len, const char *pattern, struct civil *civil)
{
	int *const number[] = { &civil->hour, &civil->minute, &civil->second };
	const char *end = text + len;
	size_t numbers = 0;

	for (; *pattern; pattern++) {
		size_t width = *pattern == 'Y'                      ? 4
			       : *pattern == 'd' || *pattern == 'm' ? 3
			       : strchr("y0_n", *pattern)           ? 2
								    : 1;
		int value = 0;

		if (*pattern == 'D') {
			int day = 0;

			while (day < 7 && ((size_t)(end - text) < strlen(day_name[day]) ||
					   memcmp(text, day_name[day], strlen(day_name[day])) != 0))
				day++;
			if (day == 7)
				return false;
			text += strlen(day_name[day]);
			continue;
		}
		if ((size_t)(end - text) < width)
			return false;
		switch (*pattern) {
		case 'd':
			while (value < 7 && memcmp(text, day_name[value], 3) != 0)
				value++;
			if (value == 7)
				return false;
			break;
		case 'm':
			while (value < 12 && memcmp(text, month_name[value], 3) != 0)
				value++;
			if (value == 12)
				return false;
			civil->month = value;
			break;
		case 'Y':
		case 'y':
		case '0':
		case '_':
		case 'n':
			for (size_t i = 0; i < width; i++) {
				if (*pattern == '_' && i == 0 && text[0] == ' ')
					continue;
				if (text[i] < '0' || text[i] > '9')
					return false;
				value = value * 10 + text[i] - '0';
			}
			if (*pattern == 'Y' || *pattern == 'y')
				civil->year = value;
			else if (*pattern == 'n')
				*number[numbers++] = value;
			else
				civil->day = value;
			break;
		default:
			if (*text != *pattern)
				return false;
		}
		text += width;
	}
	return text == end;
}

static bool is_valid(const struct civil *civil)
{
	static const int days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = civil->year % 4 == 0 && (civil->year % 100 != 0 || civil->year % 400 == 0);

	/* 60: a leap second. */
	return civil->year >= 1 && civil->day >= 1 && civil->day <= days[civil->month] &&
	       (civil->month != 1 || civil->day < 29 || leap) && civil->hour < 24 &&
	       civil->minute < 60 && civil->second <= 60;
}

int date_parse(const char *text, size_t len, int64_t now, int64_t *seconds_r)
{
	struct civil civil = { 0 };

	if (match(text, len, "D, 0-m-y n:n:n GMT", &civil)) {
		struct civil today;

		/* More than 50 years ahead means the century before (RFC 9110 section 5.6.7). */
		civil_of(now / DAY, &today);
		civil.year += today.year / 100 * 100;
		if (civil.year > today.year + 50)
			civil.year -= 100;
	} else if (!match(text, len, "d, 0 m Y n:n:n GMT", &civil) &&
		   !match(text, len, "d m _ n:n:n Y", &civil)) {
		return -1;
	}
	if (!is_valid(&civil))
		return -1;
	*seconds_r = days_of(civil.year, civil.month, civil.day) * DAY + civil.hour * 3600 +
		     civil.minute * 60 + civil.second;
	return 0;
}
