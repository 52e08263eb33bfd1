//! The short examples are complete programs, and print the same lines every time.

use std::env;
use std::process::Command;

#[test]
fn the_short_examples_print_what_they_promise() {
    for (name, expected) in [
        ("closure", "the child has exited with exit status: 3\n"),
        (
            "guard",
            "working with a helper\nan exit after the work is reported: false\n",
        ),
        (
            "timeout_and_select",
            "exited in time: false\nreceived a request\nexited: true, exit status: 0\n",
        ),
        (
            "first_of_many",
            "first: exit status: 3\nthen: exit status: 4, exit status: 5\n",
        ),
        (
            "group",
            "the leader: exit status: 3; the rest of its group was killed: true\n",
        ),
        ("strangers_status", "the shell's child: exit status: 3\n"),
        (
            "restart",
            "exit status: 3\nexit status: 3\nexit status: 3\ngiven up after 3 failures\n",
        ),
        ("simulated_test", "failures: 2\n"),
        (
            "shadow_adapter",
            "the same child: true\nits code: Some(42)\n",
        ),
        #[cfg(feature = "sigchld")]
        ("auto", "3 exits, the sum of the codes: 12\n"),
    ] {
        let mut example = env::current_exe().unwrap();
        // From `deps`, where tests are, to `examples` beside it.
        example.pop();
        example.pop();
        example.push("examples");
        example.push(name);
        let output = Command::new(&example).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // Before Linux 6.9 there is no such event, and before 6.15 no such status.
        if name == "strangers_status" && text.contains("this kernel") | text.contains("6.15") {
            continue;
        }
        assert_eq!(text, expected, "{name}");
    }
}
