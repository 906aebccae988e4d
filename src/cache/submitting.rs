//! What the app does: it hands a task in, and acts on it. What is wrong with that is said before anything is written.

use super::{
    Brings, Cache, Done, MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES, MAX_UNSETTLED,
    MAX_VALUE_BYTES, Submit, invalid,
};
use crate::error::{Error, ErrorCode};
use crate::gateway::transaction::{self, Transaction};
use crate::log::{Ask, MAX_QUEUE_BYTES};
use crate::record::Record;
use crate::task::{Bytes, Content, Event, Hash, Signed, Stage, Submission, Task, TaskId, Value};

impl Cache {
    pub(super) fn submit(&mut self, ask: Ask, submit: Submit) {
        match self.check(submit) {
            Ok(submission) => match self.known_backup().repeated(&submission) {
                Some((id, true)) => self.done(ask, Ok(Done::Task(id))),
                Some((id, false)) => self.done(ask, Err(conflict(id))),
                None => self.log.append(Record::Submitted(submission), Some(ask)),
            },
            Err(error) => self.done(ask, Err(error)),
        }
    }

    fn check(&self, submit: Submit) -> Result<Submission, Error> {
        self.alive()?;
        let Submit {
            id,
            brings,
            key,
            value,
            ..
        } = submit;
        at_most(
            "the value",
            value.as_ref().map_or(0, Vec::len),
            MAX_VALUE_BYTES,
        )?;
        let signer = match &brings {
            Brings::Payload(_) => None,
            Brings::Sign(name) => Some(name),
        };
        let names = [
            submit.idempotency_key.as_ref(),
            submit.lane.as_ref(),
            signer,
        ];
        for name in names.into_iter().flatten() {
            if name.len() > MAX_NAME_BYTES {
                return Err(invalid(format!(
                    "an idempotency key, lane or signer has at most {MAX_NAME_BYTES} bytes"
                )));
            }
        }
        if let Some(name) = &submit.update {
            self.check_update(name, key.is_some() && value.is_some())?;
        }
        let mut tags = submit.tags;
        tags.sort_unstable();
        if let Some(fault) = crate::tags::faults(&tags) {
            return Err(invalid(fault));
        }
        let mut lane = submit.lane;
        let (content, key, value) = match brings {
            Brings::Payload(payload) => self.check_payload(payload, key, value)?,
            Brings::Sign(name) => {
                let (Some(key), Some(value)) = (key, value) else {
                    let message = "what is to be signed has a key and a value";
                    return Err(invalid(message.into()));
                };
                let signer = self.config.signers.get(&name);
                let address = signer.and_then(|signer| signer.address);
                lane = lane.or_else(|| Some(address?.to_string()));
                let value = Value::Given(Bytes::Inline(value.into()));
                (Content::Draft(name), key, value)
            }
        };
        check_key(&key)?;
        let after = submit.after.map(|after| self.check_after(after));
        let after = after.transpose()?.flatten();
        let is_full = self.known_backup().unsettled() >= MAX_UNSETTLED;
        if is_full || self.log.queue_bytes() > MAX_QUEUE_BYTES {
            let message =
                format!("{MAX_UNSETTLED} tasks are unsettled, or too much waits for a commit");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        Ok(Submission {
            id,
            lane: lane.unwrap_or_else(|| self.config.lane.clone()),
            key,
            value,
            content,
            idempotency_key: submit.idempotency_key,
            tags,
            update: submit.update,
            after,
            created_ms: submit.created_ms,
        })
    }

    fn check_payload(
        &self,
        payload: Vec<u8>,
        key: Option<String>,
        value: Option<Vec<u8>>,
    ) -> Result<(Content, String, Value), Error> {
        too_large(&payload)?;
        let parsed = self.parse(&payload)?;
        let tx = Hash(parsed.id);
        let value = match value {
            Some(value) => Value::Given(Bytes::Inline(value.into())),
            None => Value::Calldata(parsed.data.start as u32..parsed.data.end as u32),
        };
        let content = Content::Signed(Signed {
            tx,
            nonce: parsed.nonce,
            payload: Bytes::Inline(payload.into()),
        });
        Ok((content, key.unwrap_or_else(|| tx.to_string()), value))
    }

    /// A transaction for this cache's chain.
    pub(super) fn parse(&self, payload: &[u8]) -> Result<Transaction, Error> {
        let parsed = transaction::parse(payload).map_err(|error| invalid(error.to_string()))?;
        let ours = self.config.chain_id;
        match parsed.chain_id.filter(|chain_id| *chain_id != ours) {
            None => Ok(parsed),
            Some(chain_id) => {
                let message = format!(
                    "the payload is signed for chain {chain_id}, this cache is for chain {ours}"
                );
                Err(Error::new(ErrorCode::WrongChain, message))
            }
        }
    }

    pub(super) fn act(&mut self, ask: Ask, id: TaskId, event: Event) {
        let other = match &event {
            Event::Broadcast(tx) => self.known_backup().by_tx(tx),
            Event::SignStarted { .. }
            | Event::Added(..)
            | Event::NotSent
            | Event::SendStarted
            | Event::Accepted
            | Event::Blocked { .. }
            | Event::Retried { .. }
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::Rejected { .. }
            | Event::Cancelled
            | Event::Discarded
            | Event::DependencyFailed { .. }
            | Event::DependencyFinal(_) => None,
        };
        let other = other.map(|task| task.submission.id);
        let verdict = match other.filter(|other| *other != id) {
            Some(other) => Err(conflict(other)),
            None => self.acted_on(id).map(|_| ()),
        };
        match verdict {
            Ok(()) => self.log.append(Record::Event(id, event), Some(ask)),
            Err(error) => self.done(ask, Err(error)),
        }
    }

    /// What is blocked only by the time that the log has it may be so for another reason than whoever asks has seen.
    pub(super) fn retry(&mut self, ask: Ask, id: TaskId) {
        let seen = self.acted_on(id).and_then(|task| {
            let blocked = task.state.trouble().and(task.state.stage());
            blocked.ok_or_else(|| self.refused(id))
        });
        match seen {
            Ok(stage) => {
                let in_doubt = stage == Stage::Doubtful;
                let record = Record::Event(id, Event::Retried { in_doubt });
                self.log.append(record, Some(ask));
            }
            Err(error) => self.done(ask, Err(error)),
        }
    }

    pub(super) fn acted_on(&self, id: TaskId) -> Result<&Task, Error> {
        self.alive()?;
        let task = self.known_backup().task(id);
        task.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no task {id}")))
    }

    pub(super) fn refused(&self, id: TaskId) -> Error {
        let status = self
            .backup
            .task(id)
            .map_or("gone", |task| task.state.status().as_str());
        let message = format!("task {id} is {status}: the call does not apply");
        Error::new(ErrorCode::AlreadySent, message)
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(invalid(format!(
            "a key has at most {MAX_KEY_BYTES} bytes, this one has {}",
            key.len()
        )));
    }
    Ok(())
}

pub(super) fn too_large(payload: &[u8]) -> Result<(), Error> {
    at_most("the payload", payload.len(), MAX_PAYLOAD_BYTES)
}

pub(super) fn at_most(what: &str, len: usize, most: usize) -> Result<(), Error> {
    if len > most {
        let message = format!("{what} has {len} bytes, at most {most} are taken");
        return Err(Error::new(ErrorCode::TooLarge, message));
    }
    Ok(())
}

pub(super) fn conflict(id: TaskId) -> Error {
    let message =
        format!("task {id} has the same idempotency key or transaction, and other content");
    Error::new(ErrorCode::Conflict, message)
}
