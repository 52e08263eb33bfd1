//! [`Program`]: an installed program with a job that depends on its children or its signals. Each is
//! a file in `xtask/programs`.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::way::Way;
use crate::workspace;

/// A script for `sh`. It runs in an empty directory, which is `$HOME` too, and its output is the same
/// each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) script: String,
    /// The commands that must be installed.
    needs: Vec<String>,
    notices: Option<Notice>,
}

/// What a program notices of a watcher, as the guide's page on limits says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    ClosesAllDescriptors,
    EndsItsThread,
    HandlesMeanwhile,
    HandlesOnItsThread,
    ReceivesItself,
}

impl Notice {
    const ALL: [Notice; 5] = [
        Notice::ClosesAllDescriptors,
        Notice::EndsItsThread,
        Notice::HandlesMeanwhile,
        Notice::HandlesOnItsThread,
        Notice::ReceivesItself,
    ];

    /// Returns the word for it in a file.
    fn word(self) -> &'static str {
        match self {
            Notice::ClosesAllDescriptors => "closes all descriptors",
            Notice::EndsItsThread => "ends its only thread",
            Notice::HandlesMeanwhile => "handler reads what the thread changes",
            Notice::HandlesOnItsThread => "handler needs its thread",
            Notice::ReceivesItself => "receives SIGCHLD itself",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Notice::ClosesAllDescriptors => {
                "It closes all descriptors, those of the watcher too, which then refuses its children."
            }
            Notice::EndsItsThread => {
                "It ends its only thread, and so the process. The watcher's thread goes on."
            }
            Notice::HandlesMeanwhile => {
                "It blocks SIGCHLD while it changes what its handler reads. During another \
                 callback the handler may run on the watcher's thread."
            }
            Notice::HandlesOnItsThread => {
                "Its handler of SIGCHLD, which it installs later, needs the data of its own \
                 thread. It may run on the watcher's, during another callback, or if that listens to \
                 SIGCHLD."
            }
            Notice::ReceivesItself => {
                "It receives SIGCHLD by signalfd or sigtimedwait, and the watcher listens to SIGCHLD \
                 too."
            }
        }
    }

    fn is_made_in(self, way: &Way) -> bool {
        match self {
            Notice::ClosesAllDescriptors => way.has_descriptors(),
            Notice::EndsItsThread => true,
            Notice::HandlesMeanwhile => !way.blocked,
            Notice::HandlesOnItsThread => !way.blocked || way.listens_to_sigchld(),
            Notice::ReceivesItself => way.listens_to_sigchld(),
        }
    }
}

/// Reads all files, by their names.
pub(super) fn read() -> anyhow::Result<Vec<Program>> {
    let folder = workspace::root().join("xtask/programs");
    let mut programs = Vec::new();
    let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for file in files {
        let path = file?.path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        programs.push(Program::parse(&name, &text).with_context(|| path.display().to_string())?);
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}

impl Program {
    /// A program that a user gives as a script.
    pub(super) fn of_script(script: &str) -> Self {
        Program {
            name: "script".to_owned(),
            script: script.to_owned(),
            needs: Vec::new(),
            notices: None,
        }
    }

    /// Reads the lines at the head of a file: `# needs: …`, and perhaps `# notices: …`.
    pub(super) fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let value = |key: &str| {
            let head = text.lines().take_while(|line| line.starts_with("# "));
            head.filter_map(|line| {
                line.strip_prefix("# ")?
                    .strip_prefix(key)?
                    .strip_prefix(": ")
            })
            .next()
        };
        let needs = value("needs").context("the file does not begin with `# needs: COMMAND …`")?;
        let notices = value("notices").map(|word| {
            let notice = Notice::ALL.into_iter().find(|notice| notice.word() == word);
            notice.with_context(|| format!("`# notices: {word}` is not known"))
        });
        ensure!(!name.is_empty(), "the file has no name");
        Ok(Program {
            name: name.to_owned(),
            script: text.to_owned(),
            needs: needs.split(' ').map(str::to_owned).collect(),
            notices: notices.transpose()?,
        })
    }

    /// Returns why the program's job is not the same in a way that is a documented limit.
    pub(super) fn notices(&self, way: &Way) -> Option<&'static str> {
        let notice = self.notices.filter(|notice| notice.is_made_in(way));
        notice.map(Notice::reason)
    }

    /// Returns a command that is not installed.
    pub(super) fn missing(&self) -> Option<&str> {
        let paths = env::var_os("PATH").unwrap_or_default();
        let is_there =
            |command: &str| env::split_paths(&paths).any(|folder| is_file(&folder, command));
        let mut needs = self.needs.iter().map(String::as_str);
        needs.find(|command| !is_there(command))
    }
}

fn is_file(folder: &Path, command: &str) -> bool {
    folder.join(command).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_head_and_a_job() {
        for program in read().unwrap() {
            assert!(!program.needs.is_empty(), "{}", program.name);
            let job = program.script.lines().filter(|line| !line.starts_with('#'));
            assert!(job.count() > 1, "{}", program.name);
        }
    }

    #[test]
    fn what_a_program_notices_depends_on_the_way() {
        let text = "# needs: sh true\n# notices: handler needs its thread\n\ntrue\n";
        let program = Program::parse("a", text).unwrap();
        assert_eq!(program.needs, ["sh", "true"]);
        let [open, blocked] = &Way::all(&["pidfd"])[..] else {
            panic!("two ways");
        };
        assert!(program.notices(open).is_some());
        assert_eq!(program.notices(blocked), None);
        let sigchld = Way::all(&["sigchld"]);
        assert!(sigchld.iter().all(|way| program.notices(way).is_some()));
    }

    #[test]
    fn a_head_that_is_not_understood_is_an_error() {
        let error = |text| Program::parse("a", text).unwrap_err().to_string();
        assert!(error("true\n").contains("needs"));
        assert!(error("# needs: sh\n# notices: all\n").contains("all"));
    }

    #[test]
    fn a_command_that_is_not_installed_is_named() {
        let program = Program::parse("a", "# needs: sh no-such-command\n").unwrap();
        assert_eq!(program.missing(), Some("no-such-command"));
    }
}
