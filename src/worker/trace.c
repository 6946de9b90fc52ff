/* SPDX-License-Identifier: MIT */
/*
 * Traces, as trace.h says. After trace_start everything here runs in signal handlers: system
 * calls, and of the C library backtrace(3) and backtrace_symbols_fd(3), which take no memory once
 * the unwinder is loaded.
 */
#include "worker/trace.h"

#include "base/contract.h"
#include "base/fd.h"
#include "runtime/runtime.h"
#include "worker/symbols.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	FRAMES_MAX = 64,
	NAME_MAX_BYTES = 200,
	TRACE_MAX = 16384, /* bytes of the text */
	STACK_REACH = 64 * 1024,
	STACK_BYTES = 64 * 1024 /* the unwinder's needs and the largest register sets there are */
};

/* A handler has no argument; and dying of one fault, it must not ask for memory. */
static struct {
	int control;
	bool primed;
	struct symbols program, module;
	const struct mu_worker *worker;
	const void
		*below; /* the frame below the worker's outermost: how the master came to fork it */
	char stack[STACK_BYTES] __attribute__((__aligned__(64)));
} trace = { .control = -1 };

/* Where the signal struck; NULL where we cannot tell. */
static void *interrupted_at(const void *context)
{
#if defined(__x86_64__)
	return (void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
	(void)context;
	return NULL;
#endif
}

#if !WITH_ASAN
static const void *stack_at(const void *context)
{
#if defined(__x86_64__)
	return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (const void *)((const ucontext_t *)context)->uc_mcontext.sp;
#else
	(void)context;
	return NULL;
#endif
}
#endif

/* "serve_echo+0x2a\n" */
static void write_function(int fd, const char *name, size_t offset)
{
	char line[NAME_MAX_BYTES + 24], digits[16];
	size_t len = strnlen(name, NAME_MAX_BYTES), n = 0;

	memcpy(line, name, len);
	line[len++] = '+';
	line[len++] = '0';
	line[len++] = 'x';
	do
		digits[n++] = "0123456789abcdef"[offset & 15];
	while (offset >>= 4);
	while (n)
		line[len++] = digits[--n];
	line[len++] = '\n';
	fd_write_all(fd, line, len);
}

/* `called`: a return address, which may already be the next function's. */
static void write_frame(int fd, void *frame, bool called)
{
	size_t offset;
	uintptr_t at = (uintptr_t)frame - called;
	const char *name = symbols_find(&trace.program, at, &offset);

	if (!name)
		name = symbols_find(&trace.module, at, &offset);
	if (name)
		write_function(fd, name, offset + called);
	else
		backtrace_symbols_fd(&frame, 1, fd);
}

/* Without our own frames, which come first, and the master's, which come last. */
static void write_trace(int fd, const void *context)
{
	void *frame[FRAMES_MAX], *at = interrupted_at(context);
	int n = backtrace(frame, FRAMES_MAX), first = 0;
	struct stat st;

	while (first < n && frame[first] != at)
		first++;
	if (first == n)
		first = 0;
	if (n == 0 && at)
		write_frame(fd, at, false);
	for (int i = first; i < n && frame[i] != trace.below; i++)
		write_frame(fd, frame[i], frame[i] != at);
	if (fstat(fd, &st) == 0 && st.st_size > TRACE_MAX)
		(void)!ftruncate(fd, TRACE_MAX);
}

static void send_trace(int signal, const void *context)
{
	int saved = errno, fd = memfd_create("musterd trace", MFD_CLOEXEC);

	if (fd >= 0) {
		write_trace(fd, context);
		record_send(trace.control, RECORD_TRACE, 0, signal, fd);
		close(fd);
	}
	errno = saved;
}

static void on_asked(int signal, siginfo_t *info, void *context)
{
	(void)info;
	send_trace(signal, context);
}

#if !WITH_ASAN
/* What is there of the process's own stack ends so near to where it is used. */
static bool is_near(const void *address, const void *stack)
{
	return stack && (uintptr_t)address - (uintptr_t)stack + STACK_REACH < 2 * STACK_REACH;
}

/* In the slot it is told with the worker's death. */
static void tell_overrun(const void *address, const void *context)
{
	static const char coroutine[] = "a handler overran the stack of its connection, which is "
					"small where `connections` is more than 1: large things "
					"belong in mu_alloc";
	static const char process[] = "a handler overran the stack of the process";
	const struct mu_worker *worker = trace.worker;

	if (!worker)
		return;
	if (stacks_guard(&worker->pool.stacks, address))
		memcpy(worker->slot->error, coroutine, sizeof(coroutine));
	else if (is_near(address, stack_at(context)))
		memcpy(worker->slot->error, process, sizeof(process));
}

/* Its disposition is the default again: what follows is what would have been. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (signal == SIGSEGV || signal == SIGBUS)
		tell_overrun(info->si_addr, context);
	send_trace(signal, context);
	/* A fault comes again where we return to; what somebody sent does not. */
	if (info->si_code <= 0)
		raise(signal);
}
#endif

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | flags };

	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

void trace_prime(void)
{
	void *frame;

	if (trace.primed)
		return;
	backtrace(&frame, 1); /* the first call loads libgcc */
	symbols_open_program(&trace.program);
	trace.primed = true;
}

void trace_know(const struct mu_worker *worker)
{
	trace.worker = worker;
	symbols_open_object(&trace.module, worker->module);
}

void trace_start(int control)
{
	stack_t stack = { .ss_sp = trace.stack, .ss_size = sizeof(trace.stack) };
	void *frame[8];
	int n;

	trace_prime();
	n = backtrace(frame, 8);
	for (int i = 0; i + 1 < n; i++)
		if (frame[i] == __builtin_return_address(0))
			trace.below = frame[i + 1];
	trace.control = control;
	/* Under AddressSanitizer there is one already, and its own reports of faults. */
#if !WITH_ASAN
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		handle(faults[i], on_fault, SA_RESETHAND);
#else
	(void)stack;
#endif
	handle(SIGUSR2, on_asked, SA_RESTART);
}
