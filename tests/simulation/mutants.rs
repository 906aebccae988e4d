//! Bugs put in on purpose: the simulator must find each of them, or it proves nothing.
//!
//! They sit in the world: a driver or a store that does what the core must be able to trust it not to. Those in the core
//! itself are in planted.mjs. `npm run simulate:mutants` runs both.

use uplink_cache::log::Commit;
use uplink_cache::record::{self, Record, Segment};
use uplink_cache::task::{Event, Role};

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The driver reports a commit complete when it is only asked for.
    AckBeforeCommit,
    /// A crash takes back the newest commit, although it was complete.
    CrashLosesCommit,
    /// The driver does not wait for the commit that says that a send begins.
    SendBeforeCommit,
    /// That record never gets to the disk.
    SendStartedLost,
    /// A later send has another byte.
    FlipOnResend,
    /// Cleaning deletes one segment too many.
    CleanTooMuch,
    /// Cleaning does not write the settled values.
    LoseValues,
    /// A lost reply becomes a refusal for good.
    LostIsRefused,
    /// The driver answers a repeated send itself: it was sent already.
    DedupeResend,
    /// The record that a block left the chain never gets to the disk.
    ReorgedLost,
    /// The record that holds a replacement never gets to the disk.
    ReplacementLost,
    /// The driver computes somebody else as the sender.
    WrongSender,
    /// A gateway names the task's own transaction, which no block holds, as the one that took the nonce.
    RivalsDenied,
    /// Two tabs hold the lock.
    TwoLeaders,
    /// Cleaning keeps the settled value that was there first.
    StaleValues,
    /// The driver does not make the browser begin new files.
    RenewLost,
    /// A tab is not woken when it asked for it.
    WakesLost,
    /// The driver does not wait for the commit that says that a signer is asked.
    AskBeforeCommit,
    /// What a signer gave never gets to the disk.
    AddedLost,
    /// The driver says of another account's signature that it is the signer's.
    WrongSigner,
    /// A gateway that is not the first to get a payload gets another.
    OtherBytesToTheSecond,
    /// The driver takes one gateway's word where several must agree.
    QuorumIgnored,
    /// The driver answers itself which chain a gateway is on.
    ChainIdCached,
    /// The driver does not hand on how long a gateway wants to be left alone.
    HintLost,
    /// The gateway's final height runs ahead of the chain's.
    FinalTooEarly,
    /// The driver posts what is in a batch one by one.
    BatchesSplit,
    /// The driver turns what is in a batch round.
    BatchesTurned,
    /// While a tab has a socket the driver does not wake it, and the socket died without a word.
    PushesReplaceWakes,
    /// A tab that is about to be frozen gives up the lock, and goes on leading.
    LeadsFrozen,
    /// A look at the log's end finds nothing new.
    LooksBlind,
    /// The driver does not hand on how a task ended that is not in the backup any more.
    EndsUntold,
    /// The driver does not hand on that the log was folded anew.
    RefoldUntold,
    /// The record of a task that came out of a file never gets to the disk.
    ImportedLost,
    /// Cleaning does not set damaged segments aside.
    DamageDropped,
    /// A damaged segment is read as an empty one.
    DamageIsEmpty,
    /// The driver deletes also the values that it was told to keep, because tasks write their keys.
    TouchedGoToo,
    /// The driver names the values of the newest use for those of the oldest.
    NewestGoFirst,
    /// The driver says that no value could be evicted.
    NothingToEvict,
    /// The driver writes everything as `relaxed`, although the dapp chose `strict`.
    DurabilityIgnored,
    /// The driver writes what the core wants to last as the dapp wants everything.
    SendsRelaxed,
    /// The driver gives the core the wall clock.
    WallClockTaken,
    /// The driver takes a second answer of a signer for the answer to its newest question.
    AnswersMixedUp,
    /// Behind the first damage of a segment nothing is read.
    DamageTakesTheRest,
    /// The timer rings at once, and again and again.
    TimerSpins,
    /// The driver leaves a deleted value in the lists of its tags.
    EvictedStayInLists,
    /// The driver writes evictions as `relaxed`.
    EvictsRelaxed,
}

/// Each mutant, and the promises of which its discovery must name one, with the world that finds it where most do not:
/// scripts/mutants.mjs reads them here.
const MUTANTS: &[(Mutant, &[u8])] = &[
    (Mutant::AckBeforeCommit, &[1]),
    (Mutant::CrashLosesCommit, &[1]),
    (Mutant::SendBeforeCommit, &[2]),
    (Mutant::SendStartedLost, &[1, 2]),
    (Mutant::FlipOnResend, &[3]),
    (Mutant::CleanTooMuch, &[5]),
    (Mutant::LoseValues, &[5]),
    (Mutant::LostIsRefused, &[6]),
    (Mutant::FinalTooEarly, &[6, 7]),
    (Mutant::DedupeResend, &[7, 10]),
    (Mutant::ReorgedLost, &[7]),
    (Mutant::ReplacementLost, &[1, 2]),
    (Mutant::WrongSender, &[6, 10]),
    (Mutant::RivalsDenied, &[7, 10]),
    (Mutant::TwoLeaders, &[8]),
    (Mutant::LeadsFrozen, &[8]),
    (Mutant::LooksBlind, &[1, 4, 10]),
    (Mutant::EndsUntold, &[4, 10]),
    (Mutant::RefoldUntold, &[4]),
    (Mutant::ImportedLost, &[1]),
    (Mutant::DamageDropped, &[12]),
    (Mutant::DamageIsEmpty, &[1]),
    (Mutant::StaleValues, &[5, 9]),
    (Mutant::RenewLost, &[1]),
    (Mutant::AskBeforeCommit, &[2]),
    (Mutant::AddedLost, &[1, 2]),
    (Mutant::WrongSigner, &[2]),
    (Mutant::WakesLost, &[7, 10]),
    (Mutant::BatchesSplit, &[11]),
    (Mutant::BatchesTurned, &[10]),
    (Mutant::PushesReplaceWakes, &[7, 10]),
    (Mutant::OtherBytesToTheSecond, &[3]),
    (Mutant::QuorumIgnored, &[7]),
    (Mutant::ChainIdCached, &[9]),
    (Mutant::HintLost, &[11]),
    (Mutant::TouchedGoToo, &[9]),
    (Mutant::NewestGoFirst, &[5]),
    (Mutant::NothingToEvict, &[11, 12]),
    (Mutant::DurabilityIgnored, &[1, 7]),
    (Mutant::SendsRelaxed, &[2, 6]),
    (Mutant::WallClockTaken, &[7, 10]),
    (Mutant::AnswersMixedUp, &[3, 6, 13]), // known: 3220
    (Mutant::DamageTakesTheRest, &[1]),
    (Mutant::TimerSpins, &[11]),
    (Mutant::EvictedStayInLists, &[4]),
    (Mutant::EvictsRelaxed, &[11]), // known: go-dark 739
];

impl Mutant {
    /// What this mutant makes of a commit on its way to the disk.
    pub(crate) fn strip(self, commit: &mut Commit) {
        let drop: fn(&Event) -> bool = match self {
            Mutant::ImportedLost => |_| false,
            Mutant::SendStartedLost => |event| *event == Event::SendStarted,
            Mutant::ReorgedLost => |event| matches!(event, Event::Reorged(_)),
            Mutant::AddedLost => |event| matches!(event, Event::Added(Role::Original, _)),
            Mutant::ReplacementLost => |event| matches!(event, Event::Added(Role::Replacement, _)),
            Mutant::AckBeforeCommit
            | Mutant::CrashLosesCommit
            | Mutant::SendBeforeCommit
            | Mutant::FlipOnResend
            | Mutant::CleanTooMuch
            | Mutant::LoseValues
            | Mutant::LostIsRefused
            | Mutant::DedupeResend
            | Mutant::WrongSender
            | Mutant::RivalsDenied
            | Mutant::TwoLeaders
            | Mutant::LeadsFrozen
            | Mutant::LooksBlind
            | Mutant::EndsUntold
            | Mutant::RefoldUntold
            | Mutant::DamageDropped
            | Mutant::DamageIsEmpty
            | Mutant::StaleValues
            | Mutant::RenewLost
            | Mutant::WakesLost
            | Mutant::AskBeforeCommit
            | Mutant::WrongSigner
            | Mutant::BatchesSplit
            | Mutant::BatchesTurned
            | Mutant::PushesReplaceWakes
            | Mutant::OtherBytesToTheSecond
            | Mutant::QuorumIgnored
            | Mutant::ChainIdCached
            | Mutant::HintLost
            | Mutant::TouchedGoToo
            | Mutant::NewestGoFirst
            | Mutant::NothingToEvict
            | Mutant::DurabilityIgnored
            | Mutant::SendsRelaxed
            | Mutant::WallClockTaken
            | Mutant::AnswersMixedUp
            | Mutant::DamageTakesTheRest
            | Mutant::TimerSpins
            | Mutant::EvictedStayInLists
            | Mutant::EvictsRelaxed
            | Mutant::FinalTooEarly => return,
        };
        for segment in &mut commit.segments {
            let contents = record::read(segment).unwrap();
            let mut kept = Segment::default();
            for (place, record) in contents.records {
                let is_dropped = match &record {
                    Record::Event(_, event) => drop(event),
                    Record::Imported(_) => self == Mutant::ImportedLost,
                    _ => false,
                };
                if !is_dropped {
                    kept.push_frame(&segment[place.start as usize..place.end as usize]);
                }
            }
            *segment = kept.finish();
        }
    }
}

/// The mutant of this name.
pub(crate) fn named(name: &str) -> Option<Mutant> {
    let mut mutants = MUTANTS.iter().map(|(mutant, _)| *mutant);
    mutants.find(|mutant| format!("{mutant:?}") == name)
}
