/* SPDX-License-Identifier: MIT */
/* A configuration loaded at a distance, as try.h says. */
#include "config/try.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

char *conf_step_new(void)
{
	void *step = mmap(NULL, CONF_STEP_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);

	return step == MAP_FAILED ? NULL : step;
}

void conf_step_free(char *step)
{
	if (step)
		munmap(step, CONF_STEP_MAX);
}

struct attempt {
	const char *path;
	const struct mu_module *const *modules;
	int (*then)(const struct config *config);
	FILE *out;
	char *step;
};

static int load(const struct attempt *attempt)
{
	struct conf_errors errors = { .step = attempt->step, .step_size = CONF_STEP_MAX };
	struct config *config = config_load(attempt->path, attempt->modules, &errors);
	int status = EX_CONFIG;

	if (config)
		status = attempt->then(config);
	else
		conf_errors_print(&errors, attempt->out);
	conf_errors_cleanup(&errors);
	config_unref(config);
	if (fflush(NULL) != 0 && status == EX_OK)
		status = EX_IOERR;
	return status;
}

static int judge(const struct attempt *attempt, int status)
{
	const char *step = attempt->step ? attempt->step : "";
	const char *in = *step ? " in " : "";

	if (WIFSIGNALED(status))
		fprintf(attempt->out, "%s cannot be used: the check was killed by SIG%s%s%.*s\n",
			attempt->path, sigabbrev_np(WTERMSIG(status)), in, CONF_STEP_MAX, step);
	else if (*step)
		fprintf(attempt->out, "%s cannot be used: the check exited with status %d%s%.*s\n",
			attempt->path, WEXITSTATUS(status), in, CONF_STEP_MAX, step);
	else
		return WEXITSTATUS(status);
	return EX_CONFIG;
}

static int run(const struct attempt *attempt)
{
	pid_t parent = getpid(), child;
	int status;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		fprintf(attempt->out, "cannot start a process: %s\n", strerror(errno));
		return EX_OSERR;
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? load(attempt) : EX_OSERR);
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return EX_OSERR;
	}
	return judge(attempt, status);
}

int config_try(const char *path, const struct mu_module *const *modules,
	       int (*then)(const struct config *config), FILE *out)
{
	struct attempt attempt = { path, modules, then, out, conf_step_new() };
	int status = run(&attempt);

	conf_step_free(attempt.step);
	return status;
}
