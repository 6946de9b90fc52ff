/* SPDX-License-Identifier: MIT */
/* Modules in files, as object.h says. What makes a module's struct and its tables sound is in table.c. */
#include "config/object.h"

#include "config/resolver.h"
#include "config/table.h"

#include <bsd/string.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The name of a file may have the ending, and may leave it out. */
#define ENDING ".so"

static void __attribute__((__format__(__printf__, 2, 3)))
say(char *reason_r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason_r, RESOLVER_REASON_MAX, format, args);
	va_end(args);
}

/* ------------------------------------------------------------------------------------ finding ---- */

static bool has_ending(const char *name)
{
	size_t len = strlen(name), ending = strlen(ENDING);

	return len > ending && strcmp(name + len - ending, ENDING) == 0;
}

/* False with the reason: there is something that is no file. errno ENOENT: there is nothing. */
static bool is_file(const char *path, char *reason_r)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			say(reason_r, "%s: %s", path, strerror(errno));
		return false;
	}
	if (S_ISREG(st.st_mode))
		return true;
	say(reason_r, "%s is not a file", path);
	errno = EISDIR;
	return false;
}

/* The places where the file may be, in the order in which they are looked at. */
static int list_places(const char *asked, char place_r[2][PATH_MAX])
{
	const char *folder = strchr(asked, '/') ? "" : MODULEDIR "/";
	int n = 0;

	if (*folder == '\0' || has_ending(asked))
		snprintf(place_r[n++], PATH_MAX, "%s%s", folder, asked);
	if (!has_ending(asked))
		snprintf(place_r[n++], PATH_MAX, "%s%s" ENDING, folder, asked);
	return n;
}

static bool find(const char *asked, char *path_r, char *reason_r)
{
	char place[2][PATH_MAX];
	int n = list_places(asked, place);

	for (int i = 0; i < n; i++) {
		if (is_file(place[i], reason_r)) {
			strlcpy(path_r, place[i], PATH_MAX);
			return true;
		}
		if (errno != ENOENT)
			return false;
	}
	say(reason_r, "there is no such file: %s%s%s%s", place[0], n > 1 ? ", " : "",
	    n > 1 ? place[1] : "",
	    strchr(asked, '/') ? "" : "; one in this folder is written ./NAME" ENDING);
	return false;
}

/* ------------------------------------------------------------------------------------ loading ---- */

/* What dlopen says begins with the path, mostly. */
static void say_dlerror(const char *path, char *reason_r)
{
	const char *error = dlerror(), *hint = "";
	size_t len = strlen(path);

	if (!error)
		error = "cannot be loaded";
	if (strncmp(error, path, len) == 0 && strncmp(error + len, ": ", 2) == 0)
		error += len + 2;
	if (strstr(error, "undefined symbol: mu_"))
		hint = "; this musterd has no such function: rebuild the module against its header";
	else if (strstr(error, "undefined symbol"))
		hint = "; the module has to be linked with the library that has it";
	else if (strstr(error, "invalid ELF header") || strstr(error, "file too short"))
		hint = ": it is not a shared object";
	say(reason_r, "%s: %s%s", path, error, hint);
}

/* How many bytes stand behind the symbol; 0: nobody says. */
static size_t size_of(const void *symbol)
{
	const ElfW(Sym) *entry = NULL;
	Dl_info info;

	if (!dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT) || !entry)
		return 0;
	return entry->st_size;
}

static bool is_module(const char *path, const struct mu_module *module, char *reason_r)
{
	size_t size = size_of(module);
	char wrong[RESOLVER_REASON_MAX];

	if (size && size <= sizeof(void *)) {
		say(reason_r, "%s: its " MU_MODULE_SYMBOL " is not a struct mu_module", path);
		return false;
	}
	if (module->abi == 0) {
		say(reason_r, "%s: its " MU_MODULE_SYMBOL " lacks .abi = MU_ABI", path);
		return false;
	}
	if (module->abi != MU_ABI) {
		say(reason_r,
		    "%s was built for module interface %u, and this musterd has %u: rebuild the "
		    "module against the header of this musterd",
		    path, module->abi, MU_ABI);
		return false;
	}
	if (size && size < sizeof(*module)) {
		say(reason_r,
		    "%s: its " MU_MODULE_SYMBOL " has %zu bytes, and a struct mu_module %zu", path,
		    size, sizeof(*module));
		return false;
	}
	if (!table_is_sound(module, wrong)) {
		say(reason_r, "%s: %s", path, wrong);
		return false;
	}
	return true;
}

const struct mu_module *object_load(const char *asked, char *path_r, char *reason_r)
{
	const struct mu_module *module;
	void *object;

	if (!find(asked, path_r, reason_r))
		return NULL;
	object = dlopen(path_r, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		say_dlerror(path_r, reason_r);
		return NULL;
	}
	module = dlsym(object, MU_MODULE_SYMBOL);
	if (!module) {
		say(reason_r, "%s has no " MU_MODULE_SYMBOL ": it is no module of musterd's",
		    path_r);
		return NULL;
	}
	return is_module(path_r, module, reason_r) ? module : NULL;
}
