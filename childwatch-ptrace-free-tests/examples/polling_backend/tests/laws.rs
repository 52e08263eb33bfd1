//! The laws of the source as a test target: `cargo test --test laws`. They come first: a fault of
//! the source shows here without an engine.

#![forbid(unsafe_code)]

use std::time::Duration;

use childwatch_ptrace_free_tests::{SourceUnderTest, laws_main};
use polling_backend::PollingSource;

/// The unit of the start times in `/proc`.
const TICK: Duration = Duration::from_millis(10);

laws_main!(
    SourceUnderTest::new("polling", || Ok((PollingSource::new()?, ()))).start_times_in(TICK)
);
