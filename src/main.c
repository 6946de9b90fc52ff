/* SPDX-License-Identifier: MIT */
/* The program: arguments, and which parts are put together. */
#include "autoconf.h"
#include "client/client.h"
#include "config/config.h"
#include "config/reference.h"
#include "config/try.h"
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
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

static const char usage[] =
	"usage: musterd [-c FILE] [-d] [-p FILE]   run, in the foreground unless -d\n"
	"       musterd [-c FILE] -t | -T          test the configuration; print it\n"
	"       musterd [-c FILE] [-s SOCKET] --status | --plan | --reload | --upgrade | --stop |\n"
	"               --reopen | --workers SERVICE=+N|-N|N | --pause SERVICE | --resume SERVICE\n"
	"  -c, --config FILE    the configuration (" SYSCONFDIR "/musterd/musterd.conf)\n"
	"  -t, --test           say whether the configuration is valid: exit status 0 or 78\n"
	"  -T, --print          print the effective configuration, each value with its origin\n"
	"  -d, --daemon         go into the background; exit when ready, or when that failed\n"
	"  -p, --pidfile FILE   write the process id there, whatever the configuration says\n"
	"      --directives     print a line for each directive that a configuration can have\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"These ask the running master, wait for what comes of it, print that, and exit with 0,\n"
	"1 (refused; the reasons are printed), 2 (asked wrongly) or 3 (it does not run):\n"
	"      --status         what runs, in lines of keys and values\n"
	"      --plan           what a reload would change\n"
	"      --reload         take the changed configuration over\n"
	"      --upgrade        become the installed program, in place\n"
	"      --stop           finish what is in flight, and end\n"
	"      --reopen         open the log files anew\n"
	"      --workers SERVICE=+N|-N|N   more, fewer or so many workers\n"
	"      --pause SERVICE, --resume SERVICE   accept no connections for now; again\n"
	"  -s, --socket FILE    its control socket, if not as the configuration says\n";

/* Options without a letter: what an upgrade runs us with, not for people; and, last, questions to a running master. */
enum {
	ADOPT_STATE = 256,
	CHECK_STATE,
	DIRECTIVES,
	ASK_STATUS,
	ASK_PLAN,
	ASK_RELOAD,
	ASK_UPGRADE,
	ASK_STOP,
	ASK_REOPEN,
	ASK_WORKERS,
	ASK_PAUSE,
	ASK_RESUME
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'T' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "pidfile", required_argument, NULL, 'p' },
	{ "socket", required_argument, NULL, 's' },
	{ "directives", no_argument, NULL, DIRECTIVES },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "status", no_argument, NULL, ASK_STATUS },
	{ "plan", no_argument, NULL, ASK_PLAN },
	{ "reload", no_argument, NULL, ASK_RELOAD },
	{ "upgrade", no_argument, NULL, ASK_UPGRADE },
	{ "stop", no_argument, NULL, ASK_STOP },
	{ "reopen", no_argument, NULL, ASK_REOPEN },
	{ "workers", required_argument, NULL, ASK_WORKERS },
	{ "pause", required_argument, NULL, ASK_PAUSE },
	{ "resume", required_argument, NULL, ASK_RESUME },
	{ "adopt-state", required_argument, NULL, ADOPT_STATE },
	{ "check-state", required_argument, NULL, CHECK_STATE },
	{ NULL },
};

/* What a command line asks for. */
struct arguments {
	struct master_options master;
	const char *socket;
	int task; /* a letter, or ASK_*; 0: run */
	const char *argument;
	int state;  /* the descriptor for ADOPT_STATE, CHECK_STATE */
	bool ask;   /* there is an ASK_* */
	bool wrong; /* what is wrong was said */
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

static int print(const struct config *config)
{
	config_print(config, stdout);
	return flush(stdout);
}

static int say_valid(const struct config *config)
{
	(void)config;
	return EX_OK;
}

static int print_directives(void)
{
	if (reference_print(builtin_modules, stdout) == 0)
		return flush(stdout);
	perror("musterd");
	return EX_OSERR;
}

static int check(const char *path)
{
	int status = config_try(path, builtin_modules, say_valid, stderr);

	if (status)
		return status;
	printf("musterd: %s is valid\n", path);
	return flush(stdout);
}

/* A descriptor above the standard ones; 0: it is none. */
static int descriptor(const char *text)
{
	const char *error;
	int fd = (int)strtonum(text, STDERR_FILENO + 1, INT_MAX, &error);

	return error ? 0 : fd;
}

static int check_state(const struct master_options *options, int state)
{
	int status = master_check_state(options, state);
	int flushed = flush(stdout);

	return status ? status : flushed;
}

/* Asking a running master has exit statuses of its own. */
static int misuse(const struct arguments *arguments)
{
	fputs(usage, stderr);
	return arguments->ask ? CLIENT_USAGE : EX_USAGE;
}

static void set_task(struct arguments *arguments, int task)
{
	if (arguments->task && arguments->task != task && (arguments->ask || task >= ASK_STATUS)) {
		fprintf(stderr, "musterd: one thing at a time\n");
		arguments->wrong = true;
	}
	arguments->task = task;
	arguments->argument = optarg;
	arguments->ask |= task >= ASK_STATUS;
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:tTdp:s:Vh", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			arguments->master.conf_path = optarg;
			break;
		case 'd':
			arguments->master.daemon = true;
			break;
		case 'p':
			arguments->master.pidfile = optarg;
			break;
		case 's':
			arguments->socket = optarg;
			break;
		case ADOPT_STATE:
		case CHECK_STATE:
			arguments->state = descriptor(optarg);
			if (!arguments->state) {
				fprintf(stderr, "musterd: not a descriptor: %s\n", optarg);
				arguments->wrong = true;
			}
			arguments->task = c;
			break;
		case '?':
			arguments->wrong = true;
			arguments->ask |= optopt >= ASK_STATUS; /* without its argument */
			break;
		default:
			set_task(arguments, c);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "musterd: unexpected argument: %s\n", argv[optind]);
		arguments->wrong = true;
	}
	if (arguments->ask && (arguments->master.daemon || arguments->master.pidfile)) {
		fprintf(stderr, "musterd: -d and -p are for a master that is to run\n");
		arguments->wrong = true;
	}
	if (arguments->socket && !arguments->ask) {
		fprintf(stderr, "musterd: -s goes with --status, --reload and the like\n");
		arguments->wrong = true;
	}
}

/* The line for the control socket, which begins with the option's long name; false: the argument is wrong. */
static bool make_request(const struct arguments *arguments, char *line, size_t size)
{
	const struct option *option = long_options;
	const char *argument = arguments->argument ? arguments->argument : "";
	int service = (int)strcspn(argument, "=");
	int len;

	while (option->val != arguments->task)
		option++;
	if (strcspn(argument, " \t\n") != strlen(argument))
		return false;
	if (arguments->task == ASK_WORKERS && (!service || !argument[service]))
		return false;
	if (arguments->task == ASK_WORKERS)
		len = snprintf(line, size, "%s %.*s %s", option->name, service, argument,
			       argument + service + 1);
	else
		len = snprintf(line, size, "%s%s%s", option->name, *argument ? " " : "", argument);
	return len < (int)size;
}

static int ask(const struct arguments *arguments)
{
	char line[256];
	struct client_options options = {
		.conf_path = arguments->master.conf_path,
		.socket_path = arguments->socket,
		.request = line,
		.at_once = arguments->task == ASK_STATUS || arguments->task >= ASK_REOPEN,
	};
	int status;

	if (!make_request(arguments, line, sizeof(line))) {
		fprintf(stderr, "musterd: --workers wants SERVICE=+N, SERVICE=-N or SERVICE=N; "
				"--pause and --resume want SERVICE\n");
		return CLIENT_USAGE;
	}
	status = client_run(&options);
	return status ? status : flush(stdout);
}

static int perform(struct arguments *arguments)
{
	if (arguments->wrong)
		return misuse(arguments);
	if (arguments->ask)
		return ask(arguments);
	switch (arguments->task) {
	case ADOPT_STATE:
		arguments->master.resume = arguments->state;
		/* fallthrough */
	case 0:
		trace_prime(); /* once for all workers */
		return master_run(&arguments->master);
	case CHECK_STATE:
		return check_state(&arguments->master, arguments->state);
	case 't':
		return check(arguments->master.conf_path);
	case 'T':
		return config_try(arguments->master.conf_path, builtin_modules, print, stderr);
	case DIRECTIVES:
		return print_directives();
	case 'V':
		printf("musterd " PACKAGE_VERSION "\n");
		break;
	default:
		fputs(usage, stdout);
	}
	return flush(stdout);
}

int main(int argc, char **argv)
{
	struct program program;
	struct arguments arguments = {
		.master = { .conf_path = SYSCONFDIR "/musterd/musterd.conf",
			    .modules = builtin_modules,
			    .run = worker_main,
			    .program = &program,
			    .version = PACKAGE_VERSION },
	};
	int status;

	open_standard_descriptors();
	if (program_init(&program, argv) < 0) {
		perror("musterd");
		return EX_OSERR;
	}
	setproctitle_init(argc, argv, environ);
	parse(&arguments, argc, argv);
	status = perform(&arguments);
	program_cleanup(&program);
	return status;
}
