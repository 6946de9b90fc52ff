/* SPDX-License-Identifier: MIT */
/* The table of octet.h, and what is wrong with a byte. */
#include "services/http/octet.h"

/*
 * OCTET_PATH and OCTET_TARGET hold, beyond what RFC 3986 allows, [ ] \ ^ ` { | }: browsers send
 * these as they are (WHATWG URL), and no meaning but the literal one is given to them here.
 */
const uint8_t octet_classes[256] = {
	['\t'] = OCTET_VALUE,
	[' '] = OCTET_VALUE,
	['!'] = OCTET_ALL,
	['"'] = OCTET_VALUE,
	['#'] = OCTET_TOKEN | OCTET_VALUE,
	['$'] = OCTET_ALL,
	['%'] = OCTET_TOKEN | OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['&'] = OCTET_ALL,
	['\''] = OCTET_ALL,
	['('] = OCTET_PATH | OCTET_VALUE | OCTET_HOST | OCTET_TARGET,
	[')'] = OCTET_PATH | OCTET_VALUE | OCTET_HOST | OCTET_TARGET,
	['*'] = OCTET_ALL,
	['+'] = OCTET_ALL,
	[','] = OCTET_PATH | OCTET_VALUE | OCTET_HOST | OCTET_TARGET,
	['-'] = OCTET_ALL,
	['.'] = OCTET_ALL,
	['/'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['0' ... '9'] = OCTET_ALL | OCTET_DIGIT,
	[':'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	[';'] = OCTET_PATH | OCTET_VALUE | OCTET_HOST | OCTET_TARGET,
	['<'] = OCTET_VALUE,
	['='] = OCTET_PATH | OCTET_VALUE | OCTET_HOST | OCTET_TARGET,
	['>'] = OCTET_VALUE,
	['?'] = OCTET_VALUE | OCTET_TARGET,
	['@'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['A' ... 'Z'] = OCTET_ALL,
	['['] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['\\'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	[']'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['^'] = OCTET_TOKEN | OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['_'] = OCTET_ALL,
	['`'] = OCTET_TOKEN | OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['a' ... 'z'] = OCTET_ALL,
	['{'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['|'] = OCTET_TOKEN | OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['}'] = OCTET_PATH | OCTET_VALUE | OCTET_TARGET,
	['~'] = OCTET_ALL,
	[0x80 ... 0xff] = OCTET_VALUE,
};

const char *octet_fault(char byte, const char *otherwise)
{
	switch (byte) {
	case '\n':
		return "LF without CR";
	case '\r':
		return "CR within a line";
	case '\0':
		return "NUL byte";
	default:
		return otherwise;
	}
}
