//! The `resource_usage` example as its user sees it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not their helpers"
)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn the_command_is_shown_with_what_it_has_used() {
    let output = Command::new(example())
        .args(["sh", "-c", "exit 3"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    if errors.contains("the kernel tells no usage") {
        eprintln!("not tested: {errors}");
        return;
    }
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let [exit, usage] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert!(exit.ends_with(": exit status: 3"), "{exit}");
    let (_, memory) = usage.split_once(", memory ").unwrap();
    let (kib, _) = memory.split_once(" KiB, faults ").unwrap();
    assert!(kib.parse::<u64>().unwrap() > 0, "{usage}");
}

/// Cargo builds the examples before it runs this.
fn example() -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).unwrap();
    let example = profile.join("examples/resource_usage");
    assert!(
        example.is_file(),
        "{} is not there: build it with `cargo build -p childwatch-pidfd --example resource_usage`",
        example.display()
    );
    example
}
