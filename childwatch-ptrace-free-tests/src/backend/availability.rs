//! Whether a backend is available in an interpreter: this program is asked there.

use std::env;

use crate::backend::under_test::BackendUnderTest;
use crate::kit::alone;
use crate::machine::interpreter::Interpreter;

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
