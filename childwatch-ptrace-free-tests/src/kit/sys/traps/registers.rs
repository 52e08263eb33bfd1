//! Where each architecture keeps a system call's number, arguments and answer (syscall(2)).

pub(super) use here::{ARE_KNOWN, give, trapped};

#[cfg(target_arch = "x86_64")]
mod here {
    use libc::{c_int, c_long, ucontext_t};

    /// Whether the suite knows the registers of this architecture.
    pub(in super::super) const ARE_KNOWN: bool = true;

    /// The number and the first arguments of the trapped call.
    pub(in super::super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
        let register = |number: c_int| context.uc_mcontext.gregs[number as usize];
        let arguments = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10];
        (register(libc::REG_RAX), arguments.map(register))
    }

    /// Has the trapped call answer this.
    pub(in super::super) fn give(context: &mut ucontext_t, answer: c_long) {
        context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
    }
}

#[cfg(target_arch = "aarch64")]
mod here {
    use libc::{c_long, ucontext_t};

    pub(in super::super) const ARE_KNOWN: bool = true;

    pub(in super::super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
        let register = |number: usize| context.uc_mcontext.regs[number] as c_long;
        (register(8), [0, 1, 2, 3].map(register))
    }

    pub(in super::super) fn give(context: &mut ucontext_t, answer: c_long) {
        context.uc_mcontext.regs[0] = answer as u64;
    }
}

#[cfg(target_arch = "riscv64")]
mod here {
    use libc::{c_long, c_ulong, ucontext_t};

    pub(in super::super) const ARE_KNOWN: bool = true;

    pub(in super::super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
        let register = |number: usize| context.uc_mcontext.__gregs[number] as c_long;
        // a7, and a0 to a3.
        (register(17), [10, 11, 12, 13].map(register))
    }

    pub(in super::super) fn give(context: &mut ucontext_t, answer: c_long) {
        context.uc_mcontext.__gregs[10] = answer as c_ulong;
    }
}

#[cfg(target_arch = "arm")]
mod here {
    use libc::{c_long, c_ulong, ucontext_t};

    pub(in super::super) const ARE_KNOWN: bool = true;

    pub(in super::super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
        let of = &context.uc_mcontext;
        let arguments = [of.arm_r0, of.arm_r1, of.arm_r2, of.arm_r3];
        (
            of.arm_r7 as c_long,
            arguments.map(|argument| argument as c_long),
        )
    }

    pub(in super::super) fn give(context: &mut ucontext_t, answer: c_long) {
        context.uc_mcontext.arm_r0 = answer as c_ulong;
    }
}

#[cfg(all(target_arch = "x86", target_env = "gnu"))]
mod here {
    use libc::{c_int, c_long, ucontext_t};

    pub(in super::super) const ARE_KNOWN: bool = true;

    pub(in super::super) fn trapped(context: &ucontext_t) -> (c_long, [c_long; 4]) {
        let register = |number: c_int| context.uc_mcontext.gregs[number as usize];
        let arguments = [libc::REG_EBX, libc::REG_ECX, libc::REG_EDX, libc::REG_ESI];
        (register(libc::REG_EAX), arguments.map(register))
    }

    pub(in super::super) fn give(context: &mut ucontext_t, answer: c_long) {
        context.uc_mcontext.gregs[libc::REG_EAX as usize] = answer;
    }
}

/// With musl on x86, the registers have no public names.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "arm",
    all(target_arch = "x86", target_env = "gnu"),
)))]
mod here {
    use libc::{c_long, ucontext_t};

    pub(in super::super) const ARE_KNOWN: bool = false;

    pub(in super::super) fn trapped(_: &ucontext_t) -> (c_long, [c_long; 4]) {
        (-1, [0; 4])
    }

    pub(in super::super) fn give(_: &mut ucontext_t, _: c_long) {}
}
