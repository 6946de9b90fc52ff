/* SPDX-License-Identifier: MIT */
/* The lines of a datagram, as notify.h says. */
#include "services/program/notify.h"

#include <limits.h>
#include <string.h>

/* One line: its name, and what stands behind the first '='. */
struct line {
	const char *name, *value;
	size_t name_len, value_len;
};

static bool is_name(const struct line *line, const char *name)
{
	return line->name_len == strlen(name) && memcmp(line->name, name, line->name_len) == 0;
}

static bool is_value(const struct line *line, const char *value)
{
	return line->value_len == strlen(value) && memcmp(line->value, value, line->value_len) == 0;
}

/* A whole number above zero; 0: it is none. */
static int number(const struct line *line)
{
	int value = 0;

	for (size_t i = 0; i < line->value_len; i++) {
		int digit = line->value[i] - '0';

		if (digit < 0 || digit > 9 || value > (INT_MAX - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	return value;
}

/* Cut in front of a character that does not fit, not within it (UTF-8). */
static size_t fitting(const char *text, size_t len)
{
	if (len < NOTIFY_STATUS_MAX)
		return len;
	len = NOTIFY_STATUS_MAX - 1;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void take_status(struct notify *notify, const struct line *line)
{
	size_t len = fitting(line->value, line->value_len);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line->value[i];

		notify->status[i] = c == '\t' ? ' ' : c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	notify->status[len] = '\0';
	notify->has_status = true;
}

static void take_line(struct notify *notify, const struct line *line)
{
	if (is_name(line, "READY"))
		notify->ready = is_value(line, "1");
	else if (is_name(line, "STOPPING"))
		notify->stopping = is_value(line, "1");
	else if (is_name(line, "WATCHDOG") && is_value(line, "trigger"))
		notify->triggered = true;
	else if (is_name(line, "WATCHDOG"))
		notify->alive = is_value(line, "1");
	else if (is_name(line, "MAINPID"))
		notify->main_pid = number(line);
	else if (is_name(line, "ERRNO"))
		notify->error = number(line);
	else if (is_name(line, "STATUS"))
		take_status(notify, line);
}

void notify_parse(struct notify *notify, const char *data, size_t len)
{
	const char *end = data + len;

	memset(notify, 0, sizeof(*notify));
	while (data < end) {
		const char *line_end = memchr(data, '\n', (size_t)(end - data));
		const char *equals;

		if (!line_end)
			line_end = end;
		equals = memchr(data, '=', (size_t)(line_end - data));
		if (equals)
			take_line(notify, &(struct line){
						  .name = data,
						  .name_len = (size_t)(equals - data),
						  .value = equals + 1,
						  .value_len = (size_t)(line_end - equals - 1),
					  });
		if (line_end == end)
			break;
		data = line_end + 1;
	}
}
