/* SPDX-License-Identifier: MIT */
/*
 * Requests, good and bad, each parsed at once, in two pieces split at every byte, and byte by byte;
 * always from memory that ends where the bytes end, so that a checker sees a read beyond them.
 */
#include "services/http/request.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#define T(text) text, sizeof(text) - 1
#define H       "Host: a\r\n"
#define END     "\r\n"
#define GET     "GET / HTTP/1.1\r\n"

struct row {
	const char *text;
	size_t len;
	int status; /* 0: a good one */
	const char
		*expect; /* good: what describe() makes of it; bad: the section that condemns it */
};

/* Names of the sections: RFC number, then the section. */
static const struct row rows[] = {
	/* ---- the request line ---- */
	{ T(GET H END), 0, "GET o1 / [] [a] keep" },
	{ T("HEAD / HTTP/1.1\r\n" H END), 0, "HEAD o1 / [] [a] keep" },
	{ T("POST / HTTP/1.1\r\n" H END), 0, "POST o1 / [] [a] keep" },
	{ T("PUT / HTTP/1.1\r\n" H END), 0, "PUT o1 / [] [a] keep" },
	{ T("DELETE / HTTP/1.1\r\n" H END), 0, "DELETE o1 / [] [a] keep" },
	{ T("TRACE / HTTP/1.1\r\n" H END), 0, "TRACE o1 / [] [a] keep" },
	{ T("PATCH / HTTP/1.1\r\n" H END), 0, "PATCH o1 / [] [a] keep" },
	{ T("OPTIONS / HTTP/1.1\r\n" H END), 0, "OPTIONS o1 / [] [a] keep" },
	{ T("BREW / HTTP/1.1\r\n" H END), 0, "- o1 / [] [a] keep" },
	{ T("get / HTTP/1.1\r\n" H END), 0, "- o1 / [] [a] keep" },
	{ T("GETS / HTTP/1.1\r\n" H END), 0, "- o1 / [] [a] keep" },
	{ T("G / HTTP/1.1\r\n" H END), 0, "- o1 / [] [a] keep" },
	{ T("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" H END), 0, "- o1 / [] [a] keep" },
	{ T("GET /a/b.html?x=1&y=2 HTTP/1.1\r\n" H END), 0,
	  "GET o1 /a/b.html [?x=1&y=2] [a] keep" },
	{ T("GET /? HTTP/1.1\r\n" H END), 0, "GET o1 / [?] [a] keep" },
	{ T("GET /a?b?c HTTP/1.1\r\n" H END), 0, "GET o1 /a [?b?c] [a] keep" },
	{ T("GET /a;b=c,d:@!$&'()*+-._~ HTTP/1.1\r\n" H END), 0,
	  "GET o1 /a;b=c,d:@!$&'()*+-._~ [] [a] keep" },
	{ T("GET /%41%zz HTTP/1.1\r\n" H END), 0, "GET o1 /%41%zz [] [a] keep" },
	{ T("GET /[x]?a={b}|c^`\\ HTTP/1.1\r\n" H END), 0, "GET o1 /[x] [?a={b}|c^`\\] [a] keep" },
	{ T("GET //x//y HTTP/1.1\r\n" H END), 0, "GET o1 //x//y [] [a] keep" },
	{ T("\r\n" GET H END), 0, "GET o1 / [] [a] keep" },
	{ T("\r\n\r\n\r\n\r\n" GET H END), 0, "GET o1 / [] [a] keep" },
	{ T("\r\n\r\n\r\n\r\n\r\n" GET H END), 400, "9112 2.2" },
	{ T("\n" GET H END), 400, "9112 2.2" },
	{ T("\r\r\n" GET H END), 400, "9112 2.2" },
	{ T(" " GET H END), 400, "9112 3" },
	{ T("\t" GET H END), 400, "9112 3" },
	{ T("\0" GET H END), 400, "9112 3" },
	{ T("GET  / HTTP/1.1\r\n" H END), 400, "9112 3" },
	{ T("GET\t/ HTTP/1.1\r\n" H END), 400, "9112 3" },
	{ T("GET /  HTTP/1.1\r\n" H END), 400, "9112 3" },
	{ T("GET /\tHTTP/1.1\r\n" H END), 400, "9112 3" },
	{ T("GET / HTTP/1.1 \r\n" H END), 400, "9112 3" },
	{ T("GET / HTTP/1.1\t\r\n" H END), 400, "9112 3" },
	{ T("GET / HTTP/1.1\n" H END), 400, "9112 2.2" },
	{ T("GET / HTTP/1.1\r" H END), 400, "9112 2.2" },
	{ T("GET / HTTP/1.1\r\r\n" H END), 400, "9112 2.2" },
	{ T("GET /\r\n\r\n"), 400, "9112 3" },
	{ T("GET /\n\r\n"), 400, "9112 2.2" },
	{ T("GET\r\n\r\n"), 400, "9112 3" },
	{ T("GET \r\n\r\n"), 400, "9112 3.2" },
	{ T("GET  HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("/ HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("G(T / HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("G\"T / HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("G:T / HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("GE\0T / HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("G\xc3\x89T / HTTP/1.1\r\n" H END), 400, "9112 3.1" },
	{ T("\x16\x03\x01\x02\0\x01\n"), 400, "9112 3.1" },
	{ T("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H END), 501, "9112 3" },
	/* ---- the target ---- */
	{ T("GET /a b HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a\"b HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /<a> HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a#b HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a?b#c HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /\xc3\xa9 HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a\x7f HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a\0b HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a\x01 HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET /a?b\x01 HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET a HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET ?a HTTP/1.1\r\n" H END), 400, "9112 3.2" },
	{ T("GET * HTTP/1.1\r\n" H END), 400, "9112 3.2.4" },
	{ T("BREW * HTTP/1.1\r\n" H END), 400, "9112 3.2.4" },
	{ T("OPTIONS * HTTP/1.1\r\n" H END), 0, "OPTIONS *1  [] [a] keep" },
	{ T("OPTIONS *? HTTP/1.1\r\n" H END), 400, "9112 3.2.4" },
	{ T("OPTIONS ** HTTP/1.1\r\n" H END), 400, "9112 3.2.4" },
	{ T("GET http://b/c?d HTTP/1.1\r\n" H END), 0, "GET a1 /c [?d] [b] keep" },
	{ T("GET HTTP://b:80/c HTTP/1.1\r\n" H END), 0, "GET a1 /c [] [b:80] keep" },
	{ T("GET https://b/c HTTP/1.1\r\n" H END), 0, "GET a1 /c [] [b] keep" },
	{ T("GET http://b HTTP/1.1\r\n" H END), 0, "GET a1  [] [b] keep" },
	{ T("GET http://b? HTTP/1.1\r\n" H END), 0, "GET a1  [?] [b] keep" },
	{ T("GET http://b?/c HTTP/1.1\r\n" H END), 0, "GET a1  [?/c] [b] keep" },
	{ T("GET http://[::1]:80/ HTTP/1.1\r\n" H END), 0, "GET a1 / [] [[::1]:80] keep" },
	{ T("OPTIONS http://b HTTP/1.1\r\n" H END), 0, "OPTIONS a1  [] [b] keep" },
	{ T("GET http://b/c HTTP/1.1\r\n" END), 400, "9112 3.2.2" },
	{ T("GET http:///c HTTP/1.1\r\n" H END), 400, "9110 4.2.1" },
	{ T("GET http://:80/c HTTP/1.1\r\n" H END), 400, "9110 4.2.1" },
	{ T("GET http:// HTTP/1.1\r\n" H END), 400, "9110 4.2.1" },
	{ T("GET http:/b HTTP/1.1\r\n" H END), 400, "9112 3.2.2" },
	{ T("GET http HTTP/1.1\r\n" H END), 400, "9112 3.2.2" },
	{ T("GET https: HTTP/1.1\r\n" H END), 400, "9112 3.2.2" },
	{ T("GET ftp://b/c HTTP/1.1\r\n" H END), 400, "9112 3.2.2" },
	{ T("GET http://u@b/c HTTP/1.1\r\n" H END), 400, "9110 4.2.4" },
	{ T("GET http://u:p@b/c HTTP/1.1\r\n" H END), 400, "9110 4.2.4" },
	{ T("GET http://b:x/c HTTP/1.1\r\n" H END), 400, "3986 3.2.3" },
	{ T("CONNECT b:443 HTTP/1.1\r\n" H END), 0, "CONNECT h1  [] [b:443] keep" },
	{ T("CONNECT [::1]:443 HTTP/1.1\r\n" H END), 0, "CONNECT h1  [] [[::1]:443] keep" },
	{ T("CONNECT b HTTP/1.1\r\n" H END), 400, "9112 3.2.3" },
	{ T("CONNECT b: HTTP/1.1\r\n" H END), 400, "9112 3.2.3" },
	{ T("CONNECT / HTTP/1.1\r\n" H END), 400, "9112 3.2.3" },
	{ T("CONNECT http://b:80/ HTTP/1.1\r\n" H END), 400, "9112 3.2.3" },
	{ T("GET b:443 HTTP/1.1\r\n" H END), 400, "9112 3.2.3" },
	/* ---- the version ---- */
	{ T("GET / HTTP/1.0\r\n" END), 0, "GET o0 / [] [] close" },
	{ T("GET / HTTP/1.0\r\n" H END), 0, "GET o0 / [] [a] close" },
	{ T("GET / HTTP/1.2\r\n" H END), 0, "GET o1 / [] [a] keep" },
	{ T("GET / HTTP/1.9\r\n" H END), 0, "GET o1 / [] [a] keep" },
	{ T("GET / HTTP/2.0\r\n" H END), 505, "9110 15.6.6" },
	{ T("GET / HTTP/0.9\r\n" H END), 505, "9110 15.6.6" },
	{ T("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "9110 15.6.6" },
	{ T("GET / HTTP/1.10\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/11.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/1.\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/A.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP/1,1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / http/1.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTPS/1.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / HTTP 1.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / ICY/1.1\r\n" H END), 400, "9112 2.3" },
	{ T("GET / \r\n" H END), 400, "9112 2.3" },
	/* ---- field lines ---- */
	{ T(GET "Host:a\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET "HOST: \t a \t \r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "X:\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "X: \r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "X: a\tb\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "X: long enough to be taken by eights\tand on\r\n" END), 0,
	  "GET o1 / [] [a] keep" },
	{ T(GET H "X: \xc3\xa9\xff\x80 and more of it\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "X: a:b\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "!#$%&'*+-.^_`|~09azAZ: x\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "If-None-Match: \"x\"\r\n" END), 0, "GET o1 / [] [a] keep inm=\"x\"" },
	{ T(GET H "If-Modified-Since: x y\r\n" END), 0, "GET o1 / [] [a] keep ims=x y" },
	{ T(GET H "If-None-Match: a\r\nif-none-match: b\r\n" END), 0,
	  "GET o1 / [] [a] keep inm=a repeated" },
	{ T(GET H "If-None-Matcx: a\r\nIx-Modified-Since: b\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "Accept-Encoding: gzip, br\r\n" END), 0, "GET o1 / [] [a] keep ae=gzip, br" },
	{ T(GET H "RANGE: bytes=0-1\r\n" END), 0, "GET o1 / [] [a] keep range=bytes=0-1" },
	{ T(GET H "If-Range: \"x\"\r\n" END), 0, "GET o1 / [] [a] keep ir=\"x\"" },
	{ T(GET H "If-Match: *\r\n" END), 0, "GET o1 / [] [a] keep im=*" },
	{ T(GET H "If-Unmodified-Since: x\r\n" END), 0, "GET o1 / [] [a] keep ius=x" },
	{ T(GET H "Referer: http://b/\r\n" END), 0, "GET o1 / [] [a] keep referer=http://b/" },
	{ T(GET H "User-Agent: x/1 (y)\r\n" END), 0, "GET o1 / [] [a] keep ua=x/1 (y)" },
	{ T(GET H "Rangx: a\r\nReferee: a\r\nIf-ranga: a\r\nIf-matcx: a\r\nIf-watch: a\r\n"
		  "User-Agenx: a\r\nuonnection: a\r\nAccept-Encodinx: a\r\n"
		  "If-Unmodified-Sincx: a\r\n" END),
	  0, "GET o1 / [] [a] keep" },
	{ T(GET H "X : a\r\n" END), 400, "9112 5.1" },
	{ T(GET H "X\t: a\r\n" END), 400, "9112 5.1" },
	{ T(GET H "Transfer-Encoding : chunked\r\n" END), 400, "9112 5.1" },
	{ T(GET " X: a\r\n" H END), 400, "9112 2.2" },
	{ T(GET "\tX: a\r\n" H END), 400, "9112 2.2" },
	{ T(GET " \r\n" H END), 400, "9112 2.2" },
	{ T(GET H " folded\r\n" END), 400, "9112 5.2" },
	{ T(GET H "\tfolded\r\n" END), 400, "9112 5.2" },
	{ T(GET H "X: a\r\n b\r\n" END), 400, "9112 5.2" },
	{ T(GET H " \r\n" END), 400, "9112 5.2" },
	{ T(GET H ": a\r\n" END), 400, "9112 5" },
	{ T(GET H "X\r\n" END), 400, "9112 5" },
	{ T(GET H "X a\r\n" END), 400, "9112 5" },
	{ T(GET H "(X): a\r\n" END), 400, "9112 5" },
	{ T(GET H "X\"Y: a\r\n" END), 400, "9112 5" },
	{ T(GET H "X\0Y: a\r\n" END), 400, "9112 5" },
	{ T(GET H "X\xe9: a\r\n" END), 400, "9112 5" },
	{ T(GET H "X: a\n" END), 400, "9112 2.2" },
	{ T(GET H "X: a\nY: b\r\n" END), 400, "9112 2.2" },
	{ T(GET H "X: a\rY: b\r\n" END), 400, "9112 2.2" },
	{ T(GET H "X: a\r\r\n" END), 400, "9112 2.2" },
	{ T(GET H "X: a\0b\r\n" END), 400, "9110 5.5" },
	{ T(GET H "X: a\x01"
		  "b\r\n" END),
	  400, "9110 5.5" },
	{ T(GET H "X: a\x1f"
		  "b\r\n" END),
	  400, "9110 5.5" },
	{ T(GET H "X: a\x7f"
		  "b\r\n" END),
	  400, "9110 5.5" },
	{ T(GET H "X: long before it comes \x0b along\r\n" END), 400, "9110 5.5" },
	{ T(GET H "X: long before it comes \x7f along\r\n" END), 400, "9110 5.5" },
	{ T(GET H "\n"), 400, "9112 2.2" },
	{ T(GET H "\r\r\n"), 400, "9112 2.2" },
	/* ---- Host ---- */
	{ T(GET "Host: example.org:8080\r\n" END), 0, "GET o1 / [] [example.org:8080] keep" },
	{ T(GET "Host: example.org:\r\n" END), 0, "GET o1 / [] [example.org:] keep" },
	{ T(GET "Host: 192.0.2.1\r\n" END), 0, "GET o1 / [] [192.0.2.1] keep" },
	{ T(GET "Host: [2001:db8::1]\r\n" END), 0, "GET o1 / [] [[2001:db8::1]] keep" },
	{ T(GET "Host: a_b-c.%41!\r\n" END), 0, "GET o1 / [] [a_b-c.%41!] keep" },
	{ T(GET "Host:\r\n" END), 0, "GET o1 / [] [] keep" },
	{ T(GET END), 400, "9112 3.2" },
	{ T(GET "Hos: a\r\n" END), 400, "9112 3.2" },
	{ T(GET "Hosx: a\r\n" END), 400, "9112 3.2" },
	{ T(GET H H END), 400, "9112 3.2" },
	{ T(GET H "host: b\r\n" END), 400, "9112 3.2" },
	{ T("GET / HTTP/1.0\r\n" H H END), 400, "9112 3.2" },
	{ T("GET / HTTP/1.0\r\nHost: a b\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: a b\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: a/b\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: u@a\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: a?b\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: a:b\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: a:80:80\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: :80\r\n" END), 400, "9110 4.2.1" },
	{ T(GET "Host: \xc3\xa9\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: [::1\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: [::1]x\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: [x]\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: []\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: [fe80::1%25eth0]\r\n" END), 400, "9112 3.2" },
	{ T(GET "Host: [0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]\r\n" END), 400,
	  "9112 3.2" },
	/* ---- content ---- */
	{ T(GET H "Content-Length: 0\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "Content-Length: 12\r\n" END), 0, "GET o1 / [] [a] keep length=12" },
	{ T(GET H "Content-Length: 18446744073709551615\r\n" END), 0,
	  "GET o1 / [] [a] keep length=18446744073709551615" },
	{ T(GET H "Content-Length: 007\r\n" END), 0, "GET o1 / [] [a] keep length=7" },
	{ T(GET H "Content-Length: 18446744073709551616\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 99999999999999999999999\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length:\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: +5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: -5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5 5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5, 5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5, 6\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 0x5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5.0\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: five\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5\r\nContent-Length: 5\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Content-Length: 5\r\nContent-Length: 6\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked\r\n" END), 0, "GET o1 / [] [a] keep chunked" },
	{ T(GET H "Transfer-Encoding: Chunked\r\n" END), 0, "GET o1 / [] [a] keep chunked" },
	{ T(GET H "Transfer-Encoding: , chunked ,\r\n" END), 0, "GET o1 / [] [a] keep chunked" },
	{ T(GET H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END), 400, "9112 6.1" },
	{ T(GET H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END), 400, "9112 6.1" },
	{ T(GET H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" END), 400, "9112 6.1" },
	{ T(GET H "Transfer-Encoding: gzip, chunked\r\n" END), 501, "9112 6.1" },
	{ T(GET H "Transfer-Encoding: gzip\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked, gzip\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked, identity\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: identity\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked, chunked\r\n" END), 400, "9112 7.1" },
	{ T(GET H "Transfer-Encoding: xchunked\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunke\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked;x=1\r\n" END), 400, "9112 7.1" },
	{ T(GET H "Transfer-Encoding: \"chunked\"\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding:\r\n" END), 400, "9112 6.3" },
	{ T(GET H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END), 400,
	  "9112 7.1" },
	{ T(GET H "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END), 400,
	  "9112 6.3" },
	{ T("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END), 400, "9112 6.1" },
	/* ---- persistence ---- */
	{ T(GET H "Connection: close\r\n" END), 0, "GET o1 / [] [a] close" },
	{ T(GET H "Connection: Close\r\n" END), 0, "GET o1 / [] [a] close" },
	{ T(GET H "Connection: keep-alive\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "Connection: x, close ,y\r\n" END), 0, "GET o1 / [] [a] close" },
	{ T(GET H "Connection: x\r\nConnection: close\r\n" END), 0, "GET o1 / [] [a] close" },
	{ T(GET H "Connection: keep-alive, close\r\n" END), 0, "GET o1 / [] [a] close" },
	{ T(GET H "Connection: closed\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T(GET H "Connection:\r\n" END), 0, "GET o1 / [] [a] keep" },
	{ T("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END), 0, "GET o0 / [] [] keep" },
	{ T("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n" END), 0, "GET o0 / [] [] close" },
	/* ---- expectations ---- */
	{ T(GET H "Expect: 100-continue\r\n" END), 0, "GET o1 / [] [a] keep expects" },
	{ T(GET H "Expect: 100-Continue\r\n" END), 0, "GET o1 / [] [a] keep expects" },
	{ T("GET / HTTP/1.0\r\nExpect: 100-continue\r\n" END), 0, "GET o0 / [] [] close" },
	{ T(GET H "Expect: 200-ok\r\n" END), 417, "9110 10.1.1" },
	{ T(GET H "Expect:\r\n" END), 417, "9110 10.1.1" },
};

static void put(char *out, size_t size, const char *name, struct slice slice, const char *data,
		const char *after)
{
	size_t len = strlen(out);

	snprintf(out + len, size - len, "%s%.*s%s", name, (int)slice.len, data + slice.at, after);
}

static const char *const field_tag[] = {
	[FIELD_IF_NONE_MATCH] = " inm=",
	[FIELD_IF_MODIFIED_SINCE] = " ims=",
	[FIELD_ACCEPT_ENCODING] = " ae=",
	[FIELD_RANGE] = " range=",
	[FIELD_IF_RANGE] = " ir=",
	[FIELD_IF_MATCH] = " im=",
	[FIELD_IF_UNMODIFIED_SINCE] = " ius=",
	[FIELD_REFERER] = " referer=",
	[FIELD_USER_AGENT] = " ua=",
};

static void describe(const struct request *r, const char *data, char *out, size_t size)
{
	size_t len;

	snprintf(out, size, "%s %c%d ", request_method_name(r->method), "oah*"[r->form],
		 r -> minor);
	put(out, size, "", r->path, data, " ");
	put(out, size, "[", r->query, data, "] ");
	put(out, size, "[", r->host, data, "] ");
	len = strlen(out);
	len += (size_t)snprintf(out + len, size - len, "%s", r->persistent ? "keep" : "close");
	for (enum request_field field = FIELD_IF_NONE_MATCH; field < FIELD_OTHER; field++)
		if (request_has(r, field))
			put(out, size, field_tag[field], r->field[field], data, "");
	len = strlen(out);
	if (r->repeated >> FIELD_IF_NONE_MATCH & 1)
		len += (size_t)snprintf(out + len, size - len, " repeated");
	if (r->length)
		len += (size_t)snprintf(out + len, size - len, " length=%llu",
					(unsigned long long)r->length);
	if (r->chunked)
		len += (size_t)snprintf(out + len, size - len, " chunked");
	if (r->expects)
		snprintf(out + len, size - len, " expects");
}

/* Parses the first len bytes from memory of just that size. */
static enum request_state parse(struct request *request, const char *text, size_t len)
{
	char *exact = malloc(len ? len : 1);
	enum request_state state;

	memcpy(exact, text, len);
	state = request_parse(request, exact, len);
	free(exact);
	return state;
}

static void check_outcome(const struct row *row, enum request_state state,
			  const struct request *request, const char *how, size_t at)
{
	char text[4096];

	if (row->status) {
		ck_assert_msg(state == REQUEST_BAD && request->status == row->status,
			      "row %td (%s), %s at %zu: state %d status %d", row - rows,
			      row->expect, how, at, state, request->status);
		ck_assert_ptr_nonnull(request->reason);
		return;
	}
	ck_assert_msg(state == REQUEST_DONE, "row %td, %s at %zu: state %d, %s", row - rows, how,
		      at, state, request->reason ? request->reason : "-");
	describe(request, row->text, text, sizeof text);
	ck_assert_str_eq(text, row->expect);
	ck_assert_uint_eq(request->head_len, row->len);
}

START_TEST(a_request_that_is_there_as_a_whole)
{
	const struct row *row = &rows[_i];
	struct request request;

	request_init(&request);
	check_outcome(row, parse(&request, row->text, row->len), &request, "whole", row->len);
}
END_TEST

START_TEST(a_request_split_anywhere_means_the_same)
{
	const struct row *row = &rows[_i];

	for (size_t at = 0; at < row->len; at++) {
		struct request request;
		enum request_state state;

		request_init(&request);
		state = parse(&request, row->text, at);
		if (!row->status)
			ck_assert_int_eq(state, REQUEST_MORE);
		if (state == REQUEST_MORE)
			state = parse(&request, row->text, row->len);
		check_outcome(row, state, &request, "split", at);
	}
}
END_TEST

START_TEST(a_request_that_comes_byte_by_byte_means_the_same)
{
	const struct row *row = &rows[_i];
	enum request_state state = REQUEST_MORE;
	struct request request;
	size_t len = 0;

	request_init(&request);
	while (state == REQUEST_MORE && len < row->len)
		state = parse(&request, row->text, ++len);
	check_outcome(row, state, &request, "bytes", len);
}
END_TEST

START_TEST(what_follows_a_request_is_not_touched)
{
	const struct row *row = &rows[_i];
	char text[4096];
	struct request request;

	memcpy(text, row->text, row->len);
	memcpy(text + row->len, "\0\n\rGET", 6);
	request_init(&request);
	check_outcome(row, parse(&request, text, row->len + 6), &request, "followed", row->len);
}
END_TEST

/* A target of `len` bytes, in one piece or (step > 0) in steps. */
static enum request_state parse_long(struct request *request, size_t len, size_t step)
{
	size_t size = len + 64, n;
	char *text = malloc(size);
	enum request_state state = REQUEST_MORE;

	n = (size_t)snprintf(text, size, "GET /");
	memset(text + n, 'a', len - 1);
	n += len - 1;
	n += (size_t)snprintf(text + n, size - n, " HTTP/1.1\r\nHost: a\r\n\r\n");
	request_init(request);
	for (size_t at = step ? step : n; state == REQUEST_MORE; at += step) {
		state = request_parse(request, text, at < n ? at : n);
		if (at >= n)
			break;
	}
	free(text);
	return state;
}

START_TEST(targets_of_8192_bytes_are_taken_and_longer_ones_are_414)
{
	static const size_t steps[] = { 0, 1, 7, 1000, 8195 };
	struct request request;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		ck_assert_int_eq(parse_long(&request, 8192, steps[i]), REQUEST_DONE);
		ck_assert_uint_eq(request.path.len, 8192);
		ck_assert_int_eq(parse_long(&request, 8193, steps[i]), REQUEST_BAD);
		ck_assert_int_eq(request.status, 414);
		ck_assert_int_eq(parse_long(&request, 15000, steps[i]), REQUEST_BAD);
		ck_assert_int_eq(request.status, 414);
	}
}
END_TEST

START_TEST(a_head_that_never_ends_is_414_or_431)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("GET /aaa")), REQUEST_MORE);
	request_too_large(&request);
	ck_assert_int_eq(request.status, 414);
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T(GET "X: aaa")), REQUEST_MORE);
	request_too_large(&request);
	ck_assert_int_eq(request.status, 431);
}
END_TEST

START_TEST(only_empty_lines_are_a_blank_request)
{
	struct request request;

	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\n\r\n")), REQUEST_MORE);
	ck_assert(request_is_blank(&request, 4));
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\nG")), REQUEST_MORE);
	ck_assert(!request_is_blank(&request, 3));
	request_init(&request);
	ck_assert_int_eq(request_parse(&request, T("\r\n\r")), REQUEST_MORE);
	ck_assert(!request_is_blank(&request, 3));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("http_request");
	int n = (int)(sizeof rows / sizeof *rows), good = 0;

	while (!rows[good].status && good < n)
		good++;
	tcase_add_loop_test(tcase, a_request_that_is_there_as_a_whole, 0, n);
	tcase_add_loop_test(tcase, a_request_split_anywhere_means_the_same, 0, n);
	tcase_add_loop_test(tcase, a_request_that_comes_byte_by_byte_means_the_same, 0, n);
	tcase_add_loop_test(tcase, what_follows_a_request_is_not_touched, 0, good);
	tcase_add_test(tcase, targets_of_8192_bytes_are_taken_and_longer_ones_are_414);
	tcase_add_test(tcase, a_head_that_never_ends_is_414_or_431);
	tcase_add_test(tcase, only_empty_lines_are_a_blank_request);
	return unit_main("http_request", tcase);
}
