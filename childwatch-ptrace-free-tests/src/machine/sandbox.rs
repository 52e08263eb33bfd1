//! [`Sandbox`]: an older kernel or a tighter sandbox than this machine's, emulated by
//! seccomp.

use rustix::io::Errno;

use crate::machine::refusal::{self, Refusal};

macro_rules! sandboxes {
    ($($sandbox:ident $name:literal = $stands_for:literal [$($refusal:expr),* $(,)?],)*) => {
        /// A kernel or sandbox that refuses calls which watchers are made of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Sandbox {
            $(
                #[doc = $stands_for]
                $sandbox,
            )*
        }

        impl Sandbox {
            /// Every sandbox.
            pub const ALL: &[Sandbox] = &[$(Sandbox::$sandbox),*];

            /// Its name on the command line and in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Sandbox::$sandbox => $name,)*
                }
            }

            /// Which kernels or sandboxes it stands for, in one line.
            #[must_use]
            pub const fn stands_for(self) -> &'static str {
                match self {
                    $(Sandbox::$sandbox => $stands_for,)*
                }
            }

            /// The calls that it refuses.
            #[must_use]
            pub const fn refusals(self) -> &'static [Refusal] {
                match self {
                    $(Sandbox::$sandbox => const { &[$($refusal),*] },)*
                }
            }
        }
    };
}

const NO_WIPEONFORK: Refusal =
    Refusal::of(libc::SYS_madvise, Errno::INVAL).with(2, libc::MADV_WIPEONFORK as u32);

sandboxes! {
    NoPidfd "no-pidfd" = "Linux 4.14 to 5.2, such as RHEL 8's: neither pidfds nor clone3" [
        Refusal::pidfd_open(Errno::NOSYS),
        Refusal::of(libc::SYS_pidfd_send_signal, Errno::NOSYS),
        Refusal::waitid_of_pidfds(Errno::INVAL),
        Refusal::of(libc::SYS_clone3, Errno::NOSYS),
    ],
    NoPPidfd "no-p-pidfd" = "Linux 5.3: pidfds that can't be waited for" [
        Refusal::waitid_of_pidfds(Errno::INVAL),
    ],
    NoInfo "no-info" = "Linux 5.4 to 6.12: pidfds without PIDFD_GET_INFO" [
        Refusal::pidfd_get_info(Errno::NOTTY),
    ],
    Eperm "eperm" = "container profiles from before pidfds, as Docker's of 2020: EPERM" [
        Refusal::pidfd_open(Errno::PERM),
        Refusal::of(libc::SYS_pidfd_send_signal, Errno::PERM),
    ],
    Eacces "eacces" = "profiles and security modules that refuse pidfd_open with EACCES" [
        Refusal::pidfd_open(Errno::ACCESS),
    ],
    Enomem "enomem" = "a kernel short of memory: pidfds are there, but not now" [
        Refusal::pidfd_open(Errno::NOMEM),
    ],
    NoClone3 "no-clone3" = "container profiles since 2021, as Docker's: no clone3" [
        Refusal::of(libc::SYS_clone3, Errno::NOSYS),
    ],
    NoPtrace "no-ptrace" = "container profiles for kernels before 4.8, and hardened services" [
        Refusal::of(libc::SYS_ptrace, Errno::PERM),
    ],
    NoWipeonfork "no-wipeonfork" = "kernels without MADV_WIPEONFORK, which Linux has since 4.14" [
        NO_WIPEONFORK,
    ],
    IgnoresMadvise "ignores-madvise" = "qemu-user, and sandboxes where madvise says 0, unread" [
        Refusal::ignored(libc::SYS_madvise),
    ],
    Gvisor2025 "gvisor-2025" = "gVisor until April 2026: no pidfds, no MADV_WIPEONFORK" [
        Refusal::pidfd_open(Errno::NOSYS),
        Refusal::of(libc::SYS_pidfd_send_signal, Errno::NOSYS),
        Refusal::waitid_of_pidfds(Errno::INVAL),
        NO_WIPEONFORK,
    ],
    Gvisor2026 "gvisor-2026" = "gVisor since: pidfds, no PIDFD_GET_INFO, no MADV_WIPEONFORK" [
        Refusal::pidfd_get_info(Errno::NOTTY),
        NO_WIPEONFORK,
    ],
}

impl Sandbox {
    /// Confines this process, and every child that it has from now on. There is no
    /// way back. `no_new_privs` is set first, as the kernel wants it.
    ///
    /// # Errors
    ///
    /// Returns the reason if this sandbox is unavailable here. The report shows it. The
    /// sandbox may hold in part then.
    pub fn apply(self) -> Result<(), String> {
        refusal::refuse_in_process(self.refusals())
    }

    /// Checks that sandboxes are available here. It changes nothing.
    ///
    /// # Errors
    ///
    /// Returns the reason, which the report shows.
    pub fn can_be_applied() -> Result<(), String> {
        refusal::can_refuse()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kit::skip;
    use crate::kit::sys::permits;
    use crate::machine::refusal::with_refused;

    #[test]
    fn no_two_sandboxes_have_one_name() {
        let names: BTreeSet<_> = Sandbox::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), Sandbox::ALL.len());
    }

    /// The sandboxes that leave all backends available. What a backend has lost is a test of
    /// childwatch-proofs.
    #[test]
    fn what_backends_can_do_without_is_refused_too() {
        if !skip::can_run(Sandbox::can_be_applied()) {
            return;
        }
        let refuses = |sandbox: Sandbox, is_refused: fn() -> bool| {
            assert!(with_refused(sandbox.refusals(), is_refused), "{sandbox:?}");
        };
        let wipe = || !permits::can_wipe_on_fork();
        refuses(Sandbox::NoWipeonfork, wipe);
        refuses(Sandbox::IgnoresMadvise, permits::takes_any_advice);
        assert!(
            !permits::takes_any_advice(),
            "the kernel refuses what it does not know"
        );
        refuses(Sandbox::Gvisor2025, wipe);
        refuses(Sandbox::Gvisor2026, wipe);
        refuses(Sandbox::NoClone3, || permits::can_choose_pids().is_err());
        refuses(Sandbox::NoPtrace, || permits::may_trace().is_err());
    }
}
