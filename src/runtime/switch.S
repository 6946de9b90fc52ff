/* SPDX-License-Identifier: MIT */
/*
 * void context_switch(void **save_sp, void *load_sp)
 *
 * Pushes the registers that a called function must keep, stores the stack pointer in *save_sp, takes
 * load_sp as stack pointer and pops the same registers from there. System V AMD64 psABI 3.2.1,
 * AAPCS64 6.1.1. context_enter is where a new stack's first switch arrives: it calls the function in r13
 * (x20) with the argument in r12 (x19), which never returns. A file of its own and not inline: it must not carry the note that would promise a
 * shadow stack.
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
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
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
	stp x19, x20, [sp, #0]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #0]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #160
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
