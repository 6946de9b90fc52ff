/* SPDX-License-Identifier: MIT */
/*
 * Recording and replaying, as resolver.h says. A record is a list of nodes without places: a word for
 * what was asked, the question, the answer. Asking itself is in system.c.
 */
#include "config/resolver_record.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void resolver_init(struct resolver *resolver, struct conf_context *context,
		   const struct resolver_ops *ops)
{
	*resolver = (struct resolver){ .context = context, .ops = ops };
	resolver->tail = &resolver->first;
}

void resolver_init_replay(struct resolver *resolver, struct conf_context *context,
			  const struct conf_node *record)
{
	resolver_init(resolver, context, NULL);
	resolver->next = record;
}

bool resolver_is_live(const struct resolver *resolver)
{
	return resolver->ops;
}

int resolver_fail(char *reason_r, const char *reason)
{
	strlcpy(reason_r, reason, RESOLVER_REASON_MAX);
	return -1;
}

const char **resolver_record(struct resolver *resolver, size_t n)
{
	struct conf_node *node = conf_alloc(resolver->context, sizeof(*node));
	const char **word = conf_alloc(resolver->context, n * sizeof(*word));
	struct conf_place *at = conf_alloc(resolver->context, n * sizeof(*at));

	if (!node || !word || !at)
		return NULL;
	node->words = n;
	node->word = word;
	node->word_at = at;
	*resolver->tail = resolver->last = node;
	resolver->tail = &node->next;
	return word;
}

const char *const *resolver_replay(struct resolver *resolver, size_t n, const char *what,
				   const char *question, const char *more, char *reason_r)
{
	const struct conf_node *node = resolver->next;

	if (!node || node->words < n || strcmp(node->word[0], what) != 0 ||
	    (question && strcmp(node->word[1], question) != 0) ||
	    (more && strcmp(node->word[2], more) != 0)) {
		resolver_fail(reason_r, "the captured answers do not fit the configuration");
		return NULL;
	}
	resolver->next = node->next;
	return node->word;
}

const char *resolver_number(struct resolver *resolver, unsigned long number)
{
	return conf_printf(resolver->context, "%lu", number);
}

bool resolver_read_number(const char *word, unsigned long max, unsigned long *number_r,
			  char *reason_r)
{
	const char *error;

	*number_r = (unsigned long)strtonum(word, 0, (long long)max, &error);
	if (error)
		resolver_fail(reason_r, "a captured number is none");
	return !error;
}

/* ---------------------------------------------------------------------------------- addresses ---- */

/* "listen" TEXT ADDRESS... */
static int record_listen(struct resolver *resolver, const char *text, const struct address *address,
			 size_t n, char *reason_r)
{
	const char **word = resolver_record(resolver, 2 + n);
	char buffer[ADDRESS_TEXT_MAX];

	if (!word)
		return resolver_fail(reason_r, "out of memory");
	word[0] = "listen";
	word[1] = text;
	for (size_t i = 0; i < n; i++) {
		word[2 + i] = conf_strdup(resolver->context, address_text(&address[i], buffer));
		if (!word[2 + i])
			return resolver_fail(reason_r, "out of memory");
	}
	return 0;
}

static int replay_listen(struct resolver *resolver, const char *text, struct address *address_r,
			 char *reason_r)
{
	const struct conf_node *node = resolver->next;
	const char *const *word = resolver_replay(resolver, 3, "listen", text, NULL, reason_r);
	int n;

	if (!word)
		return -1;
	if (node->words - 2 > RESOLVER_ADDRESSES_MAX)
		return resolver_fail(reason_r, "too many captured addresses");
	n = (int)node->words - 2;
	for (int i = 0; i < n; i++)
		if (address_parse(&address_r[i], word[2 + i]) < 0)
			return resolver_fail(reason_r, "a captured address is none");
	return n;
}

int resolver_listen(struct resolver *resolver, const char *text, const struct listen_name *name,
		    const struct address **address_r, size_t *n_r, char *reason_r)
{
	struct address found[RESOLVER_ADDRESSES_MAX], *copy;
	const char *reason = NULL;
	int n;

	if (resolver->ops) {
		n = resolver->ops->listen(name, found, RESOLVER_ADDRESSES_MAX, &reason);
		if (n < 0)
			return resolver_fail(reason_r, reason);
		if (n == 0)
			return resolver_fail(reason_r, "it has no address");
	} else {
		n = replay_listen(resolver, text, found, reason_r);
		if (n < 0)
			return -1;
	}
	if (record_listen(resolver, text, found, (size_t)n, reason_r) < 0)
		return -1;
	copy = conf_alloc(resolver->context, (size_t)n * sizeof(*copy));
	if (!copy)
		return resolver_fail(reason_r, "out of memory");
	memcpy(copy, found, (size_t)n * sizeof(*copy));
	*address_r = copy;
	*n_r = (size_t)n;
	return 0;
}

/* ------------------------------------------------------------------------- users and groups ---- */

/* "ids" USER GROUP CHANGE UID GID GROUP... */
static int record_ids(struct resolver *resolver, const char *user, const char *group,
		      const struct conf_ids *ids, char *reason_r)
{
	const char **word = resolver_record(resolver, 6 + ids->groups);

	if (!word)
		return resolver_fail(reason_r, "out of memory");
	word[0] = "ids";
	word[1] = user ? user : "";
	word[2] = group ? group : "";
	word[3] = ids->change ? "yes" : "no";
	word[4] = resolver_number(resolver, ids->uid);
	word[5] = resolver_number(resolver, ids->gid);
	for (size_t i = 0; i < ids->groups; i++)
		word[6 + i] = resolver_number(resolver, ids->group[i]);
	for (size_t i = 4; i < 6 + ids->groups; i++)
		if (!word[i])
			return resolver_fail(reason_r, "out of memory");
	return 0;
}

static int replay_ids(struct resolver *resolver, const char *user, const char *group,
		      struct conf_ids *ids_r, gid_t **group_r, char *reason_r)
{
	const struct conf_node *node = resolver->next;
	const char *const *word =
		resolver_replay(resolver, 6, "ids", user ? user : "", group ? group : "", reason_r);
	unsigned long number;

	if (!word)
		return -1;
	ids_r->change = strcmp(word[3], "yes") == 0;
	/* The largest number stands for "no change" in setuid and its kind. */
	if (!resolver_read_number(word[4], UINT32_MAX - 1, &number, reason_r))
		return -1;
	ids_r->uid = (uid_t)number;
	if (!resolver_read_number(word[5], UINT32_MAX - 1, &number, reason_r))
		return -1;
	ids_r->gid = (gid_t)number;
	ids_r->groups = node->words - 6;
	*group_r = calloc(ids_r->groups + 1, sizeof(**group_r));
	if (!*group_r)
		return resolver_fail(reason_r, "out of memory");
	for (size_t i = 0; i < ids_r->groups; i++) {
		if (!resolver_read_number(word[6 + i], UINT32_MAX - 1, &number, reason_r))
			return -1;
		(*group_r)[i] = (gid_t)number;
	}
	return 0;
}

int resolver_ids(struct resolver *resolver, const char *user, const char *group,
		 struct conf_ids *ids_r, char *reason_r)
{
	gid_t *list = NULL, *copy;
	int result;

	*ids_r = (struct conf_ids){ .user = user };
	if (resolver->ops)
		result = resolver->ops->ids(user, group, ids_r, &list, reason_r);
	else
		result = replay_ids(resolver, user, group, ids_r, &list, reason_r);
	if (result == 0) {
		copy = conf_alloc(resolver->context, (ids_r->groups + 1) * sizeof(*copy));
		if (copy && list)
			memcpy(copy, list, ids_r->groups * sizeof(*copy));
		ids_r->group = copy;
		result = copy ? record_ids(resolver, user, group, ids_r, reason_r)
			      : resolver_fail(reason_r, "out of memory");
	}
	free(list);
	return result;
}

/* WHAT QUESTION NUMBER */
static int record_number(struct resolver *resolver, const char *what, const char *question,
			 unsigned long number, char *reason_r)
{
	const char **word = resolver_record(resolver, 3);
	const char *text = resolver_number(resolver, number);

	if (!word || !text)
		return resolver_fail(reason_r, "out of memory");
	word[0] = what;
	word[1] = question;
	word[2] = text;
	return 0;
}

static int replay_number(struct resolver *resolver, const char *what, const char *question,
			 unsigned long max, unsigned long *number_r, char *reason_r)
{
	const char *const *word = resolver_replay(resolver, 3, what, question, NULL, reason_r);

	return word && resolver_read_number(word[2], max, number_r, reason_r) ? 0 : -1;
}

int resolver_owner(struct resolver *resolver, const char *user, uid_t *uid_r, char *reason_r)
{
	unsigned long number = 0;

	if (resolver->ops) {
		if (resolver->ops->owner(user, uid_r, reason_r) < 0)
			return -1;
		number = *uid_r;
	} else if (replay_number(resolver, "owner", user, UINT32_MAX - 1, &number, reason_r) < 0) {
		return -1;
	}
	*uid_r = (uid_t)number;
	return record_number(resolver, "owner", user, number, reason_r);
}

int resolver_group(struct resolver *resolver, const char *group, gid_t *gid_r, char *reason_r)
{
	unsigned long number = 0;

	if (resolver->ops) {
		if (resolver->ops->group(group, gid_r, reason_r) < 0)
			return -1;
		number = *gid_r;
	} else if (replay_number(resolver, "group", group, UINT32_MAX - 1, &number, reason_r) < 0) {
		return -1;
	}
	*gid_r = (gid_t)number;
	return record_number(resolver, "group", group, number, reason_r);
}

int resolver_cpus(struct resolver *resolver, int *cpus_r, char *reason_r)
{
	unsigned long number;

	if (resolver->ops)
		number = (unsigned long)resolver->ops->cpus();
	else if (replay_number(resolver, "cpus", "auto", 1 << 20, &number, reason_r) < 0)
		return -1;
	*cpus_r = number < 1 ? 1 : (int)number;
	return record_number(resolver, "cpus", "auto", number, reason_r);
}

int resolver_file(struct resolver *resolver, enum resolver_file what, const char *path,
		  char *reason_r)
{
	return resolver->ops ? resolver->ops->file(what, path, reason_r) : 0;
}

/* ------------------------------------------------------------------------- identities of files ---- */

/* "identity" PATH IDENTITY */
static int resolve_file(struct resolver *resolver, const char *path, struct conf_file *file_r,
			char *reason_r)
{
	const char *const *answer = NULL;
	char identity[RESOLVER_IDENTITY_MAX];
	const char **word;

	if (resolver->ops)
		resolver->ops->identity(path, identity);
	else
		answer = resolver_replay(resolver, 3, "identity", path, NULL, reason_r);
	if (!resolver->ops && !answer)
		return -1;
	file_r->path = path;
	file_r->identity = conf_strdup(resolver->context, answer ? answer[2] : identity);
	word = resolver_record(resolver, 3);
	if (!word || !file_r->identity)
		return resolver_fail(reason_r, "out of memory");
	word[0] = "identity";
	word[1] = path;
	word[2] = file_r->identity;
	return 0;
}

int resolver_files(struct resolver *resolver, const char *const *path, size_t n,
		   const struct conf_file **file_r, char *reason_r)
{
	struct conf_file *file = conf_alloc(resolver->context, (n + 1) * sizeof(*file));

	if (!file)
		return resolver_fail(reason_r, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (resolve_file(resolver, path[i], &file[i], reason_r) < 0)
			return -1;
	*file_r = file;
	return 0;
}
