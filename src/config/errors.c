/* SPDX-License-Identifier: MIT */
/*
 * The errors of a configuration, as errors.h and config.h say: kept sorted by place while they are
 * added, shown with their line and a caret. Nothing here decides what an error is.
 */
#include "config/errors.h"

#include "base/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A longer line is shown in part, around the error. */
enum { SHOWN_MAX = 160, SHOWN_BEFORE = 100, LINE_KEPT_MAX = 4096 };

static int file_rank(const struct conf_context *context, const char *file)
{
	int rank = 1;

	if (!file)
		return 0;
	for (const struct conf_source *s = context->source; s; s = s->next, rank++)
		if (strcmp(s->name, file) == 0)
			return rank;
	return INT_MAX;
}

static int compare_places(const struct conf_context *context, const struct conf_place *a,
			  const struct conf_place *b)
{
	int rank_a = file_rank(context, a->file), rank_b = file_rank(context, b->file);

	if (rank_a != rank_b)
		return rank_a < rank_b ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->column > b->column) - (a->column < b->column);
}

/* The line as written, without its end. NULL when there is none to show. */
static char *copy_line(const struct conf_context *context, const struct conf_place *at)
{
	const struct conf_source *source = context->source;
	const char *line, *end, *newline;

	if (!at->file || at->line < 1)
		return NULL;
	while (source && strcmp(source->name, at->file) != 0)
		source = source->next;
	if (!source)
		return NULL;
	line = source->text;
	end = line + source->len;
	for (int n = 1; n < at->line; n++) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return NULL;
		line = newline + 1;
	}
	if (at->line == 1 && end - line >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
		line += 3;
	newline = memchr(line, '\n', (size_t)(end - line));
	if (newline)
		end = newline;
	if (end > line && end[-1] == '\r')
		end--;
	if (at->column > LINE_KEPT_MAX)
		return NULL;
	return strndup(line, end - line > LINE_KEPT_MAX ? LINE_KEPT_MAX : (size_t)(end - line));
}

static void error_cleanup(struct conf_error *error)
{
	free((char *)error->at.file);
	free(error->message);
	free(error->line);
	memset(error, 0, sizeof(*error));
}

void conf_verror(struct conf_context *context, const struct conf_place *at, const char *format,
		 va_list args)
{
	struct conf_errors *errors = context->errors;
	size_t kept = errors->total < CONF_ERRORS_MAX ? errors->total : CONF_ERRORS_MAX;
	size_t i = kept;
	char *message;

	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	/* Words are quoted in messages, and a terminal would obey what is in them. */
	for (char *p = message; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	while (i > 0 && compare_places(context, at, &errors->error[i - 1].at) < 0)
		i--;
	/* A file that is included twice has its errors twice. */
	if (i > 0 && message && errors->error[i - 1].message &&
	    compare_places(context, at, &errors->error[i - 1].at) == 0 &&
	    strcmp(errors->error[i - 1].message, message) == 0) {
		free(message);
		return;
	}
	errors->total++;
	if (i == CONF_ERRORS_MAX) {
		free(message);
		return;
	}
	if (kept == CONF_ERRORS_MAX)
		error_cleanup(&errors->error[--kept]);
	memmove(&errors->error[i + 1], &errors->error[i], (kept - i) * sizeof(errors->error[0]));
	errors->error[i] = (struct conf_error){
		.at = { at->file ? strdup(at->file) : NULL, at->line, at->column },
		.message = message,
		.line = copy_line(context, at),
	};
}

void conf_error(struct conf_context *context, const struct conf_place *at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	conf_verror(context, at, format, args);
	va_end(args);
}

void conf_step(struct conf_context *context, const char *format, ...)
{
	struct conf_errors *errors = context->errors;
	va_list args;

	if (!errors->step)
		return;
	errors->step[0] = '\0';
	if (!format)
		return;
	va_start(args, format);
	vsnprintf(errors->step, errors->step_size, format, args);
	va_end(args);
}

static const struct conf_place nowhere;

void *conf_alloc(struct conf_context *context, size_t size)
{
	void *piece = arena_alloc(context->arena, size);

	if (!piece)
		conf_error(context, &nowhere, "out of memory");
	return piece;
}

char *conf_strdup(struct conf_context *context, const char *string)
{
	char *copy = arena_strdup(context->arena, string);

	if (!copy)
		conf_error(context, &nowhere, "out of memory");
	return copy;
}

char *conf_printf(struct conf_context *context, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(context->arena, format, args);
	va_end(args);
	if (!text)
		conf_error(context, &nowhere, "out of memory");
	return text;
}

void conf_errors_cleanup(struct conf_errors *errors)
{
	for (size_t i = 0; i < CONF_ERRORS_MAX; i++)
		error_cleanup(&errors->error[i]);
	errors->total = 0;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The caret stands right because the line before it is blanked character by character, tabs kept. */
static void print_line(const char *line, int column, FILE *out)
{
	size_t len = strlen(line), caret = column > 0 ? (size_t)column - 1 : 0, start = 0;

	if (caret > len)
		caret = len;
	if (len > SHOWN_MAX && caret > SHOWN_BEFORE)
		start = caret - SHOWN_BEFORE;
	while (start < caret && is_continuation(line[start]))
		start++;
	if (len - start > SHOWN_MAX)
		len = start + SHOWN_MAX;
	fputs(start ? "    ..." : "    ", out);
	for (size_t i = start; i < len; i++)
		fputc((unsigned char)line[i] < ' ' && line[i] != '\t' ? '?' : line[i], out);
	fputs(start ? "\n       " : "\n    ", out);
	for (size_t i = start; i < caret; i++)
		if (!is_continuation(line[i]))
			fputc(line[i] == '\t' ? '\t' : ' ', out);
	fputs("^\n", out);
}

static const char *message_of(const struct conf_error *error)
{
	return error->message ? error->message : "out of memory";
}

/* "file:line:column: ", "file: ", or nothing. */
static const char *place_text(const struct conf_place *at, char *buffer, size_t size)
{
	if (!at->file)
		buffer[0] = '\0';
	else if (at->line < 1)
		snprintf(buffer, size, "%s: ", at->file);
	else
		snprintf(buffer, size, "%s:%d:%d: ", at->file, at->line, at->column);
	return buffer;
}

void conf_errors_print(const struct conf_errors *errors, FILE *out)
{
	size_t kept = errors->total < CONF_ERRORS_MAX ? errors->total : CONF_ERRORS_MAX;
	char place[PATH_MAX + 32];

	for (size_t i = 0; i < kept; i++) {
		const struct conf_error *error = &errors->error[i];

		fprintf(out, "%s%s\n", place_text(&error->at, place, sizeof(place)),
			message_of(error));
		if (error->line)
			print_line(error->line, error->at.column, out);
	}
	if (errors->total > kept)
		fprintf(out, "... and %zu more\n", errors->total - kept);
}

void conf_errors_log(const struct conf_errors *errors)
{
	size_t kept = errors->total < CONF_ERRORS_MAX ? errors->total : CONF_ERRORS_MAX;
	char place[PATH_MAX + 32];

	for (size_t i = 0; i < kept; i++) {
		const struct conf_error *error = &errors->error[i];
		const char *line = error->line ? error->line : "";

		line += strspn(line, " \t");
		place_text(&error->at, place, sizeof(place));
		if (*line)
			log_err("%s%s: \"%.*s\"", place, message_of(error), SHOWN_MAX, line);
		else
			log_err("%s%s", place, message_of(error));
	}
	if (errors->total > kept)
		log_err("... and %zu more errors in the configuration", errors->total - kept);
}
