//! [`Pid`]: the id of a process.

use std::fmt;
use std::num::NonZeroI32;
use std::process::Child;
use std::str::FromStr;

/// The id of one process: a positive number.
///
/// A `Pid` is never zero or negative: `kill` and `waitpid` read such numbers as process groups
/// and wildcards. Only the kernel knows whether a process with this pid exists, and its answer
/// holds for a moment. Clause C13 of [`PidWatcher`](crate::PidWatcher) says what a watcher does
/// if a pid is reused.
///
/// A `Pid` is made from a [`Child`] of std without a check, and from the number that another crate
/// returns with one. For example, `tokio::process::Child::id` returns an `Option<u32>`. It is `None`
/// after tokio has reaped the child, so ask for it before you wait:
///
/// ```
/// # fn spawned_by_tokio() -> Option<u32> { Some(7) }
/// use childwatch_core::Pid;
///
/// let pid = spawned_by_tokio().map(Pid::try_from).transpose()?;
/// # assert_eq!(pid.map(Pid::as_raw), Some(7));
/// # Ok::<(), childwatch_core::InvalidPid>(())
/// ```
///
/// # Examples
///
/// ```
/// use childwatch_core::Pid;
///
/// let child = std::process::Command::new("true").spawn()?;
/// let pid = Pid::from(&child);
/// assert_eq!(u32::from(pid), child.id());
/// assert_eq!(i32::from(pid), pid.as_raw());
///
/// assert!(Pid::try_from(0).is_err());
/// assert!(Pid::try_from(-1).is_err());
/// assert!("12x".parse::<Pid>().is_err());
/// # let mut child = child; child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(NonZeroI32);

impl Pid {
    /// Returns the number as system calls take it (`pid_t`).
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0.get()
    }
}

impl TryFrom<i32> for Pid {
    type Error = InvalidPid;

    fn try_from(raw: i32) -> Result<Self, InvalidPid> {
        match NonZeroI32::new(raw) {
            Some(pid) if pid.is_positive() => Ok(Pid(pid)),
            _ => Err(InvalidPid(raw.to_string())),
        }
    }
}

impl TryFrom<u32> for Pid {
    type Error = InvalidPid;

    fn try_from(raw: u32) -> Result<Self, InvalidPid> {
        i32::try_from(raw)
            .map_err(|_| InvalidPid(raw.to_string()))
            .and_then(Pid::try_from)
    }
}

impl TryFrom<NonZeroI32> for Pid {
    type Error = InvalidPid;

    fn try_from(raw: NonZeroI32) -> Result<Self, InvalidPid> {
        Pid::try_from(raw.get())
    }
}

impl From<Pid> for i32 {
    fn from(pid: Pid) -> i32 {
        pid.as_raw()
    }
}

impl From<Pid> for u32 {
    fn from(pid: Pid) -> u32 {
        pid.as_raw().unsigned_abs()
    }
}

impl From<Pid> for NonZeroI32 {
    fn from(pid: Pid) -> NonZeroI32 {
        pid.0
    }
}

impl From<&Child> for Pid {
    fn from(child: &Child) -> Self {
        Pid::try_from(child.id()).expect("a spawned child has a positive pid_t")
    }
}

impl FromStr for Pid {
    type Err = InvalidPid;

    fn from_str(text: &str) -> Result<Self, InvalidPid> {
        text.parse::<i32>()
            .map_err(|_| InvalidPid(text.to_owned()))
            .and_then(Pid::try_from)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({})", self.0)
    }
}

/// A number or text that no process can have as its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0:?} is not a process id: it must be a positive number")]
pub struct InvalidPid(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_pid_t_is_a_pid_and_one_more_is_not() {
        assert_eq!(Pid::try_from(i32::MAX as u32).unwrap().as_raw(), i32::MAX);
        assert!(Pid::try_from(i32::MAX as u32 + 1).is_err());
    }

    #[test]
    fn zero_and_the_negative_numbers_are_no_pids() {
        assert!(Pid::try_from(0).is_err());
        assert!(Pid::try_from(-1).is_err());
        assert!(Pid::try_from(1).is_ok());
    }

    #[test]
    fn a_pid_and_its_number_lead_to_each_other() {
        let pid = Pid::try_from(i32::MAX).unwrap();
        assert_eq!(Pid::try_from(i32::from(pid)), Ok(pid));
        assert_eq!(Pid::try_from(u32::from(pid)), Ok(pid));
        assert_eq!(Pid::try_from(NonZeroI32::from(pid)), Ok(pid));
        assert!(Pid::try_from(NonZeroI32::MIN).is_err());
    }

    #[test]
    fn what_is_no_pid_is_named_in_the_error() {
        let message = "-7".parse::<Pid>().unwrap_err().to_string();
        assert_eq!(
            message,
            r#""-7" is not a process id: it must be a positive number"#
        );
    }
}
