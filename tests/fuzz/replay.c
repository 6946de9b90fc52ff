/* SPDX-License-Identifier: MIT */
/*
 * The main function of a fuzz target where no fuzzer brings one: hands the files named on the command
 * line, or standard input, to the target. For replaying a corpus or a crash, and for AFL. With libFuzzer
 * leave this file out and link with -fsanitize=fuzzer.
 */
/* With -DLIBFUZZER the main function is libFuzzer's own. */
#ifndef LIBFUZZER
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int replay(const char *name, FILE *file)
{
	uint8_t *data = NULL, *copy, *grown;
	size_t size = 0, room = 0, n = 0;

	do {
		size += n;
		if (size == room) {
			room = room ? 2 * room : 4096;
			grown = realloc(data, room);
			if (!grown)
				break;
			data = grown;
		}
		n = fread(data + size, 1, room - size, file);
	} while (n > 0);
	/* Exactly as large as it is, so that a sanitizer sees a read behind its end. */
	copy = size < room && !ferror(file) ? malloc(size ? size : 1) : NULL;
	if (!copy) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		free(data);
		return 1;
	}
	memcpy(copy, data, size);
	free(data);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2)
		return replay("standard input", stdin);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (!file) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			failed = 1;
			continue;
		}
		failed |= replay(argv[i], file);
		fclose(file);
	}
	printf("%d inputs replayed\n", argc - 1);
	return failed;
}
#endif
