/* SPDX-License-Identifier: MIT */
/* Upgrades in place. */
#include "base/log.h"
#include "master/state.h"

unsigned upgrade_request(struct master *master)
{
	unsigned ticket = ++master->tickets;

	log_notice("an upgrade was asked for: this program cannot");
	control_answer(master, ticket, false, "this program cannot upgrade itself");
	return ticket;
}
