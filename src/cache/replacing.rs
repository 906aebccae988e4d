//! Replacing a transaction by another of the same nonce: one that pays more, or one that cancels it.
//!
//! What would be refused by every gateway, or be somebody else's, is refused here, before it is in the log. The tab that
//! is asked does it; the leader sends what the log then holds.

use super::recovering::RecoverFor;
use super::submitting::too_large;
use super::{Ask, Cache, GetFor, invalid, sending};
use crate::error::{Error, ErrorCode};
use crate::gateway::transaction;
use crate::task::{Address, Bytes, Event, Hash, Role, Signed, State, TaskId};
use std::rc::Rc;

/// A replacement on its way into the log.
#[derive(Debug)]
pub(super) struct Replacing {
    ask: Ask,
    id: TaskId,
    role: Role,
    payload: Rc<[u8]>,
    signed: Signed,
    /// Who signed the transaction that it replaces.
    sender: Option<Address>,
}

impl Cache {
    pub(super) fn replace(&mut self, ask: Ask, id: TaskId, role: Role, payload: Vec<u8>) {
        let task = self.known_backup().task(id);
        if role == Role::Cancellation && task.is_some_and(|task| is_unsent(&task.state)) {
            // Nothing is out there that a transaction would have to displace.
            return self.act(ask, id, Event::Cancelled);
        }
        match self.check_replacement(ask, id, role, payload) {
            Ok((replacing, Bytes::Inline(old), _)) => self.replace_known(replacing, &old),
            Ok((replacing, Bytes::Blob { .. }, place)) => {
                self.get(GetFor::Replace(Box::new(replacing)), vec![place]);
            }
            Err(error) => self.done(ask, Err(error)),
        }
    }

    fn check_replacement(
        &self,
        ask: Ask,
        id: TaskId,
        role: Role,
        payload: Vec<u8>,
    ) -> Result<(Replacing, Bytes, super::Place), Error> {
        let task = self.acted_on(id)?;
        if !is_replaceable(&task.state) {
            return Err(self.refused(id));
        }
        too_large(&payload)?;
        let parsed = self.parse(&payload)?;
        let Some((_, old, place)) = sending::newest_payload(task) else {
            return Err(invalid(
                "only its wallet knows the task's transaction".into(),
            ));
        };
        if task.nonce() != Some(parsed.nonce) {
            let ours = task.nonce().unwrap_or_default();
            let message = format!(
                "the payload has nonce {}, the task has {ours}: a replacement has the same",
                parsed.nonce
            );
            return Err(invalid(message));
        }
        let payload: Rc<[u8]> = payload.into();
        let signed = Signed {
            tx: Hash(parsed.id),
            nonce: parsed.nonce,
            payload: Bytes::Inline(payload.clone()),
        };
        let replacing = Replacing {
            ask,
            id,
            role,
            payload,
            signed,
            sender: None,
        };
        Ok((replacing, old, place))
    }

    pub(super) fn replace_loaded(&mut self, replacing: Replacing, old: Option<Vec<u8>>) {
        match old {
            Some(old) => self.replace_known(replacing, &old.into()),
            None => {
                let message = "the transaction that it replaces cannot be read";
                let error = Error::new(ErrorCode::StorageFailed, message);
                self.done(replacing.ask, Err(error));
            }
        }
    }

    fn replace_known(&mut self, replacing: Replacing, old: &Rc<[u8]>) {
        match check_fees(&replacing, old) {
            Ok(()) => self.recover(RecoverFor::Replaced(Box::new(replacing)), old),
            Err(error) => self.done(replacing.ask, Err(error)),
        }
    }

    /// Who signed the old one is known: now the new one.
    pub(super) fn recovered_replaced(&mut self, mut replacing: Replacing, sender: Option<Address>) {
        replacing.sender = sender;
        let payload = replacing.payload.clone();
        self.recover(RecoverFor::Replacement(Box::new(replacing)), &payload);
    }

    pub(super) fn recovered_replacement(&mut self, replacing: Replacing, sender: Option<Address>) {
        let error = match (sender, replacing.sender) {
            (Some(sender), Some(own)) if sender == own => None,
            (Some(_), Some(_)) => Some("the payload is signed by another account than the task's"),
            // No key made the signature; or the driver has no curves, as in a service worker with the page's import.
            (None, _) | (_, None) => Some("it could not be computed who signed the payload"),
        };
        if let Some(message) = error {
            return self.done(replacing.ask, Err(invalid(message.into())));
        }
        let event = Event::Added(replacing.role, replacing.signed);
        self.act(replacing.ask, replacing.id, event);
    }
}

/// A node takes a replacement only for more, of both: how much more is the node's to say.
fn check_fees(replacing: &Replacing, old: &[u8]) -> Result<(), Error> {
    let parse = |payload| transaction::parse(payload).map_err(|error| invalid(error.to_string()));
    let (known, new) = (parse(old)?, parse(&replacing.payload)?);
    let pays_more = new.max_fee_per_gas > known.max_fee_per_gas
        && new.max_priority_fee_per_gas > known.max_priority_fee_per_gas;
    if !pays_more {
        return Err(invalid(
            "the payload does not pay more than the transaction that it replaces: both its fee and its priority fee must be higher".into(),
        ));
    }
    let does_the_same = new.effect(&replacing.payload) == known.effect(old);
    if replacing.role == Role::Replacement && !does_the_same {
        return Err(invalid(
            "the payload has another recipient, value or calldata: what does something else is another task".into(),
        ));
    }
    Ok(())
}

/// Whether a cancel needs no transaction.
fn is_unsent(state: &State) -> bool {
    match state {
        State::BackedUp(_) | State::Signing { .. } | State::Blocked { .. } => !state.is_exposed(),
        State::Sent
        | State::Included(_)
        | State::Displaced(_)
        | State::Final(_)
        | State::Failed { .. } => false,
    }
}

/// Whether another transaction may still take the place of the task's.
fn is_replaceable(state: &State) -> bool {
    match state {
        State::BackedUp(stage) | State::Blocked { stage, .. } => !stage.is_unsigned(),
        State::Sent => true,
        State::Signing { .. }
        | State::Included(_)
        | State::Displaced(_)
        | State::Final(_)
        | State::Failed { .. } => false,
    }
}
