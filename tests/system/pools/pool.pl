#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# One program of a pool, in Perl: a line in upper case for each line, on the socket that it is given, one client at a
# time. It says when it is ready, shows itself alive to a watchdog, and hangs when it is told "hang".
use strict;
use warnings;
use IO::Select;
use IO::Socket;
use IO::Socket::UNIX;

sub notify {
	my ($text) = @_;
	(my $path = $ENV{NOTIFY_SOCKET}) =~ s/^@/\0/;
	IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path)->send($text);
}

die "no socket" unless $ENV{LISTEN_FDS} == 1 && $ENV{LISTEN_PID} == $$;
my $listener = IO::Socket->new_from_fd(3, 'r+') or die "fd 3: $!";
my $ended = 0;
$SIG{TERM} = sub { $ended = 1 };
my $pause = ($ENV{WATCHDOG_USEC} || 10_000_000) / 3e6;
my $select = IO::Select->new($listener);
notify("READY=1\nSTATUS=perl serves");
until ($ended) {
	notify("WATCHDOG=1");
	next unless $select->can_read($pause);
	my $client = $listener->accept or next;
	$client->autoflush(1);
	while (my $line = <$client>) {
		sleep 1000 if $line =~ /^hang/;
		print $client ($line =~ /^who/ ? "$$\n" : uc $line);
	}
}
notify("STOPPING=1");
