/* SPDX-License-Identifier: MIT */
/* The frame of every unit test: one suite of one case, run by unit_main. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include "autoconf.h"

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* True, and said, where valgrind stands in for what a test is about: descriptor limits, the title. */
static inline bool skipped_under_valgrind(const char *what)
{
	if (RUNNING_ON_VALGRIND)
		fprintf(stderr, "skipped: valgrind has %s of its own\n", what);
	return RUNNING_ON_VALGRIND;
}

/* How many descriptors this process has open, and a constant. */
static inline int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

/* Runs all tests of the case; the exit status is what automake wants. */
static inline int unit_main(const char *name, TCase *tcase)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
