/* SPDX-License-Identifier: MIT */
/* Deaths counted, as tally.h says. */
#include "master/tally.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static bool is_same(const struct death_kind *a, const struct death_kind *b)
{
	return a->code == b->code && a->status == b->status && a->cause == b->cause;
}

static struct tally_kind *find(struct tally *tally, const struct death_kind *kind)
{
	struct tally_kind *found;

	for (size_t i = 0; i < tally->kinds; i++) {
		if (is_same(&tally->of[i].kind, kind))
			return &tally->of[i];
	}
	if (tally->kinds == TALLY_KINDS)
		return &tally->of[TALLY_KINDS - 1];
	found = &tally->of[tally->kinds++];
	*found = (struct tally_kind){ .kind = *kind };
	/* The last place is shared by all that found no other: code 0 is no end of a child. */
	if (tally->kinds == TALLY_KINDS)
		found->kind = (struct death_kind){ 0 };
	return found;
}

bool tally_add(struct tally *tally, const struct death_kind *kind, int64_t now)
{
	struct tally_kind *same;

	if (!tally->kinds || (now - tally->began_at >= TALLY_WINDOW_MS && tally_due(tally) == 0))
		*tally = (struct tally){ .began_at = now };
	same = find(tally, kind);
	if (same->told < TALLY_TOLD) {
		same->told++;
		return true;
	}
	same->untold++;
	return false;
}

int64_t tally_due(const struct tally *tally)
{
	for (size_t i = 0; i < tally->kinds; i++) {
		if (tally->of[i].untold)
			return tally->began_at + TALLY_WINDOW_MS;
	}
	return 0;
}

bool tally_take(struct tally *tally, int64_t now, char buffer[TALLY_TEXT_MAX])
{
	int64_t window = now - tally->began_at;
	char end[DEATH_KIND_TEXT_MAX], last[CLOCK_TEXT_MAX] = "minute";

	if (window < TALLY_WINDOW_MS)
		clock_text(window, last);
	for (size_t i = 0; i < tally->kinds; i++) {
		struct tally_kind *kind = &tally->of[i];

		if (!kind->untold)
			continue;
		death_kind_text(&kind->kind, kind->untold, end);
		snprintf(buffer, TALLY_TEXT_MAX, "%u more worker%s %s%s in the last %s",
			 kind->untold, plural((long)kind->untold), end, strchr(end, ',') ? "," : "",
			 last);
		kind->untold = 0;
		return true;
	}
	memset(tally, 0, sizeof(*tally));
	return false;
}
