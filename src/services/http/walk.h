/* SPDX-License-Identifier: MIT */
/*
 * What openat2 with RESOLVE_BENEATH does, for where there is none: before Linux 5.6, and behind a seccomp filter that
 * refuses it (RestrictSUIDSGID= of systemd does). Segment by segment, so that nobody can swap a folder for a link in
 * between; links that lead out are refused. For root.c alone.
 */
#ifndef SERVICES_HTTP_WALK_H
#define SERVICES_HTTP_WALK_H

/*
 * Opens `name` below the folder with these flags. Descriptor, or -1 with errno: EXDEV for an absolute link or a ".." that
 * leads out, ELOOP for too many links.
 */
int walk_beneath(int root, const char *name, int flags);

#endif
