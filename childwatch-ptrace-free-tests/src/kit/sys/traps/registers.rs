//! Where each architecture keeps a system call's number, arguments and answer (syscall(2)).

use libc::{c_long, ucontext_t};

/// Whether this architecture is known here. With musl on x86, the registers have no public names.
pub(super) const ARE_KNOWN: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "arm",
    all(target_arch = "x86", target_env = "gnu"),
));

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        /// The number and the first arguments of the trapped call.
        pub(super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
            let register = |number: libc::c_int| context.uc_mcontext.gregs[number as usize];
            let arguments = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10];
            (register(libc::REG_RAX), arguments.map(register))
        }

        /// Has the trapped call answer this.
        pub(super) fn give(context: &mut ucontext_t, answer: c_long) {
            context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
        }
    } else if #[cfg(target_arch = "aarch64")] {
        pub(super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
            let register = |number: usize| context.uc_mcontext.regs[number] as c_long;
            (register(8), [0, 1, 2, 3].map(register))
        }

        pub(super) fn give(context: &mut ucontext_t, answer: c_long) {
            context.uc_mcontext.regs[0] = answer as u64;
        }
    } else if #[cfg(target_arch = "riscv64")] {
        pub(super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
            let register = |number: usize| context.uc_mcontext.__gregs[number] as c_long;
            // a7, and a0 to a3.
            (register(17), [10, 11, 12, 13].map(register))
        }

        pub(super) fn give(context: &mut ucontext_t, answer: c_long) {
            context.uc_mcontext.__gregs[10] = answer as libc::c_ulong;
        }
    } else if #[cfg(target_arch = "arm")] {
        pub(super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
            let registers = &context.uc_mcontext;
            let arguments = [registers.arm_r0, registers.arm_r1, registers.arm_r2, registers.arm_r3];
            (registers.arm_r7 as c_long, arguments.map(|argument| argument as c_long))
        }

        pub(super) fn give(context: &mut ucontext_t, answer: c_long) {
            context.uc_mcontext.arm_r0 = answer as libc::c_ulong;
        }
    } else if #[cfg(all(target_arch = "x86", target_env = "gnu"))] {
        pub(super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
            let register = |number: libc::c_int| context.uc_mcontext.gregs[number as usize];
            let arguments = [libc::REG_EBX, libc::REG_ECX, libc::REG_EDX, libc::REG_ESI];
            (register(libc::REG_EAX), arguments.map(register))
        }

        pub(super) fn give(context: &mut ucontext_t, answer: c_long) {
            context.uc_mcontext.gregs[libc::REG_EAX as usize] = answer;
        }
    } else {
        pub(super) fn trapped(_: &ucontext_t) -> (c_long, [c_long; 4]) {
            (-1, [0; 4])
        }

        pub(super) fn give(_: &mut ucontext_t, _: c_long) {}
    }
}
