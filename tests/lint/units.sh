#!/bin/sh
# SPDX-License-Identifier: MIT
# What init/ has for systemd and logrotate is understood by these, without a warning: the unit alone, with each drop-in, and with
# all that these show in comments (# and no space). The exposure that systemd-analyze computes is at most 2.6 for the
# unit as it is, 1.7 with unprivileged.conf; it is printed. Runs in any folder; touches nothing outside of its own.
set -eu
init=$(cd "${srcdir:-$(dirname "$0")/../..}/init" && pwd)
# The options are those of systemd 250; the unit is for 252.
if ! systemd-analyze security --offline=yes --help >/dev/null 2>&1; then
	echo "skipped: no systemd-analyze, or one older than 250 (Debian: apt-get install systemd)"
	exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

fail() {
	echo "$1"
	status=1
}

# The unit, as if installed, with these drop-ins; ExecStart= must name a program that is there.
arrange() { # DROP-IN ...
	rm -rf "$folder/units"
	mkdir -p "$folder/units/musterd.service.d"
	printf '#!/bin/sh\n' >"$folder/units/musterd"
	chmod +x "$folder/units/musterd"
	sed -e "s|@sbindir@|$folder/units|; s|@sysconfdir@|/etc|" "$init/musterd.service.in" >"$folder/units/musterd.service"
	cp "$init/musterd.socket" "$folder/units"
	for dropin; do
		cp "$dropin" "$folder/units/musterd.service.d"
	done
}

# Whatever is said is a warning: of an unknown key, of a group of system calls.
verify() {
	systemd-analyze verify --man=no --recursive-errors=no "$folder/units/musterd.service" "$folder/units/musterd.socket" \
		>"$folder/said" 2>&1 && ! [ -s "$folder/said" ]
}

exposure() { # TENTHS WHAT
	SYSTEMD_COLORS=0 systemd-analyze security --offline=yes --no-pager --threshold="$1" "$folder/units/musterd.service" \
		>"$folder/said" 2>&1 || {
		grep -e '✗' "$folder/said" || cat "$folder/said"
		fail "$2: the exposure is above $1 tenths"
	}
	echo "$2: $(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' "$folder/said")"
}

mkdir "$folder/all"
for dropin in "$init/unprivileged.conf" "$init/programs.conf"; do
	sed 's/^#\([A-Z]\)/\1/' "$dropin" >"$folder/all/${dropin##*/}"
done
for dropins in "" "$init/unprivileged.conf" "$init/programs.conf" "$init/unprivileged.conf $init/programs.conf" \
	"$folder/all/unprivileged.conf $folder/all/programs.conf"; do
	# shellcheck disable=SC2086 # several, or none
	arrange $dropins
	verify || fail "the unit with ${dropins:-no drop-in}: $(cat "$folder/said")"
done
echo 'NoSuchKey=yes' >>"$folder/units/musterd.service.d/programs.conf"
! verify || fail "systemd-analyze verify says nothing of an unknown key"

arrange
exposure 26 "the unit"
arrange "$init/unprivileged.conf"
exposure 17 "the unit with unprivileged.conf"

# In a root of its own.
mkdir -p "$folder/tree/etc"
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers --root="$folder/tree" --dry-run "$init/musterd.sysusers" >"$folder/said" 2>&1 || true
	grep -q "user 'musterd'" "$folder/said" || fail "musterd.sysusers: $(cat "$folder/said")"
fi
if command -v systemd-tmpfiles >/dev/null && [ "$(id -u)" = 0 ]; then
	systemd-tmpfiles --root="$folder/tree" --create "$init/musterd.tmpfiles" >"$folder/said" 2>&1 || status=1
	for made in /var/log/musterd /var/lib/musterd; do
		[ "$(stat -c '%a %U' "$folder/tree$made")" = "750 root" ] || fail "musterd.tmpfiles: $made: $(cat "$folder/said")"
	done
fi
# The rotation itself is tried where a server runs: tests/systemd.
if command -v logrotate >/dev/null; then
	sed 's|@sbindir@|/usr/sbin|' "$init/musterd.logrotate.in" >"$folder/logrotate"
	chmod 644 "$folder/logrotate"
	logrotate -d -s "$folder/state" "$folder/logrotate" >"$folder/said" 2>&1 || fail "musterd.logrotate: $(cat "$folder/said")"
	! grep -i '^error' "$folder/said" || status=1
fi
exit $status
