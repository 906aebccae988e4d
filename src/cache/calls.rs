//! What the dapp's reading function asks of the gateway: the calls of one turn go together, as a batch, or as several.

use super::batch::BatchSize;
use super::{Cache, Done, Purpose, gateway_error};
use crate::error::{Error, ErrorCode};
use crate::gateway::{Blame, Refusal, Reply, Request, Verdict};
use crate::log::Ask;
use std::collections::VecDeque;

/// How many calls a batch has, how many of them are under way, and how many calls may wait behind those.
const MAX_BATCH: usize = 50;
const MAX_UNDER_WAY: usize = 4;
const MAX_WAITING: usize = 4_096;

/// A call: method, and parameters as JSON.
#[derive(Debug, Clone)]
pub(super) struct Called {
    ask: Ask,
    method: String,
    params: String,
    /// Nobody waits for it any more. Its place in a batch that is under way stays: replies are told by it.
    is_over: bool,
}

/// Calls that wait.
#[derive(Default)]
pub(super) struct Calls {
    waiting: VecDeque<Called>,
    size: BatchSize<MAX_BATCH>,
}

impl Cache {
    pub(super) fn call_together(&mut self, calls: Vec<(Ask, String, String)>) {
        for (ask, method, params) in calls {
            if self.calls.waiting.len() < MAX_WAITING {
                let call = Called {
                    ask,
                    method,
                    params,
                    is_over: false,
                };
                self.calls.waiting.push_back(call);
            } else {
                let message = format!("{MAX_WAITING} calls wait for the gateway already");
                self.done(ask, Err(Error::new(ErrorCode::LimitExceeded, message)));
            }
        }
    }

    pub(super) fn pump_calls(&mut self) {
        let is_ours = |purpose: &Purpose| matches!(purpose, Purpose::Calls(_));
        let purposes = self.requests.values().map(|(purpose, _)| purpose);
        let mut under_way = purposes.filter(|purpose| is_ours(purpose)).count();
        while under_way < MAX_UNDER_WAY && !self.calls.waiting.is_empty() {
            let size = self.calls.size.now.min(self.calls.waiting.len());
            let calls = self.calls.waiting.drain(..size).collect();
            self.request_calls(calls);
            under_way += 1;
        }
    }

    fn request_calls(&mut self, calls: Vec<Called>) {
        let asked = |call: &Called| (call.method.clone(), call.params.clone());
        let mut asked: Vec<_> = calls.iter().map(asked).collect();
        let request = match asked.pop() {
            Some((method, params)) if asked.is_empty() => Request::Call(method, params),
            last => {
                asked.extend(last);
                Request::Calls(asked)
            }
        };
        self.request(Purpose::Calls(calls), request);
    }

    pub(super) fn called_together(&mut self, calls: Vec<Called>, reply: Result<Reply, Refusal>) {
        match reply {
            Ok(Reply::Result(body)) => {
                for call in &calls {
                    self.answer_call(call, Ok(Done::Call(body.clone())));
                }
            }
            Ok(Reply::Results(results)) => {
                self.calls.size.answered();
                for (call, result) in calls.into_iter().zip(results) {
                    match result {
                        Some(Ok(body)) => self.answer_call(&call, Ok(Done::Call(body))),
                        Some(Err(refusal)) if refusal.blame == Blame::Request => {
                            self.answer_call(&call, Err(gateway_error(&refusal)));
                        }
                        // Another gateway may know more, or have an answer at all: this one alone is asked again.
                        Some(Err(_)) | None if !call.is_over => self.request_calls(vec![call]),
                        Some(Err(_)) | None => {}
                    }
                }
            }
            Ok(_) => {
                let error = Error::new(ErrorCode::Internal, "a reply of another kind");
                self.fail_calls(&calls, &error);
            }
            Err(refusal) if calls.len() > 1 && self.is_too_much(calls.len(), &refusal) => {
                for call in calls.into_iter().filter(|call| !call.is_over).rev() {
                    self.calls.waiting.push_front(call);
                }
            }
            Err(refusal) => self.fail_calls(&calls, &gateway_error(&refusal)),
        }
    }

    /// Whether the gateways take no batch of so many calls: smaller ones go at once.
    fn is_too_much(&mut self, len: usize, refusal: &Refusal) -> bool {
        let size = &mut self.calls.size;
        if refusal.verdict == Verdict::Unsupported && len > size.now {
            // Another one that went beside it was refused before.
            return true;
        }
        size.now = size.now.min(len);
        !size.failed(refusal.verdict)
    }

    pub(super) fn fail_calls(&mut self, calls: &[Called], error: &Error) {
        for call in calls {
            self.answer_call(call, Err(error.clone()));
        }
    }

    fn answer_call(&mut self, call: &Called, result: Result<Done, Error>) {
        if !call.is_over {
            self.done(call.ask, result);
        }
    }

    /// Nobody waits for the call any more. Its request is broken off once that is so of all in its batch.
    pub(super) fn abandon_call(&mut self, ask: Ask) {
        self.calls.waiting.retain(|call| call.ask != ask);
        for (purpose, _) in self.requests.values_mut() {
            if let Purpose::Calls(calls) = purpose {
                for call in calls.iter_mut().filter(|call| call.ask == ask) {
                    call.is_over = true;
                }
            }
        }
        self.drop_request(|purpose| {
            matches!(purpose, Purpose::Calls(calls) if calls.iter().all(|call| call.is_over))
        });
    }
}
