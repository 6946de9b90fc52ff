/* SPDX-License-Identifier: MIT */
/*
 * Where the worker is, for the master's log: on SIGUSR2, and before it dies of a fault. Taken by
 * the worker itself in a signal handler, on a stack of its own (what overflowed may be the small
 * one of a coroutine), and sent as RECORD_TRACE with a memfd of one frame a line, the innermost
 * first; value: the signal.
 */
#ifndef WORKER_TRACE_H
#define WORKER_TRACE_H

struct mu_worker;

/*
 * What it needs is loaded, for this process and those it forks: nothing of that may be left to a
 * handler.
 */
void trace_prime(void);
/*
 * For worker_main: from now on, over this control socket; traces end with the caller. A process has
 * one trace as it has one set of signal handlers.
 */
void trace_start(int control);
/*
 * The module is there, in a file of its own or not: its functions have names in traces, too. The worker is the one whose
 * slot is told when a fault was the end of a stack.
 */
void trace_know(const struct mu_worker *worker);

#endif
