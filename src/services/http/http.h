/* SPDX-License-Identifier: MIT */
/* The website service. */
#ifndef SERVICES_HTTP_HTTP_H
#define SERVICES_HTTP_HTTP_H

#include "musterd/module.h"

extern const struct mu_module mu_http;

#endif
