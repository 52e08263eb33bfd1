//! Runs a model in every interleaving of its threads, and prints how many there were.
//!
//! A model must end in each order of its threads, and nothing else may make a difference in it.
//! The engine catches the panic of a callback. So a model keeps what a callback sees, and asserts
//! it outside.

use std::any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use loom::model::Builder;

use crate::platform::sync::time_runs_out;

/// Runs every interleaving.
pub fn all<F: Fn() + Send + Sync + 'static>(model: F) {
    explore(None, model);
}

/// Runs every interleaving in which threads are interrupted at most `bound` times altogether. An
/// interruption is a switch away from a thread that could go on.
pub fn preempted<F: Fn() + Send + Sync + 'static>(bound: usize, model: F) {
    explore(Some(bound), model);
}

fn explore<F: Fn() + Send + Sync + 'static>(bound: Option<usize>, model: F) {
    // These types are std's, so loom does not see them.
    let count = Arc::new(AtomicUsize::new(0));
    let mut builder = Builder::new();
    // The bound in loom's own variable, LOOM_MAX_PREEMPTIONS, takes precedence.
    builder.preemption_bound = builder.preemption_bound.or(bound);
    let bound = builder.preemption_bound;
    let start = Instant::now();
    builder.check({
        let count = Arc::clone(&count);
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            // An interleaving begins without what the last one has left.
            time_runs_out(0);
            model();
        }
    });
    let bound = bound.map_or_else(|| "none".to_owned(), |bound| bound.to_string());
    let count = count.load(Ordering::Relaxed);
    let seconds = start.elapsed().as_secs_f64();
    // `cargo xtask ci loom` reads this.
    println!("model\t{}\t{bound}\t{count}\t{seconds:.1}", name_of::<F>());
}

/// Returns the name of the test that has the closure.
fn name_of<F>() -> &'static str {
    any::type_name::<F>().trim_end_matches("::{{closure}}")
}
