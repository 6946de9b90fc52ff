/* SPDX-License-Identifier: MIT */
/*
 * void context_switch(void **save_sp, void *load_sp)
 *
 * Pushes the registers that a called function must keep, stores the stack pointer in *save_sp, takes
 * load_sp as stack pointer and pops the same registers from there. System V AMD64 psABI 3.2.1,
 * AAPCS64 6.1.1. Both stacks look the same at each instruction, so the notes for the unwinder hold for
 * either: a signal handler that takes a backtrace may come in between.
 *
 * context_enter is where a new stack's first switch arrives: it calls the function in r13 (x20) with the
 * argument in r12 (x19), which never returns. A file of its own and not inline: it must not carry the note
 * that would promise a shadow stack.
 */
#if defined(__x86_64__)
	.text
	.globl context_switch
	.hidden context_switch
	.type context_switch, @function
	.p2align 4
context_switch:
	.cfi_startproc
#ifdef __CET__
	endbr64
#endif
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size context_switch, .-context_switch

	.globl context_enter
	.hidden context_enter
	.type context_enter, @function
	.p2align 4
context_enter:
	.cfi_startproc
	.cfi_undefined rip
	movq %r12, %rdi
	call *%r13
	ud2
	.cfi_endproc
	.size context_enter, .-context_enter
#elif defined(__aarch64__)
	.text
	.globl context_switch
	.hidden context_switch
	.type context_switch, %function
	.p2align 4
context_switch:
	.cfi_startproc
	sub sp, sp, #160
	.cfi_adjust_cfa_offset 160
	stp x19, x20, [sp, #0]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	stp x21, x22, [sp, #16]
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	stp x23, x24, [sp, #32]
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	stp x25, x26, [sp, #48]
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	stp x27, x28, [sp, #64]
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	stp x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #0]
	.cfi_restore x19
	.cfi_restore x20
	ldp x21, x22, [sp, #16]
	.cfi_restore x21
	.cfi_restore x22
	ldp x23, x24, [sp, #32]
	.cfi_restore x23
	.cfi_restore x24
	ldp x25, x26, [sp, #48]
	.cfi_restore x25
	.cfi_restore x26
	ldp x27, x28, [sp, #64]
	.cfi_restore x27
	.cfi_restore x28
	ldp x29, x30, [sp, #80]
	.cfi_restore x29
	.cfi_restore x30
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #160
	.cfi_adjust_cfa_offset -160
	ret
	.cfi_endproc
	.size context_switch, .-context_switch

	.globl context_enter
	.hidden context_enter
	.type context_enter, %function
	.p2align 4
context_enter:
	.cfi_startproc
	.cfi_undefined x30
	mov x0, x19
	blr x20
	brk #1
	.cfi_endproc
	.size context_enter, .-context_enter
#endif
#if defined(__linux__)
	.section .note.GNU-stack,"",%progbits
#endif
