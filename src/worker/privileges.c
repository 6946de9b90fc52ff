/* SPDX-License-Identifier: MIT */
/* Giving up privileges, as privileges.h says. */
#include "worker/privileges.h"

#include "base/log.h"
#include "config/config.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Beside the connections: standard ones, log, control, epoll, listeners, outputs; what a module keeps open. */
enum { FILES_NEEDED = 12, FILES_SPARE = 64 };
/* What a connection may open beside itself. */
enum { FILES_BESIDE = 3 };

static rlim_t raise_open_files(rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	if (limit.rlim_max < wanted) {
		struct rlimit higher = { wanted, wanted };

		/* Only with CAP_SYS_RESOURCE, and not above fs.nr_open. */
		if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
			return wanted;
		wanted = limit.rlim_max;
	}
	limit.rlim_cur = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? wanted : 0;
}

size_t privileges_open_files(const struct service_conf *service, size_t connections)
{
	size_t overhead = FILES_NEEDED + service->listens + service->outputs;
	bool configured = service->nofile >= 0;
	size_t fit;
	rlim_t got;

	if (configured) {
		struct rlimit limit = { (rlim_t)service->nofile, (rlim_t)service->nofile };

		if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
			log_err("cannot set limit { nofile %" PRId64 " }: %s", service->nofile,
				strerror(errno));
			return 0;
		}
		got = limit.rlim_cur;
	} else {
		got = raise_open_files(connections + overhead + FILES_SPARE);
		/* Connections of our own, pipes: where it can be had. */
		raise_open_files((1 + FILES_BESIDE) * connections + overhead + FILES_SPARE);
	}
	fit = got > overhead ? got - overhead : 0;
	if (fit >= connections)
		return connections;
	log_warning("only %zu of %zu connections fit under the limit of %ju open files: raise %s",
		    fit, connections, (uintmax_t)got,
		    configured ? "limit { nofile } of the service"
			       : "the hard limit (ulimit -Hn, LimitNOFILE= of the unit)");
	return fit;
}

static int set_limit(int resource, const char *name, int64_t value)
{
	struct rlimit limit;

	if (value == CONF_INHERIT)
		return 0;
	limit.rlim_cur = limit.rlim_max = value == CONF_UNLIMITED ? RLIM_INFINITY : (rlim_t)value;
	if (setrlimit(resource, &limit) == 0)
		return 0;
	log_err("cannot set limit { %s }: %s", name, strerror(errno));
	return -1;
}

static int failed(const char *what, const char *with)
{
	log_err("cannot %s %s: %s", what, with, strerror(errno));
	return -1;
}

static int change_user(const struct conf_ids *ids)
{
	uid_t real, effective, saved;

	if (setgroups(ids->groups, ids->group) < 0)
		return failed("take the groups of", ids->user);
	if (setresgid(ids->gid, ids->gid, ids->gid) < 0)
		return failed("take the group of", ids->user);
	if (setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return failed("become", ids->user);
	if (getresuid(&real, &effective, &saved) < 0 || real != ids->uid || effective != ids->uid ||
	    saved != ids->uid) {
		log_err("still not %s after setresuid; leaving", ids->user);
		return -1;
	}
	if (ids->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
		log_err("could become root again after becoming %s; leaving", ids->user);
		return -1;
	}
	return 0;
}

/*
 * What a master that is not root has by its start (AmbientCapabilities= of systemd): workers are born with it, and what
 * they execute would be. A change of user from root has taken all of it already.
 */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (geteuid() == 0)
		return 0;
	if (syscall(SYS_capget, &header, data) < 0)
		return failed("look at", "capabilities");
	if (!(data[0].permitted | data[1].permitted | data[0].inheritable | data[1].inheritable))
		return 0;
	memset(data, 0, sizeof(data));
	return syscall(SYS_capset, &header, data) < 0 ? failed("give up", "capabilities") : 0;
}

int privileges_drop(const struct service_conf *service)
{
	umask(service->umask);
	if (set_limit(RLIMIT_CORE, "core", service->core) < 0)
		return -1;
	if (service->chroot && (chroot(service->chroot) < 0 || chdir("/") < 0))
		return failed("change the root folder to", service->chroot);
	if (service->ids.change && change_user(&service->ids) < 0)
		return -1;
	if (drop_capabilities() < 0)
		return -1;
	/* A change of user makes the kernel refuse core files: asked for, they are wanted. */
	if (service->core > 0 || service->core == CONF_UNLIMITED)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (service->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("set", "no_new_privs");
	return set_limit(RLIMIT_AS, "as", service->as);
}
