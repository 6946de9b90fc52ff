/* SPDX-License-Identifier: MIT */
/*
 * The master as a whole, with doubles on both sides: a configuration of one line for each service, and
 * workers of a few lines. It runs in a child; the tests read its log and talk to its sockets.
 */
#include "master/master.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "config/diff.h"

#include "unit.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

/* ------------------------------------------------------- the configuration, a double ---- */

/* Short limits for those who pass them; the others have none. */
static void set_limits(struct service_conf *service)
{
	const char *name = service->name;

	if (strcmp(name, "spinning") == 0 || strcmp(name, "deaf") == 0 ||
	    strcmp(name, "drowsy") == 0 || strcmp(name, "prankster") == 0 ||
	    strcmp(name, "still") == 0) {
		service->connections = 4;
		service->stall_ms = 300;
	}
	if (strcmp(name, "blocked") == 0)
		service->request_ms = 200;
	if (strcmp(name, "slow") == 0)
		service->slow_ms = 200;
	if (strcmp(name, "dozing") == 0)
		service->boot_ms = 3000;
	/* All that looks at slots has a reason to. */
	if (strcmp(name, "scribbling") == 0) {
		service->connections = 4;
		service->stall_ms = 60000;
		service->slow_ms = 30;
		service->max_lifetime_ms = 3600000;
	}
}

/* A line: NAME MIN MAX DRAIN_MS, and perhaps N to listen on 127.0.0.N; any port. */
static const struct mu_module module = { .abi = MU_ABI, .name = "double" };
static const struct mu_module *const modules[] = { &module, NULL };

static const struct service_conf *parse_service(struct arena *arena, const char *line)
{
	struct service_conf *service = arena_alloc(arena, sizeof(*service));
	struct conf_listen *listen = arena_alloc(arena, sizeof(*listen));
	struct address *address = arena_alloc(arena, sizeof(*address));
	char name[32];
	int min, max, drain;
	unsigned host = 1;

	if (sscanf(line, "%31s %d %d %d %u", name, &min, &max, &drain, &host) < 4)
		return NULL;
	address->len = sizeof(address->u.in);
	address->u.in.sin_family = AF_INET;
	address->u.in.sin_addr.s_addr = htonl((IN_LOOPBACKNET << 24) + host);
	*listen = (struct conf_listen){ .kind = LISTEN_INET, .address = address, .addresses = 1 };
	*service = (struct service_conf){ .name = arena_strdup(arena, name),
					  .listen = listen,
					  .listens = 1,
					  .backlog = 16,
					  .module = &module,
					  .workers_min = min,
					  .workers_max = max,
					  .spare_min = 1,
					  .spare_max = 2,
					  .connections = 1,
					  .drain_ms = drain,
					  .boot_ms = 10000 };
	set_limits(service);
	return service;
}

static struct config *parse(FILE *file)
{
	struct arena *arena = arena_new(1024);
	struct config *config = malloc(sizeof(*config));
	const struct service_conf **service = arena_alloc(arena, 8 * sizeof(*service));
	char line[128];

	*config = (struct config){ .arena = arena, .refs = 1, .log.level = LOG_DEBUG };
	while (config->services < 8 && fgets(line, sizeof(line), file)) {
		service[config->services] = parse_service(arena, line);
		if (!service[config->services++]) {
			config_unref(config);
			return NULL;
		}
	}
	config->service = (struct service_conf *const *)service;
	return config;
}

struct config *config_load(const char *path, const struct mu_module *const *list,
			   struct conf_errors *errors)
{
	FILE *file = fopen(path, "r");
	struct config *config = file ? parse(file) : NULL;

	(void)list;
	errors->total = !config;
	if (file)
		fclose(file);
	if (config)
		config->path = arena_strdup(config->arena, path);
	return config;
}

int config_capture(const struct config *config, int fd)
{
	return fd_write_all(fd, config->path, strlen(config->path));
}

struct config *config_restore(int fd, const struct mu_module *const *list,
			      struct conf_errors *errors)
{
	char path[256];
	ssize_t n = pread(fd, path, sizeof(path) - 1, 0);

	path[n > 0 ? n : 0] = '\0';
	return config_load(path, list, errors);
}

struct config *config_ref(struct config *config)
{
	config->refs++;
	return config;
}

void config_unref(struct config *config)
{
	if (!config || --config->refs)
		return;
	arena_free(config->arena);
	free(config);
}

static bool is_same(const struct service_conf *a, const struct service_conf *b)
{
	return a->workers_min == b->workers_min && a->workers_max == b->workers_max &&
	       a->drain_ms == b->drain_ms &&
	       a->listen->address->u.in.sin_addr.s_addr == b->listen->address->u.in.sin_addr.s_addr;
}

static void plan_service(struct plan_service *planned, const struct config *old,
			 const struct service_conf *service)
{
	*planned = (struct plan_service){ .action = PLAN_ADDED,
					  .name = service->name,
					  .new_service = service };
	for (size_t i = 0; old && i < old->services; i++) {
		if (strcmp(old->service[i]->name, service->name) == 0)
			planned->action =
				is_same(old->service[i], service) ? PLAN_UNCHANGED : PLAN_CHANGED;
	}
}

struct plan *plan_new(const struct config *old, const struct config *new)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	plan->service = calloc(new->services, sizeof(*plan->service));
	plan->services = new->services;
	for (size_t i = 0; i < plan->services; i++)
		plan_service(&plan->service[i], old, new->service[i]);
	return plan;
}

void plan_free(struct plan *plan)
{
	if (plan)
		free(plan->service);
	free(plan);
}

char *plan_text(const struct plan *plan, bool roll)
{
	(void)plan;
	(void)roll;
	return strdup("a plan\n");
}

void conf_errors_log(const struct conf_errors *errors)
{
	log_err("%zu errors", errors->total);
}

void conf_errors_print(const struct conf_errors *errors, FILE *out)
{
	fprintf(out, "%zu errors\n", errors->total);
}

void conf_errors_cleanup(struct conf_errors *errors)
{
	errors->total = 0;
}

/* -------------------------------------------------------------------- workers, doubles ---- */

/* Answers with its pid and generation. */
static void answer(const struct worker_args *args)
{
	int fd = accept(args->listener[0], NULL, NULL);
	char text[64];
	int len = snprintf(text, sizeof(text), "%d %u\n", (int)getpid(), args->generation);

	if (fd < 0)
		return;
	if (fd_write_all(fd, text, (size_t)len) < 0)
		log_err("write: %s", strerror(errno));
	close(fd);
}

/* What a signal handler needs. */
static struct {
	int control;
	volatile sig_atomic_t asked;
} self;

static void on_asked(int signal)
{
	(void)signal;
	self.asked = 1;
}

static void send_trace(int64_t value, const char *text)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd_write_all(fd, text, strlen(text)) == 0)
		record_send(self.control, RECORD_TRACE, 0, value, fd);
	close(fd);
}

static void on_asked_answer(int signal)
{
	send_trace(signal, "the_function+0x1f\nmain+0x2\n");
	self.asked = 1;
}

/* More than was asked for, and nothing that can be read without waiting. */
static void on_asked_joke(int signal)
{
	int ends[2];

	if (pipe(ends) < 0)
		return;
	for (int i = 0; i < 20; i++)
		record_send(self.control, RECORD_TRACE, 0, signal, ends[0]);
	record_send(self.control, RECORD_TRACE, 0, signal, -1);
}

static void set_signals(const struct worker_args *args)
{
	const char *name = args->service->name;

	self.control = args->control;
	signal(SIGUSR2, strcmp(name, "deaf") == 0 || strcmp(name, "drowsy") == 0 ? on_asked
			: strcmp(name, "prankster") == 0                         ? on_asked_joke
										 : on_asked_answer);
	if (strcmp(name, "stubborn") == 0 || strcmp(name, "deaf") == 0)
		signal(SIGTERM, SIG_IGN);
}

/* Noise, nothing, and the numbers with which sums turn over. */
static void scribble_noise(struct slot *slot)
{
	static const int64_t extreme[] = { 0, INT64_MAX, INT64_MIN };
	int64_t word[sizeof(*slot) / sizeof(int64_t)];

	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++) {
		uint32_t choice = arc4random_uniform(4);

		if (choice < 3)
			word[i] = extreme[choice];
		else
			arc4random_buf(&word[i], sizeof(word[i]));
	}
	memcpy(slot, word, sizeof(word));
}

/* After its first answer the first worker of some services is stuck, or seems to be until it is asked. */
static void get_stuck(const struct worker_args *args)
{
	struct slot *slot = &args->board->slot[args->number - 1];
	const char *name = args->service->name;
	bool comes_back = strcmp(name, "drowsy") == 0 || strcmp(name, "slow") == 0;

	if (args->number != 1 || self.asked || strcmp(name, "still") == 0 ||
	    strcmp(name, "scribbling") == 0 ||
	    !(args->service->stall_ms || args->service->request_ms || args->service->slow_ms))
		return;
	slot->connections = 1;
	slot->request_since = slot->running_since = clock_ms();
	while (!comes_back || !self.asked)
		poll(NULL, 0, 10);
	slot->request_since = slot->running_since = 0;
	slot->connections = 0;
}

/* Would leave in a moment, again and again. */
static int linger(const struct worker_args *args)
{
	struct pollfd control = { .fd = args->control, .events = POLLIN };

	for (;;) {
		record_send(args->control, RECORD_GOODBYE, 0, 0, -1);
		if (poll(&control, 1, 50) < 0 || control.revents & POLLHUP)
			return 0;
	}
}

static atomic_int *hasty; /* how many of these may have served; shared by all */

/*
 * Told to go on, the first of "hasty" ends and the second leaves, slowly: the master looks at the pool meanwhile, and the
 * third is there before the second has ended. That one stays. True: this one is to end.
 */
static bool leave_slowly(const struct worker_args *args)
{
	int number = ++*hasty;

	if (number == 2) {
		record_send(args->control, RECORD_GOODBYE, 0, 0, -1);
		record_send(args->control, RECORD_EXPIRED, 0, EXPIRY_REQUESTS, -1);
		while (*hasty == number)
			poll(NULL, 0, 1);
	}
	return number <= 2;
}

/* What stands in a slot may be anything. */
static void scribble(struct slot *slot)
{
	memset(slot, 0xff, sizeof(*slot));
	slot->since_ms = INT64_MIN;
}

/*
 * From GO on "crash" dies and "garble" breaks the protocol; "stubborn" does not drain, "lingering" only says
 * so; the others do as they are told.
 */
static int serve(const struct worker_args *args, bool stubborn)
{
	struct pollfd pollfd[2] = { { .fd = args->control, .events = POLLIN },
				    { .fd = -1, .events = POLLIN } };
	struct record record;
	int fd;

	for (;;) {
		poll(pollfd, 2, -1);
		if (pollfd[1].revents) {
			answer(args);
			get_stuck(args);
			if (strcmp(args->service->name, "scribbling") == 0)
				scribble_noise(&args->board->slot[args->number - 1]);
		}
		if (!pollfd[0].revents)
			continue;
		switch (record_receive(args->control, &record, &fd)) {
		case 0:
			return 0;
		case 1:
			if (record.type == RECORD_GO && strcmp(args->service->name, "crash") == 0) {
				scribble(&args->board->slot[args->number - 1]);
				kill(getpid(), SIGSEGV);
			}
			if (record.type == RECORD_GO && strcmp(args->service->name, "fatal") == 0) {
				send_trace(SIGSEGV, "the_fault+0x3\n");
				raise(SIGSEGV);
			}
			if (record.type == RECORD_GO && strcmp(args->service->name, "hasty") == 0 &&
			    leave_slowly(args))
				return 0;
			if (record.type == RECORD_GO && strcmp(args->service->name, "garble") == 0)
				send(args->control, "hello", 5, 0);
			if (record.type == RECORD_DRAIN &&
			    strcmp(args->service->name, "lingering") == 0)
				return linger(args);
			if (record.type == RECORD_GO)
				pollfd[1].fd = args->listener[0];
			if (record.type == RECORD_DRAIN)
				pollfd[1].fd = -1;
			if (record.type == RECORD_DRAIN && !stubborn) {
				record_send(args->control, RECORD_GOODBYE, 0, 0, -1);
				return 0;
			}
		}
	}
}

static int run_double(const struct worker_args *args)
{
	const char *name = args->service->name;
	bool stubborn = strcmp(name, "stubborn") == 0;

	if (strcmp(name, "broken") == 0)
		return WORKER_EXIT_MODULE;
	if (strcmp(name, "rude") == 0) {
		send(args->control, "hello", 5, 0);
		pause();
	}
	if (strcmp(name, "dozing") == 0) {
		memcpy(args->board->slot[args->number - 1].error, "no moon\n in sight", 17);
		pause();
	}
	set_signals(args);
	slot_set_state(&args->board->slot[args->number - 1], SLOT_IDLE, 1);
	record_send(args->control, RECORD_READY, 0, 1, -1);
	if (strcmp(name, "mute") == 0) {
		close(args->control);
		pause();
	}
	return serve(args, stubborn);
}

/* ------------------------------------------------------------------------------ the stage ---- */

static struct {
	char folder[32], conf[64];
	pid_t master;
	FILE *log;
	int port;
	char line[1024];
} stage;

static void write_conf(const char *text)
{
	FILE *file = fopen(stage.conf, "w");

	fputs(text, file);
	fclose(file);
}

static void set_up(void)
{
	strcpy(stage.folder, "/tmp/musterd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(stage.folder));
	snprintf(stage.conf, sizeof(stage.conf), "%s/conf", stage.folder);
	stage.master = 0;
	stage.log = NULL;
	hasty = mmap(NULL, sizeof(*hasty), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(hasty, MAP_FAILED);
}

static void start(const char *conf)
{
	struct master_options options = { .conf_path = stage.conf,
					  .modules = modules,
					  .run = run_double };
	int ends[2];

	write_conf(conf);
	ck_assert_int_eq(pipe(ends), 0);
	stage.master = fork();
	if (stage.master == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(master_run(&options));
	}
	close(ends[1]);
	stage.log = fdopen(ends[0], "r");
	setvbuf(stage.log, NULL, _IONBF, 0);
}

/* Reads the log until a line has this text in it. */
static const char *wait_for(const char *text)
{
	struct pollfd pollfd = { .fd = fileno(stage.log), .events = POLLIN };

	for (;;) {
		ck_assert_msg(poll(&pollfd, 1, PATIENCE_MS) == 1, "no log line has: %s", text);
		ck_assert_msg(fgets(stage.line, sizeof(stage.line), stage.log) != NULL,
			      "the log ended without: %s", text);
		if (strstr(stage.line, text))
			return strstr(stage.line, text);
	}
}

static void wait_for_port(void)
{
	const char *text = wait_for(" ready on 127.0.0.1:");

	stage.port = atoi(strchr(text, ':') + 1);
	wait_for("generation");
}

static int wait_for_exit(void)
{
	int status;

	ck_assert_int_eq(waitpid(stage.master, &status, 0), stage.master);
	stage.master = 0;
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int stop(void)
{
	kill(stage.master, SIGTERM);
	return wait_for_exit();
}

static void tear_down(void)
{
	if (stage.master > 0) {
		kill(stage.master, SIGKILL);
		waitpid(stage.master, NULL, 0);
	}
	if (stage.log)
		fclose(stage.log);
	munmap(hasty, sizeof(*hasty));
	unlink(stage.conf);
	rmdir(stage.folder);
}

struct reply {
	pid_t pid;
	unsigned generation;
};

static int try_connect(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		fd_close(&fd);
	return fd;
}

static struct reply ask(void)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = try_connect(stage.port);
	struct reply reply;
	char text[64] = "";

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ck_assert_int_gt(recv(fd, text, sizeof(text) - 1, MSG_WAITALL), 0);
	ck_assert_int_eq(sscanf(text, "%d %u", &reply.pid, &reply.generation), 2);
	close(fd);
	return reply;
}

/* ------------------------------------------------------------------------------ the tests ---- */

START_TEST(it_serves_and_stops_in_order)
{
	start("good 3 3 1000\n");
	wait_for_port();
	ck_assert_uint_eq(ask().generation, 1);
	ck_assert_int_eq(stop(), 0);
	wait_for("stopped");
}
END_TEST

START_TEST(a_killed_worker_is_replaced_at_once)
{
	struct reply before, after;

	start("good 1 1 1000\n");
	wait_for_port();
	before = ask();
	kill(before.pid, SIGKILL);
	after = ask();
	ck_assert_int_ne(before.pid, after.pid);
	wait_for("was killed by SIGKILL, not sent by us");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_reload_keeps_the_socket_and_changes_the_workers)
{
	struct reply before, after;

	start("good 1 1 1000\n");
	wait_for_port();
	before = ask();
	write_conf("good 2 2 1000\n");
	kill(stage.master, SIGHUP);
	wait_for("reloaded: generation 2");
	/* The old worker takes what comes until it has read that it is to go; nobody is refused. */
	ck_assert_int_gt(ask().pid, 0);
	wait_for("generation 1 has left");
	after = ask();
	ck_assert_uint_eq(after.generation, 2);
	ck_assert_int_ne(before.pid, after.pid);
	ck_assert_int_eq(kill(before.pid, 0), -1);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
	struct reply before, after;

	start("good 1 1 1000\n");
	wait_for_port();
	before = ask();
	write_conf("good one\n");
	kill(stage.master, SIGHUP);
	wait_for("reload refused");
	after = ask();
	ck_assert_int_eq(before.pid, after.pid);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_new_generation_that_does_not_start_changes_nothing)
{
	struct reply before, after;

	start("good 1 1 1000\n");
	wait_for_port();
	before = ask();
	write_conf("good 1 1 1000\nbroken 2 2 1000\n");
	kill(stage.master, SIGHUP);
	wait_for("reload refused");
	after = ask();
	ck_assert_int_eq(before.pid, after.pid);
	ck_assert_int_eq(stop(), 0);
	/* Those that were given up had no clients: they are none that had to be killed. */
	wait_for("stopped");
	ck_assert_ptr_null(strstr(stage.line, "had to be killed"));
}
END_TEST

START_TEST(reloads_that_come_during_one_are_one_more)
{
	start("good 1 1 1000\n");
	wait_for_port();
	write_conf("good 2 2 1000\n");
	kill(stage.master, SIGHUP);
	wait_for("SIGHUP");
	kill(stage.master, SIGHUP);
	wait_for("reloaded: generation 3");
	/* The old worker takes what comes until it has read that it is to go. */
	while (ask().generation == 1)
		;
	ck_assert_uint_eq(ask().generation, 2);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_service_that_did_not_change_keeps_its_workers)
{
	struct reply before;

	start("good 1 1 1000\n");
	wait_for_port();
	before = ask();
	write_conf("good 1 1 1000\nsecond 1 1 1000 2\n");
	kill(stage.master, SIGHUP);
	wait_for("reloaded: generation 2");
	ck_assert_int_eq(ask().pid, before.pid);
	/* It is part of the new configuration: a worker that dies is replaced as ever. */
	kill(before.pid, SIGKILL);
	ck_assert_int_ne(ask().pid, before.pid);
	write_conf("second 1 1 1000 2\n");
	kill(stage.master, SIGHUP);
	wait_for("reloaded: generation 3");
	wait_for("generation 1 has left");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_start_that_fails_says_why_by_its_exit_status)
{
	start("not a configuration\n");
	wait_for("1 errors");
	ck_assert_int_eq(wait_for_exit(), EX_CONFIG);
	fclose(stage.log);
	start("good 1 1 1000\nbroken 2 2 1000\n");
	wait_for("start failed");
	ck_assert_int_eq(wait_for_exit(), WORKER_EXIT_MODULE);
}
END_TEST

START_TEST(what_does_not_drain_is_terminated_and_then_killed)
{
	start("stubborn 2 2 100\n");
	wait_for_port();
	kill(stage.master, SIGQUIT);
	wait_for("the drain limit passed (100ms): sending SIGTERM");
	wait_for("the drain limit passed (100ms): sending SIGKILL");
	wait_for("SIGKILL, sent by us");
	wait_for("stopped; 2 workers had to be killed");
	ck_assert_int_eq(wait_for_exit(), 0);
}
END_TEST

START_TEST(a_second_signal_stops_at_once)
{
	start("stubborn 2 2 60000\n");
	wait_for_port();
	kill(stage.master, SIGINT);
	wait_for("SIGINT");
	kill(stage.master, SIGINT);
	wait_for("stop at once");
	wait_for("a second signal to stop came");
	ck_assert_int_eq(wait_for_exit(), 0);
}
END_TEST

START_TEST(a_worker_cannot_put_off_its_end)
{
	start("lingering 1 1 60000\n");
	wait_for_port();
	kill(stage.master, SIGQUIT);
	wait_for("it sent what is no record of ours");
	ck_assert_int_eq(wait_for_exit(), 0);
}
END_TEST

START_TEST(a_worker_that_hangs_up_before_it_may_serve_is_replaced)
{
	start("mute 1 1 1000\n");
	wait_for("it closed its end of the control socket: sending SIGTERM");
	wait_for("service mute is degraded");
	stop();
}
END_TEST

START_TEST(workers_that_break_the_protocol_again_and_again_are_slowed_down)
{
	start("garble 1 1 1000\n");
	wait_for_port();
	wait_for("it sent what is no record of ours");
	wait_for("service garble is degraded");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_worker_that_breaks_the_protocol_is_killed)
{
	start("rude 1 1 1000\n");
	wait_for("it sent what is no record of ours");
	wait_for("start failed");
	ck_assert_int_ne(wait_for_exit(), 0);
}
END_TEST

START_TEST(ttin_and_ttou_change_the_number_of_workers)
{
	start("good 1 1 1000\n");
	wait_for_port();
	kill(stage.master, SIGTTIN);
	wait_for("2 workers from now on");
	wait_for("worker good 2 started");
	kill(stage.master, SIGTTOU);
	wait_for("1 worker from now on");
	wait_for("exited with status 0");
	kill(stage.master, SIGTTOU);
	wait_for("stays at 1 worker");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_crash_loop_is_slowed_down_and_harms_no_other_pool)
{
	struct reply before, after;

	start("good 1 1 1000\ncrash 1 1 1000\n");
	wait_for_port();
	before = ask();
	wait_for("service crash is degraded");
	after = ask();
	ck_assert_int_eq(before.pid, after.pid);
	write_conf("good 1 1 1000\n");
	kill(stage.master, SIGHUP);
	wait_for("reloaded: generation 2");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_worker_that_lives_ends_a_crash_loop_though_it_began_before_the_last_death)
{
	start("hasty 1 1 1000\n");
	wait_for("service hasty is degraded");
	wait_for("service hasty is no longer degraded");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_dropped_listener_is_closed_and_another_one_opened)
{
	int dropped;

	start("other 1 1 1000 1\n");
	wait_for_port();
	dropped = stage.port;
	write_conf("good 1 1 1000 2\n");
	kill(stage.master, SIGHUP);
	wait_for("service good: 1 worker ready on 127.0.0.2:");
	wait_for("service other: generation 1 has left");
	ck_assert_int_eq(try_connect(dropped), -1);
	write_conf("good 1 1 1000 2\nother 1 1 1000 1\n");
	kill(stage.master, SIGHUP);
	wait_for_port();
	ck_assert_uint_eq(ask().generation, 3);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_stopped_worker_is_noticed)
{
	struct reply reply;

	start("good 1 1 1000\n");
	wait_for_port();
	reply = ask();
	kill(reply.pid, SIGSTOP);
	wait_for("was stopped by SIGSTOP");
	kill(reply.pid, SIGCONT);
	wait_for("goes on");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(workers_that_write_garbage_into_their_slots_harm_nobody)
{
	start("scribbling 0 3 1000\ngood 1 1 1000\n");
	wait_for_port();
	for (int i = 0; i < 60; i++) {
		struct reply reply = ask();

		/* Not often: that would be a crash loop, which is slowed down. */
		if (i % 20 == 19)
			kill(reply.pid, SIGKILL);
	}
	ck_assert_int_eq(stop(), 0);
	wait_for("service scribbling in all: connections 0, requests 0, ");
	wait_for("stopped");
}
END_TEST

START_TEST(a_stuck_worker_is_traced_and_replaced)
{
	pid_t stuck;

	start("spinning 1 1 1000\n");
	wait_for_port();
	stuck = ask().pid;
	wait_for("is stuck: the stall limit passed (300ms): its handler has not waited for ");
	ck_assert_ptr_nonnull(strstr(stage.line, "with 1 connection"));
	wait_for("was here: #0 the_function+0x1f");
	wait_for("was here: #1 main+0x2");
	wait_for("the stall limit passed (300ms): sending SIGTERM");
	wait_for("SIGTERM, sent by us");
	ck_assert_ptr_nonnull(strstr(stage.line, ": the stall limit passed (300ms);"));
	ck_assert_int_ne(ask().pid, stuck);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_direct_worker_is_stuck_by_its_request)
{
	pid_t stuck;
	double taken;
	char unit[3];

	start("blocked 1 1 1000\n");
	wait_for_port();
	stuck = ask().pid;
	wait_for("is stuck: the request limit passed (200ms): its request has taken ");
	/* A second more than the limit was left to the worker, to end the request itself. */
	ck_assert_int_eq(sscanf(strstr(stage.line, "taken "), "taken %lf%2[a-z]", &taken, unit), 2);
	ck_assert_str_eq(unit, "s");
	ck_assert_double_ge(taken, 1.2);
	wait_for("was here: #0 the_function+0x1f");
	wait_for("SIGTERM, sent by us");
	ck_assert_int_ne(ask().pid, stuck);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(the_replacement_does_not_wait_for_the_end_of_the_stuck)
{
	start("deaf 1 1 1000\n");
	wait_for_port();
	ask();
	wait_for("is stuck");
	wait_for("worker deaf 2 started");
	ask();
	wait_for("sending SIGTERM");
	wait_for("sending SIGKILL");
	wait_for("SIGKILL, sent by us");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_stuck_worker_that_comes_back_in_time_goes_on)
{
	start("drowsy 1 1 1000\n");
	wait_for_port();
	ask();
	wait_for("is stuck");
	wait_for("goes on after ");
	/* Now there is one too many. */
	wait_for("exited with status 0");
	ck_assert_int_gt(ask().pid, 0);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_trace_that_is_none_holds_nobody_up)
{
	start("prankster 1 1 1000\n");
	wait_for_port();
	ask();
	wait_for("is stuck");
	do
		wait_for("worker prankster 1 ");
	while (!strstr(stage.line, "sending SIGTERM") && !strstr(stage.line, "was here"));
	ck_assert_ptr_null(strstr(stage.line, "was here"));
	wait_for("SIGTERM, sent by us");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_slow_request_is_logged_and_goes_on)
{
	pid_t slow;

	start("slow 1 1 1000\n");
	wait_for_port();
	slow = ask().pid;
	wait_for("is slow (more than 200ms): its request has taken ");
	wait_for("was here: #0 the_function+0x1f");
	ck_assert_int_eq(ask().pid, slow);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(the_trace_of_a_crash_follows_its_death)
{
	start("fatal 1 1 1000\n");
	wait_for("was killed by SIGSEGV");
	wait_for("was here: #0 the_fault+0x3");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(whoever_sends_usr2_gets_a_trace)
{
	struct reply reply;

	start("good 1 1 1000\n");
	wait_for_port();
	reply = ask();
	kill(reply.pid, SIGUSR2);
	wait_for("was here: #0 the_function+0x1f");
	ck_assert_int_eq(ask().pid, reply.pid);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_worker_that_is_not_ready_in_time_says_its_last_error)
{
	start("dozing 1 1 1000\n");
	wait_for("start failed: worker dozing 1 ");
	ck_assert_ptr_nonnull(strstr(stage.line, "the boot limit passed (3s); its last error: "
						 "no moon? in sight"));
	ck_assert_int_eq(wait_for_exit(), EX_TEMPFAIL);
}
END_TEST

START_TEST(deaths_that_are_alike_are_summed_up_at_the_end)
{
	start("crash 8 8 1000\n");
	wait_for_port();
	wait_for("service crash is degraded");
	ck_assert_int_eq(stop(), 0);
	wait_for("more workers were killed by SIGSEGV in the last ");
	ck_assert_ptr_nonnull(strstr(stage.line, "service crash: "));
}
END_TEST

START_TEST(a_worker_that_stays_stopped_is_stuck)
{
	struct reply reply;

	start("still 2 2 1000\n");
	wait_for_port();
	reply = ask();
	kill(reply.pid, SIGSTOP);
	wait_for("was stopped by SIGSTOP");
	wait_for("is stuck: the stall limit passed (300ms): it has been stopped for ");
	wait_for("sending SIGKILL");
	wait_for("SIGKILL, sent by us");
	ck_assert_int_ne(ask().pid, reply.pid);
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(a_worker_that_is_traced_is_left_alone)
{
	pid_t stuck;

	start("spinning 1 1 1000\n");
	wait_for_port();
	stuck = ask().pid;
	if (ptrace(PTRACE_SEIZE, stuck, NULL, NULL) < 0) {
		fprintf(stderr, "skipped: ptrace: %s\n", strerror(errno));
		return;
	}
	wait_for("traces it: it is left alone");
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, stuck, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(stuck, NULL, __WALL), stuck);
	ck_assert_int_eq(ptrace(PTRACE_DETACH, stuck, NULL, NULL), 0);
	wait_for("is stuck");
	wait_for("SIGTERM, sent by us");
	ck_assert_int_eq(stop(), 0);
}
END_TEST

START_TEST(workers_leave_when_the_master_is_killed)
{
	char byte;
	ssize_t n;

	start("good 4 4 1000\n");
	wait_for_port();
	kill(stage.master, SIGKILL);
	waitpid(stage.master, NULL, 0);
	stage.master = 0;
	/* The log's other end is open in each of them. */
	do
		n = read(fileno(stage.log), &byte, 1);
	while (n > 0);
	ck_assert_int_eq(n, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("master");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, it_serves_and_stops_in_order);
	tcase_add_test(tcase, a_killed_worker_is_replaced_at_once);
	tcase_add_test(tcase, a_reload_keeps_the_socket_and_changes_the_workers);
	tcase_add_test(tcase, a_bad_file_changes_nothing);
	tcase_add_test(tcase, a_new_generation_that_does_not_start_changes_nothing);
	tcase_add_test(tcase, reloads_that_come_during_one_are_one_more);
	tcase_add_test(tcase, a_service_that_did_not_change_keeps_its_workers);
	tcase_add_test(tcase, a_start_that_fails_says_why_by_its_exit_status);
	tcase_add_test(tcase, what_does_not_drain_is_terminated_and_then_killed);
	tcase_add_test(tcase, a_second_signal_stops_at_once);
	tcase_add_test(tcase, a_worker_that_breaks_the_protocol_is_killed);
	tcase_add_test(tcase, a_worker_cannot_put_off_its_end);
	tcase_add_test(tcase, a_worker_that_hangs_up_before_it_may_serve_is_replaced);
	tcase_add_test(tcase, workers_that_break_the_protocol_again_and_again_are_slowed_down);
	tcase_add_test(tcase, ttin_and_ttou_change_the_number_of_workers);
	tcase_add_test(tcase, a_crash_loop_is_slowed_down_and_harms_no_other_pool);
	tcase_add_test(tcase,
		       a_worker_that_lives_ends_a_crash_loop_though_it_began_before_the_last_death);
	tcase_add_test(tcase, a_dropped_listener_is_closed_and_another_one_opened);
	tcase_add_test(tcase, a_stopped_worker_is_noticed);
	tcase_add_test(tcase, workers_that_write_garbage_into_their_slots_harm_nobody);
	tcase_add_test(tcase, a_stuck_worker_is_traced_and_replaced);
	tcase_add_test(tcase, a_direct_worker_is_stuck_by_its_request);
	tcase_add_test(tcase, the_replacement_does_not_wait_for_the_end_of_the_stuck);
	tcase_add_test(tcase, a_stuck_worker_that_comes_back_in_time_goes_on);
	tcase_add_test(tcase, a_trace_that_is_none_holds_nobody_up);
	tcase_add_test(tcase, a_slow_request_is_logged_and_goes_on);
	tcase_add_test(tcase, the_trace_of_a_crash_follows_its_death);
	tcase_add_test(tcase, whoever_sends_usr2_gets_a_trace);
	tcase_add_test(tcase, a_worker_that_is_not_ready_in_time_says_its_last_error);
	tcase_add_test(tcase, deaths_that_are_alike_are_summed_up_at_the_end);
	tcase_add_test(tcase, a_worker_that_stays_stopped_is_stuck);
	tcase_add_test(tcase, a_worker_that_is_traced_is_left_alone);
	tcase_add_test(tcase, workers_leave_when_the_master_is_killed);
	return unit_main("master", tcase);
}
