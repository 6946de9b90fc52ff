/* SPDX-License-Identifier: MIT */
#include "config/diff.h"
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
static bool same(const struct conf_node *a, const struct conf_node *b)
{
	for (; a && b; a = a->next, b = b->next) {
		if (a->words != b->words)
			return false;
		for (size_t i = 0; i < a->words; i++)
			if (strcmp(a->word[i], b->word[i]))
				return false;
		if (!same(a->child, b->child))
			return false;
	}
	return !a && !b;
}
static const struct conf_node *node_of(const struct config *c, const char *name)
{
	for (const struct conf_node *n = c->root; n; n = n->next)
		if (!strcmp(n->word[0], "service") && !strcmp(n->word[1], name))
			return n->child;
	return NULL;
}
struct plan *plan_new(const struct config *old, const struct config *new)
{
	struct plan *p = calloc(1, sizeof(*p));
	p->service = calloc(new->services + 1, sizeof(*p->service));
	for (size_t i = 0; i < new->services; i++) {
		struct plan_service *s = &p->service[p->services++];
		s->name = new->service[i]->name;
		s->new_service = new->service[i];
		const struct conf_node *o = old ? node_of(old, s->name) : NULL;
		s->action = !o                               ? PLAN_ADDED
			    : same(o, node_of(new, s->name)) ? PLAN_UNCHANGED
							     : PLAN_CHANGED;
	}
	return p;
}
void plan_free(struct plan *p)
{
	if (p) {
		free(p->service);
		free(p);
	}
}
char *plan_text(const struct plan *p)
{
	char *t = NULL;
	size_t n;
	FILE *f = open_memstream(&t, &n);
	for (size_t i = 0; i < p->services; i++)
		fprintf(f, "service %s: %d\n", p->service[i].name, p->service[i].action);
	fclose(f);
	return t;
}
