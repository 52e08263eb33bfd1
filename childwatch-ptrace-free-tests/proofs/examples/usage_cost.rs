//! What `waitid` takes without and with a resource usage: the least processor time of a call on each
//! of many zombies, in rounds that take turns.
//!
//! ```sh
//! cargo run --release -p childwatch-proofs --example usage_cost -- 2000 30
//! ```

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::process::{Child, Command};
use std::time::Duration;

use childwatch_core::Pid;
use childwatch_core::source::clock::Stopwatch;
use childwatch_core::source::{Detail, Peeked, peek};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).map(|number| number.parse::<u32>());
    let count = numbers.next().transpose()?.unwrap_or(2000);
    let rounds = numbers.next().transpose()?.unwrap_or(30);
    let mut children: Vec<Child> = (0..count)
        .map(|_| Command::new("true").spawn())
        .collect::<Result<_, _>>()?;
    let pids: Vec<Pid> = children.iter().map(Pid::from).collect();
    let look = |detail| -> std::io::Result<u32> {
        let mut zombies = 0;
        for pid in &pids {
            zombies += u32::from(peek(Peeked::Pid(*pid), detail)?.is_some());
        }
        Ok(zombies)
    };
    while look(Detail::Status)? < count {
        std::thread::yield_now();
    }
    let mut least = [Duration::MAX; 2];
    for _ in 0..rounds {
        for (least, detail) in least.iter_mut().zip([Detail::Status, Detail::Usage]) {
            let stopwatch = Stopwatch::start();
            look(detail)?;
            *least = stopwatch.elapsed().min(*least);
        }
    }
    let [without, with] = least.map(|time| time / count);
    println!("without a usage {without:?}, with a usage {with:?}");
    for child in &mut children {
        child.wait()?;
    }
    Ok(())
}
