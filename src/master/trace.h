/* SPDX-License-Identifier: MIT */
/*
 * Where a worker is in its code: it says so itself (SIGUSR2, then RECORD_TRACE with a memfd of one frame a line). This
 * part looks at whether it would hear us, asks, reads what comes back, and logs it. What comes
 * back may be anything, and nothing of it may make the master wait.
 */
#ifndef MASTER_TRACE_H
#define MASTER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	TRACE_TEXT_MAX = 16 * 1024,
	TRACE_FRAMES_MAX = 64,
	TRACE_FILE_MAX = 1024 * 1024 /* what is larger is none of ours */
};

/* What the kernel says of a process that concerns us here. */
struct process {
	pid_t tracer;       /* a debugger that is attached to it; 0: none */
	bool catches_trace; /* it has a handler for SIGUSR2 */
};

/* From the text of /proc/PID/status; what is not there is 0. */
void process_parse(struct process *process_r, const char *status);
/*
 * Of a worker that has been ready and is not reaped. Where it cannot be looked at it is taken to be as it was then: with
 * a handler, and nobody tracing it.
 */
void process_look(struct process *process_r, pid_t pid);

/*
 * The text in the file, ended by NUL, malloc'd: at most TRACE_TEXT_MAX bytes of it. NULL: it is no memfd of a
 * sensible size, or empty. Does not close fd.
 */
char *trace_read(int fd);
/* Takes the next frame out of *text, cleaned; false: there are no more. A "#3 " of its own goes. */
bool trace_frame(const char **text, char *frame_r, size_t size);
/* A line for each frame: "worker www 2 (pid 4711) was here: #0 serve+0x1f". */
void trace_log(const char *text, int level, const char *service, int number, pid_t pid);

#endif
