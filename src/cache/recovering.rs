//! Who signed a transaction. Elliptic curves are the driver's: it computes the key, here it becomes an account.

use super::replacing::Replacing;
use super::{Cache, Output};
use crate::gateway::transaction;
use crate::task::{Address, TaskId};

/// Why somebody wants to know who signed a transaction.
#[derive(Debug)]
pub(super) enum RecoverFor {
    /// A signer gave it for this task.
    Signer(TaskId),
    /// What took this task's nonce is looked for among its account's.
    Rival(TaskId),
    /// It is to be replaced by another.
    Replaced(Box<Replacing>),
    /// It is to replace another.
    Replacement(Box<Replacing>),
}

impl Cache {
    /// Computes who signed the payload: `recovered` takes the answer.
    pub(super) fn recover(&mut self, purpose: RecoverFor, payload: &[u8]) {
        let id = self.draw_id();
        self.recoveries.insert(id, purpose);
        match transaction::signing(payload) {
            Some(signing) => self.outputs.push_back(Output::Recover(id, signing)),
            None => self.recovered(id, None),
        }
    }

    pub(super) fn recovered(&mut self, id: u64, key: Option<[u8; 64]>) {
        let sender: Option<Address> = key.as_ref().map(transaction::address);
        match self.recoveries.remove(&id) {
            Some(RecoverFor::Rival(task)) => self.rival_sender(task, sender),
            Some(RecoverFor::Replaced(replacing)) => self.recovered_replaced(*replacing, sender),
            Some(RecoverFor::Replacement(replacing)) => {
                self.recovered_replacement(*replacing, sender);
            }
            Some(RecoverFor::Signer(task)) => self.saw_signers_account(task, sender),
            None => {}
        }
    }
}
