//! Where a task stands, and the one table of its transitions.

use super::{Block, Content, Hash, Inclusion, Milestone, Role, Signed, TaskId};
use crate::names::named;

named! {
    /// Why a task is blocked or failed. The order is that of their numbers in the log.
    pub enum Reason {
        /// The account cannot pay for it.
        InsufficientFunds = "insufficient_funds",
        /// The fee is under what the gateway takes.
        Underpriced = "underpriced",
        /// Another transaction took the nonce, as far as is known.
        NonceTaken = "nonce_taken",
        /// The gateway is on another chain.
        WrongChain = "wrong_chain",
        /// The gateway refuses it.
        Rejected = "rejected",
        /// It was executed without effect, in a block that is final.
        Reverted = "reverted",
        /// The app cancelled it.
        Cancelled = "cancelled",
        /// Another transaction of the same nonce is in a block.
        Replaced = "replaced",
        /// The signer refused, failed, gave something else than what was asked for, or did not answer.
        SignerFailed = "signer_failed",
        /// No signer of that name is registered in the tab that sends.
        UnknownSigner = "unknown_signer",
        /// The wallet may have sent it, or not: it did not get to say so.
        Unknown = "unknown",
        /// A nonce before its own is missing, because the task that had it failed.
        NonceGap = "nonce_gap",
        /// The gateways do not have it any more: only the wallet that sent it has its bytes, or they lost it again and again.
        Dropped = "dropped",
        /// A task that it was to come after failed, or nothing here says how that one ended.
        DependencyFailed = "dependency_failed",
        /// The function of its update threw, or is not registered in the tab that sends.
        UpdateFailed = "update_failed",
        /// Its bytes are not in the store any more: what says so is damaged, or was.
        PayloadLost = "payload_lost",
    }
}

named! {
    /// How far a task that waits has come.
    pub enum Stage {
        /// It needs a signature.
        Draft = "draft",
        /// The wallet may have sent it; its transaction is not known here.
        Doubtful = "doubtful",
        /// It has a transaction, which was never sent.
        Ready = "ready",
        /// A send was begun: the chain may have it.
        Exposed = "exposed",
    }
}

named! {
    /// The public name of a state, in the order of a task's life.
    pub enum Status {
        /// Durable here, not known to any gateway yet.
        BackedUp = "backed-up",
        /// Waits for somebody to act; the reason says why.
        Blocked = "blocked",
        /// A gateway has it.
        Sent = "sent",
        /// In a block that is not final.
        Included = "included",
        /// In a block that is final.
        Final = "final",
        /// Will never take effect.
        Failed = "failed",
    }
}

impl Status {
    /// Nothing more will happen to the task.
    pub fn is_settled(self) -> bool {
        match self {
            Status::Final | Status::Failed => true,
            Status::BackedUp | Status::Blocked | Status::Sent | Status::Included => false,
        }
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Durable here.
    BackedUp(Stage),
    /// The signer was asked. `sends`: it may send the transaction by itself.
    Signing {
        /// Whether it may send the transaction by itself.
        sends: bool,
    },
    /// Waits for somebody to act.
    Blocked {
        /// How far it has come.
        stage: Stage,
        /// Why.
        reason: Reason,
        /// The gateway's or the signer's words.
        cause: String,
    },
    /// A gateway has it.
    Sent,
    /// In a block that is not final.
    Included(Inclusion),
    /// A block that is not final holds another transaction of its nonce.
    Displaced(Displaced),
    /// In a block that is final.
    Final(Inclusion),
    /// Will never take effect.
    Failed {
        /// Why.
        reason: Reason,
        /// The gateway's words.
        cause: String,
        /// The transaction that took its nonce, where that is known.
        by: Option<Hash>,
    },
}

/// How another transaction took a task's nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Displaced {
    /// Whose it was: `Cancelled` for the app's own, else `Replaced`.
    pub reason: Reason,
    /// Where that other one stands.
    pub inclusion: Inclusion,
}

/// What happens to a task. Every event is a record in the log, and folds by `State::next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The signer is about to be asked.
    SignStarted {
        /// The nonce that it is to use; else it draws one itself.
        nonce: Option<u64>,
        /// It draws this one or a later one: what the chain counted of the account just before.
        from: Option<u64>,
        /// Whether it may send the transaction by itself.
        sends: bool,
    },
    /// The signer made the transaction, or the app another one of the same nonce.
    Added(Role, Signed),
    /// The wallet sent it by itself.
    Broadcast(Hash),
    /// The wallet did not send it, as was found out later.
    NotSent,
    /// The first send is about to begin.
    SendStarted,
    /// A gateway has it.
    Accepted,
    /// Somebody must act.
    Blocked {
        /// The transaction that this is said of: of none, a draft is blocked. A newer one that another tab added
        /// meanwhile is not meant.
        tx: Option<Hash>,
        /// Whether the chain may have it all the same.
        exposed: bool,
        /// Why.
        reason: Reason,
        /// The gateway's words.
        cause: String,
    },
    /// The app asks for another try.
    Retried {
        /// Whoever asks has seen that a wallet may have sent it: else this is no word on such a task.
        in_doubt: bool,
    },
    /// A canonical block holds it.
    Included(Inclusion),
    /// A canonical block holds another transaction of its nonce.
    Displaced(Displaced),
    /// Another transaction took its nonce for good, and nobody knows which.
    Outrun {
        /// How that is known.
        cause: String,
    },
    /// This block, which held it, left the canonical chain: also one that was final.
    Reorged(Block),
    /// This block, which holds it, is final.
    Finalized(Block),
    /// The gateway refuses it for good, and no other can have it.
    Rejected {
        /// The transaction that was refused: the task may have got another meanwhile.
        tx: Hash,
        /// The gateway's words.
        cause: String,
    },
    /// The app cancels it.
    Cancelled,
    /// The app does not want to see the failed task any more.
    Discarded,
    /// A task that it was to come after failed, or is not to be found: it waits for that one no longer, and for a person.
    DependencyFailed {
        /// That task.
        task: TaskId,
        /// What became of it.
        cause: String,
    },
    /// A task that it was to come after is final and left the backup: it waits for that one no longer.
    DependencyFinal(TaskId),
}

/// What an event makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The task goes on in this state.
    State(State),
    /// The task leaves the backup.
    Gone,
    /// The event does not apply: the state stays as it is.
    Refused,
}

impl State {
    /// The state of a task that was just submitted.
    pub fn first(content: &Content) -> Self {
        State::BackedUp(match content {
            Content::Signed(_) => Stage::Ready,
            Content::Draft(_) => Stage::Draft,
        })
    }

    /// The public name.
    pub fn status(&self) -> Status {
        match self {
            State::BackedUp(_) | State::Signing { .. } => Status::BackedUp,
            State::Blocked { .. } | State::Displaced(_) => Status::Blocked,
            State::Sent => Status::Sent,
            State::Included(_) => Status::Included,
            State::Final(_) => Status::Final,
            State::Failed { .. } => Status::Failed,
        }
    }

    /// How far a task that no gateway has yet has come.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } => Some(*stage),
            State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => None,
        }
    }

    /// What it is blocked by, and the words for it.
    pub fn trouble(&self) -> Option<(Reason, &str)> {
        match self {
            State::Blocked { reason, cause, .. } => Some((*reason, cause)),
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => None,
        }
    }

    /// Whether the chain may have the transaction: only then is it tracked, and only before may it be cancelled.
    pub fn is_exposed(&self) -> bool {
        match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } => *stage == Stage::Exposed,
            State::Sent | State::Included(_) | State::Displaced(_) | State::Final(_) => true,
            State::Signing { .. } | State::Failed { .. } => false,
        }
    }

    /// Where the transaction that took the task's nonce stands in the chain, if one did.
    pub fn inclusion(&self) -> Option<&Inclusion> {
        match self {
            State::Included(inclusion)
            | State::Displaced(Displaced { inclusion, .. })
            | State::Final(inclusion) => Some(inclusion),
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Failed { .. } => None,
        }
    }

    /// Whether what comes after the task, once it is so far, may be sent.
    pub fn has_reached(&self, milestone: Milestone) -> bool {
        match self {
            State::Sent => milestone == Milestone::Sent,
            State::Included(inclusion) => match milestone {
                Milestone::Sent => true,
                Milestone::Included => !inclusion.reverted,
                Milestone::Final => false,
            },
            State::Final(_) => true,
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Displaced(_)
            | State::Failed { .. } => false,
        }
    }

    /// Whether it matters what the task waits for: it is to be sent, or is stopped because of just that.
    pub fn heeds_dependencies(&self) -> bool {
        match self {
            State::BackedUp(_) => true,
            State::Blocked { reason, .. } => *reason == Reason::DependencyFailed,
            State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        }
    }

    /// Whether reads of the key get the task's value: not once it failed, nor while a revert is likely to stay, or nothing
    /// can make its value.
    pub fn is_visible(&self) -> bool {
        match self {
            State::Blocked { reason, .. } => *reason != Reason::UpdateFailed,
            State::BackedUp(_) | State::Signing { .. } | State::Sent => true,
            State::Included(inclusion) | State::Final(inclusion) => !inclusion.reverted,
            State::Displaced(_) | State::Failed { .. } => false,
        }
    }

    /// The table of transitions: every state and every event.
    pub fn next(&self, event: &Event) -> Next {
        match event {
            Event::SignStarted { sends, .. } => match self {
                State::BackedUp(Stage::Draft) | State::Signing { .. } => {
                    Next::State(State::Signing { sends: *sends })
                }
                State::BackedUp(_)
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::Added(role, _) => self.added(*role),
            Event::Broadcast(_) => match self {
                State::Signing { .. } => Next::State(State::Sent),
                State::BackedUp(stage) | State::Blocked { stage, .. } if stage.is_unsigned() => {
                    Next::State(State::Sent)
                }
                State::BackedUp(_)
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::NotSent => match self {
                State::Blocked {
                    stage: Stage::Doubtful,
                    cause,
                    ..
                } => Next::State(State::Blocked {
                    stage: Stage::Draft,
                    reason: Reason::SignerFailed,
                    cause: cause.clone(),
                }),
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::SendStarted => match self {
                State::BackedUp(Stage::Ready) => Next::State(State::BackedUp(Stage::Exposed)),
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::Accepted => match self {
                State::BackedUp(stage) | State::Blocked { stage, .. } if !stage.is_unsigned() => {
                    Next::State(State::Sent)
                }
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::Blocked {
                exposed,
                reason,
                cause,
                tx: _,
            } => self.blocked(*exposed, *reason, cause),
            Event::Retried { in_doubt } => match self {
                State::Blocked {
                    stage: Stage::Doubtful,
                    ..
                } if !in_doubt => Next::Refused,
                State::Blocked { stage, .. } => Next::State(State::BackedUp(match stage {
                    Stage::Draft | Stage::Doubtful => Stage::Draft,
                    Stage::Ready | Stage::Exposed => *stage,
                })),
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::Included(inclusion) => self.placed(State::Included(*inclusion)),
            Event::Displaced(displaced) => self.placed(State::Displaced(*displaced)),
            Event::Outrun { cause } => {
                self.unless_on_chain(State::failed(Reason::Replaced, cause, None))
            }
            Event::Reorged(block) => match self.inclusion() {
                Some(inclusion) if inclusion.block == *block => Next::State(State::Sent),
                Some(_) | None => Next::Refused,
            },
            Event::Finalized(block) => self.finalized(block),
            Event::Rejected { cause, .. } => {
                self.unless_on_chain(State::failed(Reason::Rejected, cause, None))
            }
            Event::Cancelled => self.cancelled(),
            Event::Discarded => match self {
                State::Failed { .. } => Next::Gone,
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_) => Next::Refused,
            },
            Event::DependencyFailed { cause, .. } => match self {
                State::BackedUp(stage) | State::Blocked { stage, .. }
                    if self.heeds_dependencies() =>
                {
                    Next::State(State::Blocked {
                        stage: *stage,
                        reason: Reason::DependencyFailed,
                        cause: cause.clone(),
                    })
                }
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::DependencyFinal(_) if self.status().is_settled() => Next::Refused,
            Event::DependencyFinal(_) => Next::State(self.clone()),
        }
    }

    /// What this state becomes in another browser's log. What was known of the chain is not taken over: the chain is asked
    /// by hash before anything is sent. `has_bytes`: whether the newest transaction's bytes are known; none where there is
    /// no transaction yet, which another browser may have asked its signer for meanwhile.
    pub fn imported(&self, has_bytes: Option<bool>) -> State {
        let on_its_way = match has_bytes {
            Some(true) => State::BackedUp(Stage::Exposed),
            // Only its wallet can send it.
            Some(false) => State::Sent,
            None => State::Blocked {
                stage: Stage::Doubtful,
                reason: Reason::Unknown,
                cause: "it was imported without a transaction: its signer may have been asked elsewhere".into(),
            },
        };
        match self {
            State::Failed { .. } => self.clone(),
            State::Blocked { reason, cause, .. } if has_bytes.is_some() => State::Blocked {
                stage: Stage::Exposed,
                reason: *reason,
                cause: cause.clone(),
            },
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_) => on_its_way,
        }
    }

    fn added(&self, role: Role) -> Next {
        let stage = match (role, self) {
            (Role::Original, State::Signing { .. }) => {
                return Next::State(State::BackedUp(Stage::Ready));
            }
            (Role::Original, _) | (_, State::Signing { .. }) => return Next::Refused,
            (
                Role::Replacement | Role::Cancellation,
                State::BackedUp(stage) | State::Blocked { stage, .. },
            ) => *stage,
            (Role::Replacement | Role::Cancellation, State::Sent) => {
                return Next::State(State::Sent);
            }
            (
                Role::Replacement | Role::Cancellation,
                State::Included(_) | State::Displaced(_) | State::Final(_) | State::Failed { .. },
            ) => return Next::Refused,
        };
        match (stage, role) {
            (Stage::Draft | Stage::Doubtful, _) => Next::Refused,
            // Nothing is out there that a transaction would have to displace.
            (Stage::Ready, Role::Cancellation) => self.cancelled(),
            (Stage::Ready | Stage::Exposed, _) => Next::State(State::BackedUp(stage)),
        }
    }

    fn blocked(&self, exposed: bool, reason: Reason, cause: &str) -> Next {
        let stage = match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } => *stage,
            State::Signing { .. } => Stage::Draft,
            State::Sent => Stage::Exposed,
            State::Included(_) | State::Displaced(_) | State::Final(_) | State::Failed { .. } => {
                return Next::Refused;
            }
        };
        let stage = match (stage, exposed) {
            (Stage::Draft, true) => Stage::Doubtful,
            // What may be out there stays so: only a try that began anew can be refused as a whole.
            (Stage::Exposed, false) if matches!(self, State::BackedUp(_)) => Stage::Ready,
            (Stage::Ready, true) => Stage::Exposed,
            (Stage::Draft | Stage::Doubtful | Stage::Ready | Stage::Exposed, _) => stage,
        };
        Next::State(State::Blocked {
            stage,
            reason,
            cause: cause.into(),
        })
    }

    /// A block holds a transaction of the task's nonce.
    fn placed(&self, state: State) -> Next {
        match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } if stage.is_unsigned() => {
                Next::Refused
            }
            State::Signing { .. } | State::Final(_) | State::Failed { .. } => Next::Refused,
            State::BackedUp(_)
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_) => {
                if *self == state {
                    Next::Refused
                } else {
                    Next::State(state)
                }
            }
        }
    }

    fn finalized(&self, block: &Block) -> Next {
        match self {
            State::Included(inclusion) if inclusion.block == *block => {
                Next::State(if inclusion.reverted {
                    State::failed(Reason::Reverted, "the transaction was reverted", None)
                } else {
                    State::Final(*inclusion)
                })
            }
            State::Displaced(Displaced { reason, inclusion }) if inclusion.block == *block => {
                let cause = if *reason == Reason::Cancelled {
                    "a transaction of the same nonce cancelled it"
                } else {
                    "another transaction took its nonce"
                };
                Next::State(State::failed(*reason, cause, Some(inclusion.tx)))
            }
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => Next::Refused,
        }
    }

    fn cancelled(&self) -> Next {
        let may = match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } => match stage {
                Stage::Draft | Stage::Ready => true,
                Stage::Doubtful | Stage::Exposed => false,
            },
            // What a signer that only signs gives later is not sent.
            State::Signing { sends } => !sends,
            State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        };
        if may {
            let cause = "cancelled before it was sent";
            Next::State(State::failed(Reason::Cancelled, cause, None))
        } else {
            Next::Refused
        }
    }

    fn unless_on_chain(&self, state: State) -> Next {
        match self {
            State::BackedUp(stage) | State::Blocked { stage, .. } if stage.is_unsigned() => {
                Next::Refused
            }
            State::BackedUp(_) | State::Blocked { .. } | State::Sent => Next::State(state),
            State::Signing { .. }
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => Next::Refused,
        }
    }

    fn failed(reason: Reason, cause: &str, by: Option<Hash>) -> State {
        State::Failed {
            reason,
            cause: cause.into(),
            by,
        }
    }
}

impl Stage {
    /// Whether it has no transaction yet that is known here.
    pub fn is_unsigned(self) -> bool {
        match self {
            Stage::Draft | Stage::Doubtful => true,
            Stage::Ready | Stage::Exposed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bytes;
    use super::*;
    use std::fmt::Write;

    fn inclusion(reverted: bool) -> Inclusion {
        let block = Block {
            number: 7,
            hash: Hash([7; 32]),
        };
        Inclusion {
            tx: Hash([1; 32]),
            block,
            index: 0,
            reverted,
        }
    }

    fn name(state: &State) -> String {
        let suffix = match state {
            State::BackedUp(stage) | State::Blocked { stage, .. } => match stage {
                Stage::Draft => " draft",
                Stage::Doubtful => " doubtful",
                Stage::Ready => "",
                Stage::Exposed => "*",
            },
            State::Signing { sends: false } => return "signing".into(),
            State::Signing { sends: true } => return "signing*".into(),
            State::Included(inclusion) if inclusion.reverted => " reverted",
            State::Displaced(displaced) => {
                return format!("displaced {}", displaced.reason.as_str());
            }
            State::Failed { reason, .. } => return format!("failed {}", reason.as_str()),
            State::Sent | State::Included(_) | State::Final(_) => "",
        };
        format!("{}{suffix}", state.status().as_str())
    }

    /// The whole table, state by event; `*` marks a task (or a signer) that may have reached the chain, `·` an event that does not apply.
    const TABLE: &str = "\
state                | sign    | signed    | speed up   | displace         | broadcast | not sent      | start      | accept | block            | block*           | retry           | retry*          | include  | rival              | outrun          | reorg | finalize        | reject          | cancel           | discard | dependency failed | dependency final
backed-up draft      | signing | ·         | ·          | ·                | sent      | ·             | ·          | ·      | blocked draft    | blocked doubtful | ·               | ·               | ·        | ·                  | ·               | ·     | ·               | ·               | failed cancelled | ·       | blocked draft     | backed-up draft
backed-up doubtful   | ·       | ·         | ·          | ·                | sent      | ·             | ·          | ·      | blocked doubtful | blocked doubtful | ·               | ·               | ·        | ·                  | ·               | ·     | ·               | ·               | ·                | ·       | blocked doubtful  | backed-up doubtful
backed-up            | ·       | ·         | backed-up  | failed cancelled | ·         | ·             | backed-up* | sent   | blocked          | blocked*         | ·               | ·               | included | displaced replaced | failed replaced | ·     | ·               | failed rejected | failed cancelled | ·       | blocked           | backed-up
backed-up*           | ·       | ·         | backed-up* | backed-up*       | ·         | ·             | ·          | sent   | blocked          | blocked*         | ·               | ·               | included | displaced replaced | failed replaced | ·     | ·               | failed rejected | ·                | ·       | blocked*          | backed-up*
blocked draft        | ·       | ·         | ·          | ·                | sent      | ·             | ·          | ·      | blocked draft    | blocked doubtful | backed-up draft | backed-up draft | ·        | ·                  | ·               | ·     | ·               | ·               | failed cancelled | ·       | ·                 | blocked draft
blocked doubtful     | ·       | ·         | ·          | ·                | sent      | blocked draft | ·          | ·      | blocked doubtful | blocked doubtful | ·               | backed-up draft | ·        | ·                  | ·               | ·     | ·               | ·               | ·                | ·       | ·                 | blocked doubtful
blocked              | ·       | ·         | backed-up  | failed cancelled | ·         | ·             | ·          | sent   | blocked          | blocked*         | backed-up       | backed-up       | included | displaced replaced | failed replaced | ·     | ·               | failed rejected | failed cancelled | ·       | ·                 | blocked
blocked*             | ·       | ·         | backed-up* | backed-up*       | ·         | ·             | ·          | sent   | blocked*         | blocked*         | backed-up*      | backed-up*      | included | displaced replaced | failed replaced | ·     | ·               | failed rejected | ·                | ·       | ·                 | blocked*
signing              | signing | backed-up | ·          | ·                | sent      | ·             | ·          | ·      | blocked draft    | blocked doubtful | ·               | ·               | ·        | ·                  | ·               | ·     | ·               | ·               | failed cancelled | ·       | ·                 | signing
signing*             | signing | backed-up | ·          | ·                | sent      | ·             | ·          | ·      | blocked draft    | blocked doubtful | ·               | ·               | ·        | ·                  | ·               | ·     | ·               | ·               | ·                | ·       | ·                 | signing*
sent                 | ·       | ·         | sent       | sent             | ·         | ·             | ·          | ·      | blocked*         | blocked*         | ·               | ·               | included | displaced replaced | failed replaced | ·     | ·               | failed rejected | ·                | ·       | ·                 | sent
included             | ·       | ·         | ·          | ·                | ·         | ·             | ·          | ·      | ·                | ·                | ·               | ·               | ·        | displaced replaced | ·               | sent  | final           | ·               | ·                | ·       | ·                 | included
included reverted    | ·       | ·         | ·          | ·                | ·         | ·             | ·          | ·      | ·                | ·                | ·               | ·               | included | displaced replaced | ·               | sent  | failed reverted | ·               | ·                | ·       | ·                 | included reverted
displaced replaced   | ·       | ·         | ·          | ·                | ·         | ·             | ·          | ·      | ·                | ·                | ·               | ·               | included | ·                  | ·               | sent  | failed replaced | ·               | ·                | ·       | ·                 | displaced replaced
final                | ·       | ·         | ·          | ·                | ·         | ·             | ·          | ·      | ·                | ·                | ·               | ·               | ·        | ·                  | ·               | sent  | ·               | ·               | ·                | ·       | ·                 | ·
failed rejected      | ·       | ·         | ·          | ·                | ·         | ·             | ·          | ·      | ·                | ·                | ·               | ·               | ·        | ·                  | ·               | ·     | ·               | ·               | ·                | gone    | ·                 | ·
";

    #[test]
    fn every_state_in_another_browser() {
        let blocked = |stage| State::Blocked {
            stage,
            reason: Reason::Underpriced,
            cause: "so it is".into(),
        };
        let displaced = Displaced {
            reason: Reason::Replaced,
            inclusion: inclusion(false),
        };
        let states = [
            State::BackedUp(Stage::Draft),
            State::BackedUp(Stage::Ready),
            State::BackedUp(Stage::Exposed),
            State::Signing { sends: true },
            blocked(Stage::Draft),
            blocked(Stage::Doubtful),
            blocked(Stage::Ready),
            blocked(Stage::Exposed),
            State::Sent,
            State::Included(inclusion(false)),
            State::Displaced(displaced),
            State::Final(inclusion(false)),
            State::failed(Reason::Rejected, "no", None),
        ];
        let mut table = String::new();
        for state in states {
            let with = |has_bytes| name(&state.imported(has_bytes));
            let (bytes, hash, none) = (with(Some(true)), with(Some(false)), with(None));
            writeln!(table, "{}: {bytes}, {hash}, {none}", name(&state)).unwrap();
        }
        assert_eq!(
            table,
            "\
backed-up draft: backed-up*, sent, blocked doubtful
backed-up: backed-up*, sent, blocked doubtful
backed-up*: backed-up*, sent, blocked doubtful
signing*: backed-up*, sent, blocked doubtful
blocked draft: blocked*, blocked*, blocked doubtful
blocked doubtful: blocked*, blocked*, blocked doubtful
blocked: blocked*, blocked*, blocked doubtful
blocked*: blocked*, blocked*, blocked doubtful
sent: backed-up*, sent, blocked doubtful
included: backed-up*, sent, blocked doubtful
displaced replaced: backed-up*, sent, blocked doubtful
final: backed-up*, sent, blocked doubtful
failed rejected: failed rejected, failed rejected, failed rejected
"
        );
    }

    #[test]
    fn every_state_and_event() {
        let blocked = |stage| State::Blocked {
            stage,
            reason: Reason::Underpriced,
            cause: String::new(),
        };
        let displaced = Displaced {
            reason: Reason::Replaced,
            inclusion: inclusion(false),
        };
        let mut states = vec![
            State::Signing { sends: false },
            State::Signing { sends: true },
            State::Sent,
            State::Included(inclusion(false)),
            State::Included(inclusion(true)),
            State::Displaced(displaced),
            State::Final(inclusion(false)),
            State::failed(Reason::Rejected, "no", None),
        ];
        for stage in Stage::ALL.iter().rev() {
            states.insert(0, blocked(*stage));
        }
        for stage in Stage::ALL.iter().rev() {
            states.insert(0, State::BackedUp(*stage));
        }
        let signed = Signed {
            tx: Hash([2; 32]),
            nonce: 0,
            payload: Bytes::Inline([].into()),
        };
        let block = |exposed| Event::Blocked {
            tx: None,
            exposed,
            reason: Reason::Underpriced,
            cause: String::new(),
        };
        let sign = Event::SignStarted {
            nonce: None,
            from: None,
            sends: false,
        };
        let cause = "no".to_string();
        let events = [
            ("sign", sign),
            ("signed", Event::Added(Role::Original, signed.clone())),
            ("speed up", Event::Added(Role::Replacement, signed.clone())),
            ("displace", Event::Added(Role::Cancellation, signed)),
            ("broadcast", Event::Broadcast(Hash([2; 32]))),
            ("not sent", Event::NotSent),
            ("start", Event::SendStarted),
            ("accept", Event::Accepted),
            ("block", block(false)),
            ("block*", block(true)),
            ("retry", Event::Retried { in_doubt: false }),
            ("retry*", Event::Retried { in_doubt: true }),
            ("include", Event::Included(inclusion(false))),
            ("rival", Event::Displaced(displaced)),
            (
                "outrun",
                Event::Outrun {
                    cause: cause.clone(),
                },
            ),
            ("reorg", Event::Reorged(inclusion(false).block)),
            ("finalize", Event::Finalized(inclusion(false).block)),
            (
                "reject",
                Event::Rejected {
                    tx: Hash([1; 32]),
                    cause,
                },
            ),
            ("cancel", Event::Cancelled),
            ("discard", Event::Discarded),
            (
                "dependency failed",
                Event::DependencyFailed {
                    task: TaskId(1),
                    cause: String::new(),
                },
            ),
            ("dependency final", Event::DependencyFinal(TaskId(1))),
        ];
        let mut rows = vec![vec!["state".to_string()]];
        rows[0].extend(events.iter().map(|(name, _)| (*name).to_string()));
        for state in &states {
            let mut row = vec![name(state)];
            row.extend(events.iter().map(|(_, event)| match state.next(event) {
                Next::State(next) => name(&next),
                Next::Gone => "gone".into(),
                Next::Refused => "·".into(),
            }));
            rows.push(row);
        }
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=events.len())
            .map(|c| width(c).max(if c == 0 { 20 } else { 0 }))
            .collect();
        let mut table = String::new();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(table, "{}", cells.join(" | ").trim_end()).unwrap();
        }
        assert_eq!(table, TABLE, "the table is now:\n{table}");
    }
}
