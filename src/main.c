/* SPDX-License-Identifier: MIT */
/* The program: arguments, and which parts are put together. */
#include "autoconf.h"
#include "config/config.h"
#include "master/master.h"
#include "master/program.h"
#include "services/builtin.h"
#include "worker/trace.h"
#include "worker/worker.h"

#include <bsd/stdlib.h>
#include <bsd/unistd.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

/* What an upgrade runs us with: not for people. */
enum { OPTION_RESUME = 256, OPTION_CHECK_STATE };

static const char usage[] =
	"usage: musterd [-c FILE] [-d] [-p FILE]   run, in the foreground unless -d\n"
	"       musterd [-c FILE] -t | -T          test the configuration; print it\n"
	"  -c, --config FILE    the configuration (" SYSCONFDIR "/musterd/musterd.conf)\n"
	"  -t, --test           say whether the configuration is valid: exit status 0 or 78\n"
	"  -T, --print          print the effective configuration, each value with its origin\n"
	"  -d, --daemon         go into the background; exit when ready, or when that failed\n"
	"  -p, --pidfile FILE   write the process id there, whatever the configuration says\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'T' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "pidfile", required_argument, NULL, 'p' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "resume", required_argument, NULL, OPTION_RESUME },
	{ "check-state", required_argument, NULL, OPTION_CHECK_STATE },
	{ NULL },
};

/* What we open must not become 0, 1 or 2: later they are taken for a terminal. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A result that could not be written is no success. */
static int flush(FILE *out)
{
	if (fflush(out) == 0 && !ferror(out))
		return EX_OK;
	perror("musterd: standard output");
	return EX_IOERR;
}

static int check(const char *path, bool print)
{
	struct conf_errors errors = { 0 };
	struct config *config = config_load(path, builtin_modules, &errors);

	if (!config) {
		conf_errors_print(&errors, stderr);
		conf_errors_cleanup(&errors);
		return EX_CONFIG;
	}
	if (print)
		config_print(config, stdout);
	else
		printf("musterd: %s is valid\n", path);
	config_unref(config);
	return flush(stdout);
}

/* A descriptor above the standard ones; 0: it is none. */
static int descriptor(const char *text)
{
	const char *error;
	int fd = (int)strtonum(text, STDERR_FILENO + 1, INT_MAX, &error);

	return error ? 0 : fd;
}

static int misuse(void)
{
	fputs(usage, stderr);
	return EX_USAGE;
}

static int check_state(const struct master_options *options, int state)
{
	int status = master_check_state(options, state);
	int flushed = flush(stdout);

	return status ? status : flushed;
}

static int perform(int argc, char **argv, const struct program *program)
{
	struct master_options options = {
		.conf_path = SYSCONFDIR "/musterd/musterd.conf",
		.modules = builtin_modules,
		.run = worker_main,
		.program = program,
		.version = PACKAGE_VERSION,
	};
	int task = 0, state = 0, c;

	while ((c = getopt_long(argc, argv, "c:tTdp:Vh", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			options.conf_path = optarg;
			break;
		case 'd':
			options.daemon = true;
			break;
		case 'p':
			options.pidfile = optarg;
			break;
		case OPTION_RESUME:
		case OPTION_CHECK_STATE:
			state = descriptor(optarg);
			if (!state) {
				fprintf(stderr, "musterd: not a descriptor: %s\n", optarg);
				return misuse();
			}
			task = c;
			break;
		case 't':
		case 'T':
		case 'V':
		case 'h':
			task = c;
			break;
		default:
			return misuse();
		}
	}
	if (optind < argc) {
		fprintf(stderr, "musterd: unexpected argument: %s\n", argv[optind]);
		return misuse();
	}
	if (task == 't' || task == 'T')
		return check(options.conf_path, task == 'T');
	if (task == OPTION_CHECK_STATE)
		return check_state(&options, state);
	if (task == OPTION_RESUME)
		options.resume = state;
	if (!task || task == OPTION_RESUME) {
		trace_prime(); /* once for all workers */
		return master_run(&options);
	}
	if (task == 'V')
		printf("musterd " PACKAGE_VERSION "\n");
	else
		fputs(usage, stdout);
	return flush(stdout);
}

int main(int argc, char **argv)
{
	struct program program;
	int status;

	open_standard_descriptors();
	if (program_init(&program, argv) < 0) {
		perror("musterd");
		return EX_OSERR;
	}
	setproctitle_init(argc, argv, environ);
	status = perform(argc, argv, &program);
	program_cleanup(&program);
	return status;
}
