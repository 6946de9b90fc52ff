/* SPDX-License-Identifier: MIT */
/*
 * All that a configuration asks of the system: names, users, CPUs, files. A live resolver asks and
 * records the answers; a replaying one takes them from such a record, in the same order, and asks
 * nobody. So the checker and the master run the same code over the same tree to the same end.
 */
#ifndef CONFIG_RESOLVER_H
#define CONFIG_RESOLVER_H

#include "config/errors.h"

enum { RESOLVER_REASON_MAX = 1024, RESOLVER_ADDRESSES_MAX = 64, RESOLVER_IDENTITY_MAX = 128 };

enum resolver_file {
	RESOLVER_LOG,     /* can be written, or made */
	RESOLVER_PIDFILE, /* the same */
	RESOLVER_OUTPUT,  /* the same */
	RESOLVER_CONTROL, /* a socket can be made there */
	RESOLVER_CHROOT   /* is a folder */
};

/* 0, or -1 with a reason of at most RESOLVER_REASON_MAX bytes. */
struct resolver_ops {
	/* As address_resolve. */
	int (*listen)(const struct listen_name *name, struct address *address_r, size_t max,
		      const char **reason_r);
	/* Either may be NULL, not both. group_r: malloc'd, to be freed. -2: the group is what is wrong. */
	int (*ids)(const char *user, const char *group, struct conf_ids *ids_r, gid_t **group_r,
		   char *reason_r);
	int (*owner)(const char *user, uid_t *uid_r, char *reason_r);
	int (*group)(const char *group, gid_t *gid_r, char *reason_r);
	int (*cpus)(void);
	int (*file)(enum resolver_file what, const char *path, char *reason_r);
	/*
	 * A text of at most RESOLVER_IDENTITY_MAX bytes that is another one when the file was replaced or
	 * written to since; "" for what is no regular file.
	 */
	void (*identity)(const char *path, char *identity_r);
	/* As object_load. */
	const struct mu_module *(*module)(const char *asked, char *path_r, char *reason_r);
};

extern const struct resolver_ops resolver_system;

struct resolver {
	struct conf_context *context;
	const struct resolver_ops *ops; /* NULL: replaying */
	struct conf_node *first;        /* what was answered so far */
	struct conf_node **tail, *last;
	const struct conf_node *next; /* what comes next in the replay */
};

void resolver_init(struct resolver *resolver, struct conf_context *context,
		   const struct resolver_ops *ops);
void resolver_init_replay(struct resolver *resolver, struct conf_context *context,
			  const struct conf_node *record);
bool resolver_is_live(const struct resolver *resolver);

/* The results live as long as the context's arena. */
int resolver_listen(struct resolver *resolver, const char *text, const struct listen_name *name,
		    const struct address **address_r, size_t *n_r, char *reason_r);
int resolver_ids(struct resolver *resolver, const char *user, const char *group,
		 struct conf_ids *ids_r, char *reason_r);
int resolver_owner(struct resolver *resolver, const char *user, uid_t *uid_r, char *reason_r);
int resolver_group(struct resolver *resolver, const char *group, gid_t *gid_r, char *reason_r);
int resolver_cpus(struct resolver *resolver, int *cpus_r, char *reason_r);
/*
 * A module in a file. From a replay it has its name, flags and connections alone, and no functions; what its block says
 * comes from resolver_block.
 */
int resolver_module(struct resolver *resolver, const char *asked, const struct conf_place *at,
		    const struct mu_module **module_r, struct conf_object **object_r,
		    char *reason_r);
/* What the block of such a module came to. */
struct resolver_block {
	const struct conf_value *value;
	size_t values;
	const char *const *path; /* of MU_PATH */
	size_t paths;
	const struct conf_output *output;
	size_t outputs;
};
/* A live resolver records the block; a replaying one fills it. */
int resolver_block(struct resolver *resolver, struct resolver_block *block, char *reason_r);
/* What n files are. */
int resolver_files(struct resolver *resolver, const char *const *path, size_t n,
		   const struct conf_file **file_r, char *reason_r);
/* A replay always says 0: that is for the checker to find. */
int resolver_file(struct resolver *resolver, enum resolver_file what, const char *path,
		  char *reason_r);

#endif
