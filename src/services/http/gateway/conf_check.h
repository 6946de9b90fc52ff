/* SPDX-License-Identifier: MIT */
/* What cannot be meant by the blocks of gateways: each mistake is said at its place. See conf.h. */
#ifndef SERVICES_HTTP_GATEWAY_CONF_CHECK_H
#define SERVICES_HTTP_GATEWAY_CONF_CHECK_H

#include "services/http/conf_check.h"
#include "services/http/gateway/conf.h"

/* All of `upstream`; check stands at the handler. */
void gateway_check_upstreams(struct check *check, const struct mu_blocks *upstreams);

/*
 * Those of one location, where check stands; rules: what else its block says. At most one gateway
 * is meant, and nothing that answers in its stead.
 */
void gateway_check(struct check *check, const struct gateway_blocks *blocks,
		   const struct rules_conf *rules, const struct mu_blocks *upstreams);

#endif
