//! What following costs: the core alone, a chain, and 1, 100 or 10,000 tasks that wait. Requests are counted for each
//! block, and have one bound whatever their number.

use crate::alone::{Alone, Count};
use crate::gateway::{BlockReceipts, Mood};
use std::io::Write;
use uplink_cache::task::Status;

/// How many of the tasks each block takes while they are mined.
const MINED: usize = 60;

/// The dearest block: requests in all, and those that are not about the head.
fn dearest(counts: &[Count]) -> (usize, usize) {
    // The url's own checks are not about tasks either.
    let not_tasks = ["eth_getBlockByNumber", "eth_chainId", "eth_syncing"];
    let is_head = |method: &str| not_tasks.contains(&method);
    let all = counts.iter().map(|count| count.values().sum());
    let others = counts.iter().map(|count| {
        let others = count.iter().filter(|(method, _)| !is_head(method));
        others.map(|(_, count)| count).sum()
    });
    (all.max().unwrap(), others.max().unwrap())
}

/// What four times cost a block at the most: while nothing of ours is mined, after another tab began to lead, and while
/// 60 of ours are mined in each block, and both at once.
fn measure(mood: Mood, tasks: usize) -> [(usize, usize); 4] {
    let mut world = Alone::new(mood);
    world.send(tasks);
    // Once the interval is known.
    world.mine(12, 0);
    let waiting = world.mine(60, 0);
    assert_eq!(
        world.cache.backup().count(Status::Sent),
        tasks,
        "they all wait"
    );
    world.restart();
    let taken_over = world.mine(30, 0);
    let mined = world.mine(20, MINED);
    let in_blocks =
        world.cache.backup().count(Status::Included) + world.cache.backup().count(Status::Final);
    assert!(in_blocks >= tasks.min(MINED), "{in_blocks} were followed");
    world.restart();
    let amid = world.mine(10, MINED);
    [waiting, taken_over, mined, amid].map(|counts| dearest(&counts))
}

#[test]
fn ten_thousand_tasks_cost_no_more_requests_a_block_than_a_bound() {
    let gateways = [
        ("receipts of blocks, batches", BlockReceipts::ByBoth, 100),
        ("batches alone", BlockReceipts::No, 100),
        ("batches of 7", BlockReceipts::No, 7),
        ("neither", BlockReceipts::No, 1),
    ];
    let mut out = std::io::stderr();
    let mut line = |text: String| writeln!(out, "{text}").unwrap();
    line("requests a block at the most (those that are not about the head)".into());
    line(format!(
        "{:<30}{:>8}{:>14}{:>14}{:>14}{:>14}",
        "", "tasks", "waiting", "new leader", "60 mined", "both"
    ));
    for (name, block_receipts, batch_limit) in gateways {
        // A block's receipts (once 2 more, to learn that there are none), 4 batches of 50 receipts and one of looks; or so
        // many smaller ones.
        let most = if batch_limit > 50 { 8 } else { 32 + 8 + 3 };
        for tasks in [1, 100, 10_000] {
            let mood = Mood {
                block_receipts,
                batch_limit,
                ..Mood::default()
            };
            let costs = measure(mood, tasks);
            let [waiting, leader, mined, both] =
                costs.map(|(all, others)| format!("{all} ({others})"));
            line(format!(
                "{name:<30}{tasks:>8}{waiting:>14}{leader:>14}{mined:>14}{both:>14}"
            ));
            for (all, others) in costs {
                assert!(others <= most, "{name}, {tasks} tasks: {others} of {most}");
                // Looks, each at the final block and at the head, more of them before the interval is known; and blocks
                // to verify.
                assert!(all <= others + 42 + 32, "{name}, {tasks} tasks: {all}");
            }
        }
    }
}
