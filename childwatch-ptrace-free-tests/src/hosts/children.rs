//! [`Children`]: who reaps the children that the suite has in a host.

use std::process::ExitStatus;

/// Whether the program leaves the suite's children to the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// They stay zombies until the suite reaps them.
    Stay,
    /// The program, or the kernel, reaps each child as soon as it has exited.
    AreReaped,
}

impl Children {
    /// Checks the status that was reported of a child which exited with `code`.
    #[track_caller]
    pub(super) fn check(
        self,
        told: Option<ExitStatus>,
        code: u8,
        reap: impl FnOnce() -> Option<ExitStatus>,
    ) {
        match self {
            Children::Stay => {
                assert_eq!(told, reap(), "another status than that of the zombie");
                assert_eq!(told.and_then(|told| told.code()), Some(code.into()));
            }
            Children::AreReaped => {
                let true_code = Some(i32::from(code));
                assert!(
                    told.is_none_or(|told| told.code() == true_code),
                    "{told:?} is told of a child that exited with {code}"
                );
            }
        }
    }
}
