//! Whether a backend is available in an interpreter, or in the static program. This program is
//! asked there.

use std::env;
use std::time::Duration;

use crate::backend::under_test::BackendUnderTest;
use crate::kit::alone;
use crate::machine::interpreter::Interpreter;
use crate::machine::static_program::{self, IS_STATIC};

/// The first argument of a program that is to print whether a backend is available to it.
/// The backend's name follows.
const AVAILABILITY_FLAG: &str = "--childwatch-available";

/// Returns `Ok` if the interpreter is installed, and the backend is available in it.
///
/// # Errors
///
/// Returns the reason, which the report shows.
pub(crate) fn in_interpreter(
    interpreter: Interpreter,
    backend: &dyn BackendUnderTest,
) -> Result<(), String> {
    interpreter.run(&[AVAILABILITY_FLAG, backend.name()])
}

/// How long the static program may take to answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns `Ok` if the static program was built, and has the backend.
///
/// # Errors
///
/// Returns the reason, which the report shows.
pub(crate) fn in_static_program(backend: &dyn BackendUnderTest) -> Result<(), String> {
    let file = static_program::file()?;
    if IS_STATIC {
        return Ok(());
    }
    let name = backend.name();
    let ended = alone::run(&file, [AVAILABILITY_FLAG, name], DEADLINE)
        .map_err(|error| format!("{} can't be started: {error}", file.display()))?;
    match ended.status.and_then(|status| status.code()) {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(alone::UNSUPPORTED) => Err(ended.output.trim().to_owned()),
        // A program that does not know the backend takes the question for another argument.
        _ => Err(format!("{} has no backend {name}", file.display())),
    }
}

/// Prints whether a backend is available, and exits, if this process was started for that.
pub(crate) fn take_part(backends: &[&'static dyn BackendUnderTest]) {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(AVAILABILITY_FLAG) {
        return;
    }
    let name = arguments.next().unwrap_or_default();
    let Some(backend) = backends.iter().find(|backend| backend.name() == name) else {
        return;
    };
    match backend.is_available() {
        Ok(()) => std::process::exit(0),
        Err(reason) => {
            println!("{reason}");
            std::process::exit(i32::from(alone::UNSUPPORTED))
        }
    }
}
