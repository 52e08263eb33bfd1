//! The examples with loops print the same exits.

use std::env;
use std::process::Command;

#[test]
fn every_loop_prints_the_same_exits() {
    for name in ["loop_epoll", "loop_mio", "loop_polling", "loop_tokio"] {
        let mut example = env::current_exe().unwrap();
        // From `deps`, where tests are, to `examples` beside it.
        example.pop();
        example.pop();
        example.push("examples");
        example.push(name);
        let output = Command::new(&example).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = "exit status: 3\nexit status: 4\nexit status: 5\n";
        assert_eq!(text, expected, "{name}");
    }
}
