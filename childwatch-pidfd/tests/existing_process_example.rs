//! The example `existing_process` reports the exit of a process that is not its child.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn it_reports_a_process_that_is_no_child() {
    let mut example = env::current_exe().unwrap();
    // From `deps`, where tests are, to `examples` beside it.
    example.pop();
    example.pop();
    example.push("examples/existing_process");
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = other.id().to_string();
    let mut watching = Command::new(&example)
        .arg(&pid)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert_eq!(first, format!("watching process {pid}"));
    drop(other.stdin.take());
    other.wait().unwrap();
    let last = lines.next().unwrap().unwrap();
    assert!(last.starts_with(&format!("process {pid}: ")), "{last}");
    assert!(watching.wait().unwrap().success());
}
