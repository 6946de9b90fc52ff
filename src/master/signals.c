/* SPDX-License-Identifier: MIT */
/*
 * Signals: all that we handle are blocked and read from a signalfd, so what they cause is done in the
 * loop. Who sent one is logged. What they cause is done by reload.c, upgrade.c, stop.c, logs.c, pool.c.
 */
#include "base/fd.h"
#include "base/log.h"
#include "master/state.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef void signal_action(struct master *master, const struct signalfd_siginfo *info);

/* si_code is above 0 for what the kernel sends (SI_KERNEL, CLD_*), and so is SI_USER, 0, not. */
static bool is_from_process(const struct signalfd_siginfo *info)
{
	return info->ssi_code <= 0;
}

static void log_signal(const struct signalfd_siginfo *info, const char *what)
{
	const char *name = sigabbrev_np((int)info->ssi_signo);

	if (is_from_process(info))
		log_notice("SIG%s from pid %u (uid %u): %s", name, info->ssi_pid, info->ssi_uid,
			   what);
	else
		log_notice("SIG%s from the terminal: %s", name, what);
}

static void on_child(struct master *master, const struct signalfd_siginfo *info)
{
	(void)info;
	reap_children(master);
}

static void on_stop(struct master *master, const struct signalfd_siginfo *info)
{
	log_signal(info, "graceful stop");
	stop_gracefully(master);
}

/* TERM and INT: said twice they mean it. */
static void on_stop_or_kill(struct master *master, const struct signalfd_siginfo *info)
{
	if (!is_stopping(master)) {
		on_stop(master, info);
		return;
	}
	log_signal(info, "already stopping: stop at once");
	stop_at_once(master, "a second signal to stop came");
}

static void on_hangup(struct master *master, const struct signalfd_siginfo *info)
{
	if (is_from_process(info)) {
		log_signal(info, "reload");
		reload_request(master);
	} else if (!master->hangup_ignored) {
		log_signal(info, "it was closed: graceful stop");
		stop_gracefully(master);
	}
}

static void on_reopen(struct master *master, const struct signalfd_siginfo *info)
{
	log_signal(info, "reopen the log");
	logs_reopen(master, NULL);
}

static void on_upgrade(struct master *master, const struct signalfd_siginfo *info)
{
	log_signal(info, "upgrade");
	upgrade_request(master);
}

static void move_pools(struct master *master, const struct signalfd_siginfo *info, int by)
{
	struct pool *pool;

	/* The terminal sends these to a background process that reads or writes it. */
	if (!is_from_process(info))
		return;
	log_signal(info, by > 0 ? "one worker more" : "one worker fewer");
	TAILQ_FOREACH (pool, &master->pools, link) {
		if (pool->phase == POOL_SERVING)
			pool_move(pool, by);
	}
}

static void on_more(struct master *master, const struct signalfd_siginfo *info)
{
	move_pools(master, info, 1);
}

static void on_fewer(struct master *master, const struct signalfd_siginfo *info)
{
	move_pools(master, info, -1);
}

static signal_action *const action_of[] = {
	[SIGCHLD] = on_child,       [SIGHUP] = on_hangup, [SIGTERM] = on_stop_or_kill,
	[SIGINT] = on_stop_or_kill, [SIGQUIT] = on_stop,  [SIGUSR1] = on_reopen,
	[SIGTTIN] = on_more,        [SIGTTOU] = on_fewer, [SIGUSR2] = on_upgrade,
};

enum { ACTIONS = sizeof(action_of) / sizeof(*action_of) };

static void on_signals(void *owner)
{
	struct master *master = owner;
	struct signalfd_siginfo info[16];
	ssize_t n = read(master->signal_fd, info, sizeof(info));

	if (n < 0)
		return; /* EAGAIN */
	for (size_t i = 0; i < (size_t)n / sizeof(*info); i++) {
		if (info[i].ssi_signo < ACTIONS && action_of[info[i].ssi_signo])
			action_of[info[i].ssi_signo](master, &info[i]);
	}
}

int signals_init(struct master *master)
{
	struct sigaction action = { .sa_handler = SIG_DFL }, before;
	sigset_t handled;

	sigemptyset(&handled);
	for (int signal = 1; signal < ACTIONS; signal++) {
		if (!action_of[signal])
			continue;
		sigaddset(&handled, signal);
		/* An ignored SIGCHLD, inherited from who started us, would hide our children. */
		sigaction(signal, &action, &before);
		if (signal == SIGHUP)
			master->hangup_ignored = before.sa_handler == SIG_IGN;
	}
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	if (sigprocmask(SIG_SETMASK, &handled, NULL) < 0)
		return -1;
	master->signal_fd = signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC);
	if (master->signal_fd < 0)
		return -1;
	return loop_add(&master->loop, &master->signals, master->signal_fd, on_signals, master);
}

void signals_cleanup(struct master *master)
{
	fd_close(&master->signal_fd);
}
