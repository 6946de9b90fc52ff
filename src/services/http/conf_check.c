/* SPDX-License-Identifier: MIT */
/* What cannot be meant in the block of a website; see conf.h. */
#include "services/http/conf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void conf_check(void *config, struct mu_report *report)
{
	const struct site_conf *conf = config;
	struct stat st;

	if (conf->rules.root && stat(conf->rules.root, &st) < 0)
		mu_error(report, "root", "cannot use %s: %s", conf->rules.root, strerror(errno));
	else if (conf->rules.root && !S_ISDIR(st.st_mode))
		mu_error(report, "root", "%s is not a folder", conf->rules.root);
	if (conf->health && conf->health[0] != '/')
		mu_error(report, "health", "\"%s\" is no path of a request: it begins with /",
			 conf->health);
	for (size_t i = 0; i < conf->rules.index.n; i++)
		if (!*conf->rules.index.word[i] || strchr(conf->rules.index.word[i], '/'))
			mu_error(report, "index", "\"%s\" is no file name",
				 conf->rules.index.word[i]);
}
