/* SPDX-License-Identifier: MIT */
/* Resource limits, as limits.h says. */
#include "master/limits.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

enum { OWN_FILES = 64 };

void limits_need_files(size_t n)
{
	rlim_t need = (rlim_t)n + OWN_FILES;
	struct rlimit limit, wanted;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
		return;
	wanted = limit;
	wanted.rlim_cur = need;
	if (wanted.rlim_max < need)
		wanted.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return;
	log_warning("the configured workers need %llu open files in the master, but the hard limit "
		    "is %llu (%s): raise it (ulimit -Hn, LimitNOFILE=)",
		    (unsigned long long)need, (unsigned long long)limit.rlim_max, strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
