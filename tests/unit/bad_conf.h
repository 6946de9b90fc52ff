/* SPDX-License-Identifier: MIT */
/*
 * Bad configurations, each with what is to be said about it. FILE in a message stands for the path of the
 * file, a * at its end for anything. Each has exactly one error, unless `total` says otherwise; then
 * the first one is given.
 */
#ifndef TESTS_BAD_CONF_H
#define TESTS_BAD_CONF_H

#include <stddef.h>

struct bad_conf {
	const char *text;
	int line, column;
	const char *message;
	size_t total; /* 0: 1 */
};

#define OK              "listen 127.0.0.1:7007; handler echo;"
#define LISTEN          "listen 127.0.0.1:7007;"
#define SERVICE(inside) "service a { " OK "\n" inside "\n}"
#define TENDED(inside)  "service a { " LISTEN " handler tender\n" inside "\n}"
#define ROUTES(inside)  "service a { " LISTEN " handler full {\n" inside "\n} }"
#define PATH_108                                                                                \
	"/run/"                                                                                 \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234" \
	"5678901234567890123"

static const struct bad_conf bad_confs[] = {
	/* the whole */
	{ "", 0, 0, "there is no service: service NAME { listen *:8080; handler NAME }" },
	{ "user root", 0, 0, "there is no service: service NAME { listen *:8080; handler NAME }" },

	/* braces, quotes, bytes */
	{ "service a {\n" OK, 1, 1, "the block of `service` is not closed: `}` is missing" },
	{ "service a {\n\t" OK "\nservice b {\n\t" LISTEN "handler echo }", 1, 1,
	  "the block of `service` is not closed: `}` is missing, perhaps before line 3" },
	{ "service a {\n" OK "\n}\n}", 4, 1, "`}` closes nothing" },
	{ "service a\n{\n" OK "\n}", 2, 1,
	  "`{` must stand on the line of its directive, behind it" },
	{ SERVICE("chroot \"/x"), 2, 8, "the quoted string is not closed on its line" },
	{ SERVICE("chroot '/x"), 2, 8, "the quoted string is not closed on its line" },
	{ SERVICE("chroot \"/x\"y"), 2, 12, "a blank is missing behind the closing quote" },
	{ SERVICE("chroot \"\\q\""), 2, 9, "unknown escape: *" },
	{ SERVICE("chroot x\"y\""), 2, 9, "a quote inside of a word: quote the whole word" },
	{ SERVICE("backlog \001"), 2, 9, "a control byte (0x01) has no place here" },
	{ SERVICE("listen 127.0.0.1:7008,\n127.0.0.1:7009"), 2, 22,
	  "nothing follows this comma: a directive ends with its line", 2 },
	{ SERVICE("backlog \\\n10"), 2, 9,
	  "a backslash does not continue a line: write the directive on one line", 2 },
	{ SERVICE("a { b { c { d { e { f { g { h { i { j { k { l { m { n { o { p { q "
		  "}}}}}}}}}}}}}}}}"),
	  2, 61, "more than 16 blocks in one another" },

	/* variables and includes */
	{ SERVICE("backlog ${MU_TEST_NOT_SET}"), 2, 9,
	  "the environment variable `MU_TEST_NOT_SET` is not set; `${MU_TEST_NOT_SET:-text}` would "
	  "give a default" },
	{ SERVICE("backlog ${HOME"), 2, 9,
	  "the variable `${HOME` is not closed: write ${NAME} or ${NAME:-text}" },
	{ SERVICE("backlog ${MU_TEST_NOT_SET:-${HOME:-1}}"), 2, 28,
	  "a default cannot hold another variable" },
	{ SERVICE("backlog\xc2\xa0"
		  "10"),
	  2, 8, "a no-break space (U+00A0), which looks like a blank: write a blank" },
	{ SERVICE("backlog ${}"), 2, 9, "`${` begins a variable: write ${NAME} or ${NAME:-text}" },
	{ SERVICE("include"), 2, 1, "`include` needs the name of a file: include conf.d/*.conf" },
	{ SERVICE("include no-such-file.conf"), 2, 9, "cannot open `*" },
	{ SERVICE("include /dev/null"), 2, 9,
	  "`/dev/null` is a device or a pipe, not a regular file" },
	{ SERVICE("include /"), 2, 9, "`/` is a folder, not a regular file" },

	/* names */
	{ "usr root\n" SERVICE(""), 1, 1, "unknown directive `usr`: did you mean `user`?" },
	{ "servcie a { }\n" SERVICE(""), 1, 1,
	  "unknown directive `servcie`: did you mean `service`?" },
	{ SERVICE("wrkers 4"), 2, 1, "unknown directive `wrkers`: did you mean `workers`?" },
	{ SERVICE("No_New_Privileges no"), 2, 1,
	  "unknown directive `No_New_Privileges`: did you mean `no-new-privileges`?" },
	{ SERVICE("frobnicate 4"), 2, 1, "unknown directive `frobnicate`" },
	{ "worker_processes 4;\n" SERVICE(""), 1, 1,
	  "`worker_processes` is called `workers` here and belongs in `service NAME { }`" },
	{ SERVICE("max_children 4"), 2, 1,
	  "`max_children` is called `workers` here: `workers 2..16` also sets how few there may "
	  "be" },
	{ SERVICE("MaxRequestWorkers 4"), 2, 1, "`MaxRequestWorkers` is called `workers` here" },
	{ SERVICE("StartServers 4"), 2, 1, "`StartServers` is called `workers` here: *" },
	{ SERVICE("pm dynamic"), 2, 1, "`pm` is called `workers` here: *" },
	{ SERVICE("worker_connections 512"), 2, 1,
	  "`worker_connections` is called `connections` here: *" },
	{ SERVICE("keepalive_timeout 65"), 2, 1,
	  "`keepalive_timeout` is called `idle` here: `timeout { idle 75s }`" },
	{ SERVICE("listen.mode 0660"), 2, 1,
	  "`listen.mode` is called `mode` here: `socket { mode 0660 }`" },
	{ SERVICE("bind *:80"), 2, 1, "`bind` is called `listen` here" },
	{ SERVICE("port 80"), 2, 1, "`port` is called `listen` here: `listen *:8080`" },
	{ SERVICE("document_root /x"), 2, 1,
	  "`document_root` is called `root` here and belongs in `handler web { }`" },
	{ SERVICE("server_name www.example.org"), 2, 1,
	  "`server_name` is called `host` here: `host NAME { ... }` around what is for that name" },
	{ "daemonize yes\n" SERVICE(""), 1, 1,
	  "unknown directive `daemonize`: `musterd -d` goes to the background" },

	{ "web { root /x }\n" SERVICE(""), 1, 1,
	  "`web` is a handler: write `handler web` in `service NAME { }`" },
	{ "[www]\n" SERVICE(""), 1, 1,
	  "unknown directive `[www]`: a section is written `service NAME { ... }`" },
	{ "<VirtualHost *:80>\n" SERVICE(""), 1, 1,
	  "`VirtualHost` is called `service` here: `service NAME { ... }`" },
	{ "include x { }\n" SERVICE(""), 1, 1, "`include` takes no block" },
	{ "\"a\\tb\" 1\n" SERVICE(""), 1, 1, "unknown directive `a?b`" },

	/* right, but elsewhere */
	{ SERVICE("root /x"), 2, 1, "`root` belongs in `handler web { }`" },
	{ SERVICE("idle 5s"), 2, 1, "`idle` belongs in `timeout { }` in `service NAME { }`" },
	{ SERVICE("pidfile /run/x"), 2, 1,
	  "`pidfile` belongs in the top level, outside of every block" },
	{ "listen *:80\n" SERVICE(""), 1, 1, "`listen` belongs in `service NAME { }`" },
	{ "Listen 80\n" SERVICE(""), 1, 1,
	  "`Listen` is called `listen` here and belongs in `service NAME { }`" },
	{ SERVICE("Root /x"), 2, 1,
	  "`Root` is called `root` here and belongs in `handler web { }`" },
	{ "// the website\n" SERVICE(""), 1, 1,
	  "unknown directive `//`: a comment begins with `#`" },
	{ SERVICE("timeout { workers 3 }"), 2, 11, "`workers` belongs in `service NAME { }`" },

	/* values */
	{ SERVICE("backlog"), 2, 1, "`backlog` needs a whole number" },
	{ SERVICE("backlog 1 2"), 2, 11,
	  "`backlog` takes one value; quote a value that has blanks" },
	{ SERVICE("backlog = 5"), 2, 9,
	  "no `=` between a directive and its value: write `backlog VALUE`" },
	{ SERVICE("backlog=5"), 2, 1,
	  "a blank separates a directive from its value: write `backlog VALUE`" },
	{ SERVICE("backlog many"), 2, 9, "`backlog` wants a whole number, not `many`" },
	{ SERVICE("backlog 65536"), 2, 9, "`backlog` must be between 1 and 65535, not `65536`" },
	{ SERVICE("backlog 5 { }"), 2, 1, "`backlog` takes no block" },
	{ SERVICE("backlog 5\nbacklog 6"), 3, 1,
	  "`backlog` is given twice; the first is in FILE:2" },
	{ SERVICE("connections 0"), 2, 13, "`connections` must be between 1 and 1000000, not `0`" },
	{ SERVICE("workers few"), 2, 9,
	  "`workers` wants a number, a range as 2..16, or auto, not `few`" },
	{ SERVICE("workers 0"), 2, 9,
	  "`workers 0` would serve nobody; `workers 0..N` starts them on demand" },
	{ SERVICE("workers 0..0"), 2, 9,
	  "`workers 0..0` would serve nobody; `workers 0..N` starts them on demand" },
	{ SERVICE("workers 9..2"), 2, 9,
	  "`workers` wants a range, the smaller number first: 2..16, not `9..2`" },
	{ SERVICE("workers 2...4"), 2, 9, "`workers` wants a range: 2..16, not `2...4`" },
	{ SERVICE("spare 4; workers 1..8"), 2, 7, "`spare` wants a range: 2..16, not `4`" },
	{ SERVICE("workers 4; spare 1..2"), 2, 18,
	  "`spare` has a meaning only where `workers` is a range, as 2..16" },
	{ SERVICE("spare 1..2"), 2, 7,
	  "`spare` has a meaning only where `workers` is a range, as 2..16" },
	{ SERVICE("workers 2..4; spare 1..5"), 2, 21,
	  "`spare` is up to 5, but `workers` only up to 4" },
	{ SERVICE("workers 2..4; spare 0..0"), 2, 21, "`spare` must be up to 1 at least" },

	/* where the module accepts by itself */
	{ TENDED("workers 2..4"), 2, 9,
	  "`workers` is one number here, or auto: the handler `tender` accepts by itself, and "
	  "nobody "
	  "else sees when more of it are needed" },
	{ TENDED("workers 0..1"), 2, 9, "`workers` is one number here, or auto*" },
	{ TENDED("spare 1..2"), 2, 1,
	  "`spare` means nothing here: the handler `tender` accepts by itself, and nobody else "
	  "sees "
	  "which of its workers are idle: `workers N` sets how many there are" },
	{ TENDED("connections 1"), 2, 1,
	  "`connections` means nothing here: the handler `tender`*" },
	{ TENDED("overflow wait"), 2, 1, "`overflow` means nothing here*" },
	{ TENDED("max-requests 10"), 2, 1, "`max-requests` means nothing here*" },
	{ TENDED("slow 1s"), 2, 1, "`slow` means nothing here*" },
	{ TENDED("timeout {\nheader 1s; idle 1s; request 1s; park 1s; stall 1s; drain 1s\n}"), 3, 1,
	  "`header` means nothing here*", 5 },
	{ SERVICE("umask 888"), 2, 7, "`umask` wants octal permissions: 0660, not `888`" },
	{ SERVICE("socket { mode 1777 }"), 2, 15,
	  "`mode` wants octal permissions: 0660, not `1777`" },
	{ SERVICE("no-new-privileges 2"), 2, 19, "`no-new-privileges` wants yes or no, not `2`" },
	{ SERVICE("timeout 30s"), 2, 1, "`timeout` needs a block: timeout { ... }" },
	{ SERVICE("timeout all { }"), 2, 9,
	  "`timeout` takes nothing but a block: timeout { ... }" },
	{ SERVICE("timeout { idle 30 }"), 2, 16,
	  "`idle` wants a time with its unit: 250ms, 10s, 5min, 2h, 1d, not `30`" },
	{ SERVICE("timeout { idle 5m }"), 2, 16,
	  "`idle` wants a time: minutes are written 5min, not `5m`" },
	{ SERVICE("timeout { idle 9999d }"), 2, 16,
	  "`idle` must be between 0 and 366d, not `9999d`" },
	{ SERVICE("limit { core big }"), 2, 14,
	  "`core` wants a size: 4096, 64k, 2M, 1G, not `big`" },
	{ SERVICE("limit { nofile 3 }"), 2, 16, "`nofile` must be between 16 and 1G, not `3`" },
	{ SERVICE("limit { nofile unlimited }"), 2, 16,
	  "`nofile` wants a size: 4096, 64k, 2M, 1G, not `unlimited`" },

	/* log, pidfile, folders */
	{ "log\n" SERVICE(""), 1, 1,
	  "`log` needs a target: stderr, syslog, syslog:FACILITY or a file" },
	{ "log info\n" SERVICE(""), 1, 5,
	  "`log` wants stderr, syslog, syslog:FACILITY or a file, in this folder ./NAME, not "
	  "`info`" },
	{ "log stderr loud\n" SERVICE(""), 1, 12,
	  "unknown level `loud`: error, warning, notice, info, debug" },
	{ "log stderr info x\n" SERVICE(""), 1, 17,
	  "`log` takes a target and a level, nothing more" },
	{ "log syslog:x\n" SERVICE(""), 1, 5, "unknown syslog facility `x`: *" },
	{ "log /no/such/folder/log\n" SERVICE(""), 1, 5,
	  "log `/no/such/folder/log`: its folder `/no/such/folder`: No such file or directory" },
	{ SERVICE("chroot \"\""), 2, 8, "`chroot` wants a path, not ``" },
	{ "log /tmp\n" SERVICE(""), 1, 5, "log `/tmp`: is a folder, not a file" },
	{ "pidfile /no/such/folder/pid\n" SERVICE(""), 1, 9,
	  "pidfile `/no/such/folder/pid`: its folder `/no/such/folder`: No such file or "
	  "directory" },
	{ SERVICE("chroot /no/such/folder"), 2, 8,
	  "chroot `/no/such/folder`: No such file or directory" },
	{ SERVICE("chroot /dev/null"), 2, 8, "chroot `/dev/null`: is not a folder" },

	/* users */
	{ SERVICE("user no-such-user"), 2, 6,
	  "user `no-such-user`: there is no such user (useradd --system makes one)" },
	{ "user no-such-user\n" SERVICE(""), 1, 6,
	  "user `no-such-user`: there is no such user (useradd --system makes one)" },
	{ SERVICE("group no-such-group"), 2, 7, "group `no-such-group`: there is no such group" },
	{ SERVICE("user 4123456"), 2, 6,
	  "user `4123456`: this number is no known user: give a `group` too" },
	{ SERVICE("user 4294967295"), 2, 6,
	  "user `4294967295`: there is no such user (useradd --system makes one)" },
	{ SERVICE("socket { owner no-such-user }"), 2, 16,
	  "owner `no-such-user`: there is no such user (useradd --system makes one)" },
	{ SERVICE("socket { group no-such-group }"), 2, 16,
	  "group `no-such-group`: there is no such group" },

	/* services and handlers */
	{ "service { " OK " }", 1, 1, "a service needs a name: service NAME { ... }" },
	{ "service a b { " OK " }", 1, 11, "`service` takes one name: service NAME { ... }" },
	{ "service a.b { " OK " }", 1, 9,
	  "the name of a service has letters, digits, - and _ only, not `a.b`" },
	{ "service abcdefghijklmnopqrstuvwxyz0123456 { " OK " }", 1, 9,
	  "the name of a service has at most 32 bytes, not 33" },
	{ "service a\n", 1, 1, "`service` needs a block: service NAME { ... }" },
	{ SERVICE("") "\nservice a { listen 127.0.0.1:7008; handler echo }", 4, 9,
	  "there is another service `a`, in FILE:1" },
	{ "service a { handler echo }", 1, 1,
	  "`service a` has no `listen`: listen *:8080, [::1]:80, HOST:PORT, unix:/PATH, "
	  "systemd:NAME" },
	{ "service a { " LISTEN " }", 1, 1,
	  "`service a` has no `handler`: handler NAME { ... } says what serves a connection" },
	{ "service a { " LISTEN "\nhandler }", 2, 1, "`handler` needs the name of a handler" },
	{ "service a { " LISTEN "\nhandler ecko }", 2, 9,
	  "unknown handler `ecko`: did you mean `echo`? There are: full, web, echo, run, tender" },
	{ "service a { " LISTEN "\nhandler ftp }", 2, 9,
	  "unknown handler `ftp`; there are: full, web, echo, run, tender; one in a file is "
	  "`module "
	  "ftp`" },
	{ "service a { " LISTEN "\nhandler echo { size 4 } }", 2, 16,
	  "the handler `echo` has no directives of its own" },
	{ "service a { " LISTEN "\nhandler echo 4 }", 2, 14,
	  "the handler `echo` has no directives of its own" },
	{ "service a { " LISTEN "\nhandler run /bin/cat }", 2, 13,
	  "what `handler run` is told stands in its block: handler run { ... }" },
	{ "service a { " LISTEN "\nhandler ecko x }", 2, 9,
	  "unknown handler `ecko`: did you mean `echo`? There are: full, web, echo, run, tender" },
	{ "service a { " LISTEN "\nhandler modul x }", 2, 9,
	  "unknown handler `modul`: did you mean `module`? There are: full, web, echo, run, "
	  "tender" },
	{ "service a { " LISTEN "\nhandler web }", 2, 1,
	  "`handler web` has no `root`: the folder that is served" },
	{ "service a { " LISTEN "\nhandler web { rot /x } }", 2, 15,
	  "unknown directive `rot`: did you mean `root`?" },
	{ "service a { " LISTEN "\nhandler web { rot /x; root /y } }", 2, 15,
	  "unknown directive `rot`: did you mean `root`?" },
	{ "service a { lisetn *:80\nhandler echo }", 1, 13,
	  "unknown directive `lisetn`: did you mean `listen`?" },
	{ "service a {\nbind *:80\nhandler echo }", 2, 1, "`bind` is called `listen` here" },
	{ "service a { " LISTEN "\nhandler full { count 3 } }", 2, 22, "the count 3 is odd" },
	/* of two blocks of one label, in blocks of one label */
	{ ROUTES("route a { target x\nstop s { wait 1ms } }\nroute a { target x\n"
		 "stop s { wait 1ms }; stop s { wait 13ms } }"),
	  5, 36, "an unlucky wait" },
	{ ROUTES("route a { target x\nstop s { wait 14ms } }"), 3, 6, "a stop to pass by" },
	{ ROUTES("route a { target x\nstop { wait 14ms } }"), 3, 1, "a stop to pass by" },
	{ ROUTES("route a { target x\nstop s { wait 15ms }; stop t { open no } }"), 3, 6,
	  "a stop to wait at" },
	{ ROUTES("route a { target x\nroad { width 9 } }"), 3, 14, "too wide" },
	{ ROUTES("route a { target x; weight 13\nstop s { wait 1ms } }"), 2, 7,
	  "the route does not say" },
	{ ROUTES("route a { target x; sign b\nsign halt }"), 3, 6, "go on" },
	{ ROUTES("route a { target x; sign b; sign \"c\" halt }"), 2, 38, "go on" },
	{ ROUTES("route b { target x }\nroute away { target halt }"), 3, 7, "stay here" },
	{ ROUTES("output a\nroute a { target x; record /missing/x }"), 3, 28,
	  "record `/missing/x`: *" },
	{ ROUTES("word x; size 14"), 2, 6, "not this word" },
	{ ROUTES("size 14"), 1, 36, "not this word" },
	{ "service a { " LISTEN "\nhandler full { color red\ninner { depth 9 } } }", 3, 15,
	  "red is never 9 deep" },
	{ "service a { " LISTEN "\nhandler full { size 13 } }", 2, 1, "an unlucky configuration" },

	/* addresses */
	{ "service a {\nlisten\nhandler echo }", 2, 1,
	  "`listen` needs an address: *:8080, unix:/path" },
	{ "service a {\nlisten *:99999\nhandler echo }", 2, 8,
	  "cannot listen on `*:99999`: a port is a number from 1 to 65535" },
	{ "service a {\nlisten *:no-such-port\nhandler echo }", 2, 8,
	  "cannot listen on `*:no-such-port`: the port's service name is unknown *" },
	{ "service a {\nlisten ::1:80\nhandler echo }", 2, 8,
	  "cannot listen on `::1:80`: an IPv6 address stands in brackets: [::1]:80" },
	{ "service a {\nlisten www.example.org\nhandler echo }", 2, 8,
	  "cannot listen on `www.example.org`: the port is missing: *" },
	{ "service a {\nlisten 300.1.1.1:80\nhandler echo }", 2, 8,
	  "cannot listen on `300.1.1.1:80`: this is not an IPv4 address: *" },
	{ "service a {\nlisten unix:run/x\nhandler echo }", 2, 8,
	  "cannot listen on `unix:run/x`: the path of a Unix socket is absolute: *" },
	{ "service a {\nlisten unix:" PATH_108 "\nhandler echo }", 2, 8,
	  "cannot listen on `unix:" PATH_108
	  "`: the path is too long: that of a Unix socket has at most 107 bytes" },
	{ "service a {\nlisten no-such-host.invalid:80\nhandler echo }", 2, 8,
	  "cannot listen on `no-such-host.invalid:80`: *" },
	{ SERVICE("listen 127.0.0.1:7007"), 2, 8,
	  "`127.0.0.1:7007` is taken already by service a: `127.0.0.1:7007` in FILE:1" },
	{ SERVICE("") "\nservice b { handler echo; listen 127.0.0.1:7007 }", 4, 34,
	  "`127.0.0.1:7007` is taken already by service a: `127.0.0.1:7007` in FILE:1" },
	{ SERVICE("") "\nservice b { handler echo; listen 7007 }", 4, 34,
	  "`7007` is taken already by service a: `127.0.0.1:7007` in FILE:1" },
	{ SERVICE("listen systemd:x") "\nservice b { handler echo; listen systemd:x }", 4, 34,
	  "`systemd:x` is taken already by service a: `systemd:x` in FILE:2" },
	{ SERVICE("listen unix:@x") "\nservice b { handler echo; listen unix:@x }", 4, 34,
	  "`unix:@x` is taken already by service a: `unix:@x` in FILE:2" },
};

#undef OK
#undef LISTEN
#undef SERVICE

#endif
