//! Between what is asked and the gateways: the pool says which url, and this file what the answer is for.

use super::{Cache, Output, Purpose, gateway_error, shortened};
use crate::error::{Error, ErrorCode};
use crate::gateway::endpoint::Moment;
use crate::gateway::pool::{Heard, MAX_WAITING_CALLS, Need, Rank, Step, What};
use crate::gateway::{Answer, Refusal, Reply, Request, evm};
use crate::log::Ask;
use crate::task::{State, TaskId};

impl Cache {
    pub(super) fn request(&mut self, purpose: Purpose, request: Request) {
        let job = self.draw_id();
        if self.pool.submit(job, need(&purpose, request.ids())) {
            self.requests.insert(job, (purpose, request));
            return;
        }
        let message = format!("{MAX_WAITING_CALLS} requests wait for the gateway already");
        let error = Error::new(ErrorCode::LimitExceeded, message);
        match purpose {
            Purpose::Call(ask) => self.done(ask, Err(error)),
            Purpose::Calls(calls) => self.fail_calls(&calls, &error),
            Purpose::ReadTransaction(key) | Purpose::ReadReceipt(key) => {
                self.fail_read(&key, &error);
            }
            // Their number is bounded by who asks, so that they are always taken.
            Purpose::Head
            | Purpose::Walk
            | Purpose::FinalBlock
            | Purpose::Verify(..)
            | Purpose::Word(_)
            | Purpose::Vote(..)
            | Purpose::Receipts(_)
            | Purpose::BlockReceipts(..)
            | Purpose::Looks(_)
            | Purpose::Look(_)
            | Purpose::Rival(_)
            | Purpose::Count(_)
            | Purpose::Send(..) => {}
        }
    }

    /// Lets go what can go now. Says whether something was refused.
    pub(super) fn pump_gateway(&mut self) -> bool {
        self.drop_stale();
        let mut has_refused = false;
        while let Some(step) = self.pool.next(self.now_ms) {
            match step {
                Step::Ask(id, url, what) => {
                    let check;
                    let request = match what {
                        What::Check(asked) => {
                            check = asked.request();
                            &check
                        }
                        What::Job(job) => match self.requests.get(&job) {
                            Some((_, request)) => request,
                            None => {
                                self.pool.drop_job(job);
                                continue;
                            }
                        },
                    };
                    let body = evm::body(id, request, self.config.finality);
                    self.outputs.push_back(Output::Request { id, url, body });
                }
                Step::Refuse(job, heard) => {
                    has_refused = true;
                    self.heard(job, heard);
                }
            }
        }
        has_refused
    }

    /// What waits for a url may have become pointless: nobody asks any more, or no task of it is to be sent.
    fn drop_stale(&mut self) {
        let is_stale = |job: &u64| match self.requests.get(job) {
            Some((Purpose::Send(batch), _)) => !batch.iter().any(|(task, _)| self.may_send(*task)),
            Some(_) => false,
            None => true,
        };
        for job in self.pool.waiting().filter(is_stale).collect::<Vec<_>>() {
            self.pool.drop_job(job);
            self.requests.remove(&job);
        }
    }

    fn may_send(&self, id: TaskId) -> bool {
        let state = self.backup.task(id).map(|task| &task.state);
        state.is_some_and(|state| match state {
            State::BackedUp(_) | State::Sent => true,
            State::Signing { .. }
            | State::Blocked { .. }
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        })
    }

    /// This tab sends no more. What is under way is nobody's: whoever leads next looks for it.
    pub(super) fn drop_sends(&mut self) {
        let is_send = |purpose: &Purpose| matches!(purpose, Purpose::Send(..));
        self.requests.retain(|_, (purpose, _)| !is_send(purpose));
    }

    pub(super) fn answered(&mut self, id: u64, answer: &Answer) {
        let reply = match self.pool.what(id) {
            Some(What::Check(check)) => evm::read(id, &check.request(), answer),
            Some(What::Job(job)) => match self.requests.get(&job) {
                Some((_, request)) => evm::read(id, request, answer),
                // Nobody waits for it; how the gateway fares it tells all the same.
                None => evm::read(id, &Request::Call(String::new(), String::new()), answer),
            },
            None => return,
        };
        let at = Moment {
            now_ms: self.now_ms,
            rng: &mut self.rng,
        };
        let lost = matches!(answer, Answer::Lost(_));
        let heard = self.pool.answered(id, at, reply.map_err(shorten), lost);
        if let Some((job, heard)) = heard {
            self.heard(job, heard);
        }
    }

    fn heard(&mut self, job: u64, heard: Heard) {
        let Some((purpose, request)) = self.requests.remove(&job) else {
            return;
        };
        let Heard {
            url,
            reply,
            in_doubt,
        } = heard;
        if let (Request::Head, Some(url), Ok(Reply::Block(Some(header)))) = (&request, url, &reply)
        {
            self.pool.saw_head(url, header.block.number, self.now_ms);
            if self.is_stuck_at(&header.block) {
                self.pool.stands_still(url, self.now_ms);
            }
        }
        match (purpose, reply) {
            (Purpose::Call(ask), reply) => self.called(ask, reply),
            (Purpose::Calls(calls), reply) => self.called_together(calls, reply),
            (Purpose::Look(task), reply) => self.looked(task, reply),
            (Purpose::Send(batch), reply) => {
                if in_doubt {
                    batch.iter().for_each(|(task, _)| self.doubt(*task));
                }
                self.sent_batch(batch, reply);
            }
            (Purpose::Head, reply) => self.saw_head(reply),
            (Purpose::Walk, reply) => self.walked(reply),
            (Purpose::FinalBlock, reply) => self.saw_final_block(reply),
            (Purpose::Verify(block, was_final), reply) => self.verified(block, was_final, reply),
            (Purpose::Word(url), reply) => self.heard_word(url, reply),
            (Purpose::Vote(block, url), reply) => self.heard_vote(block, url, reply),
            (Purpose::Receipts(asked), reply) => self.saw_receipts(asked, reply),
            (Purpose::BlockReceipts(block, name, asked), reply) => {
                self.saw_block_receipts(block, name, asked, reply);
            }
            (Purpose::Looks(asked), reply) => self.saw_looks(asked, reply),
            (Purpose::Count(task), reply) => self.counted(task, reply),
            (Purpose::Rival(task), reply) => self.saw_rival(task, reply),
            (Purpose::ReadTransaction(key), reply) => self.read_transaction(key, reply),
            (Purpose::ReadReceipt(key), reply) => self.read_receipt(key, reply),
        }
        if let Some(head) = self.follow.head() {
            self.pool.follow(head.number);
        }
    }

    fn called(&mut self, ask: Ask, reply: Result<Reply, Refusal>) {
        let result = match reply {
            Ok(Reply::Result(body)) => Ok(super::Done::Call(body)),
            Ok(_) => Err(Error::new(ErrorCode::Internal, "a reply of another kind")),
            Err(refusal) => Err(gateway_error(&refusal)),
        };
        self.done(ask, result);
    }

    /// The app gave a call or a read up: it has no answer.
    pub(super) fn abandon(&mut self, ask: Ask) {
        self.drop_request(|purpose| matches!(purpose, Purpose::Call(known) if *known == ask));
        self.abandon_call(ask);
        self.abandon_read(ask);
    }

    /// Drops the request of this purpose, and breaks it off where it is under way.
    pub(super) fn drop_request(&mut self, is_it: impl Fn(&Purpose) -> bool) {
        let mut requests = self.requests.iter();
        let found = requests.find(|(_, (purpose, _))| is_it(purpose));
        if let Some(job) = found.map(|(job, _)| *job) {
            self.requests.remove(&job);
            let wire = self.pool.drop_job(job);
            self.outputs.extend(wire.map(Output::Abort));
        }
    }
}

/// What a request needs of the url that it goes to.
fn need(purpose: &Purpose, ids: u64) -> Need {
    let (rank, tracks) = match purpose {
        // The head is what tells who has the newest blocks.
        Purpose::Head | Purpose::Send(..) => (Rank::First, false),
        Purpose::Walk
        | Purpose::FinalBlock
        | Purpose::Verify(..)
        | Purpose::Word(_)
        | Purpose::Vote(..)
        | Purpose::Count(_)
        | Purpose::Look(_) => (Rank::First, true),
        Purpose::Receipts(_)
        | Purpose::BlockReceipts(..)
        | Purpose::Looks(_)
        | Purpose::Rival(_) => (Rank::Second, true),
        Purpose::ReadTransaction(_)
        | Purpose::ReadReceipt(_)
        | Purpose::Call(_)
        | Purpose::Calls(_) => (Rank::Last, true),
    };
    let only = match purpose {
        Purpose::Word(url) | Purpose::Vote(_, url) => Some(*url),
        Purpose::Head
        | Purpose::Walk
        | Purpose::FinalBlock
        | Purpose::Verify(..)
        | Purpose::Receipts(_)
        | Purpose::BlockReceipts(..)
        | Purpose::Looks(_)
        | Purpose::Look(_)
        | Purpose::Rival(_)
        | Purpose::Count(_)
        | Purpose::Send(..)
        | Purpose::ReadTransaction(_)
        | Purpose::ReadReceipt(_)
        | Purpose::Call(_)
        | Purpose::Calls(_) => None,
    };
    Need {
        rank,
        tracks,
        only,
        ids,
    }
}

fn shorten(mut refusal: Refusal) -> Refusal {
    refusal.cause = shortened(refusal.cause);
    refusal
}
