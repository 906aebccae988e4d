//! Who signs drafts: an account whose key is in the page, and a wallet that sends by itself. Each on good days and bad.

use crate::chain::{Made, Quality, Tx};
use crate::disk::TabRef;
use crate::model::{End, Fact, Held, broken};
use crate::mutants::Mutant;
use crate::payload::{self, Shape};
use crate::world::{Event, World, short};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Draws, Input, SignAsk, Signer, SignerAnswer};
use uplink_cache::gateway::transaction;
use uplink_cache::ordered::OrderedMap;
use uplink_cache::task::{self, Stage, State, Status, TaskId};

/// Signs, and the cache draws its nonces.
pub(crate) const PEN: &str = "pen";
/// Sends by itself, and draws its nonces itself.
pub(crate) const WALLET: &str = "wallet";

const WALLET_ACCOUNT: u8 = 2;
pub(crate) const PEN_ACCOUNT: u8 = 3;
const TIMEOUT_MS: u64 = 20_000;

/// What a signer does on a bad day.
const PEN_FAULTS: [&str; 8] = [
    "a signer refuses",
    "a signer fails",
    "a signer hangs for ever",
    "a signer answers too late",
    "a signer signs for another account",
    "a signer signs with another nonce",
    "a signer gives no transaction",
    "a signer gives an earlier transaction",
];
const WALLET_FAULTS: [&str; 6] = [
    "a wallet refuses",
    "a wallet fails",
    "a wallet hangs for ever",
    "a wallet fails and has sent",
    "a wallet hangs for ever and has sent",
    "a wallet answers too late and has sent",
];

/// A question that a tab put to a signer.
pub(crate) struct Question {
    pub(crate) at: TabRef,
    id: u64,
    task: TaskId,
    key: String,
    value: Vec<u8>,
    nonce: Option<u64>,
}

/// What signers did, and what they were asked.
#[derive(Default)]
pub(crate) struct Signers {
    /// What is open, by tab, its life and the question's number.
    open: BTreeMap<(usize, u32, u64), Prompt>,
    /// What the wallet sent, and for which task.
    sent: BTreeMap<TaskId, Tx>,
    /// What was signed by another account than was asked for: the hashes.
    pub(crate) foreign: BTreeSet<[u8; 32]>,
    /// What users said to be sent.
    kept: BTreeSet<Tx>,
    /// The tasks that any signer was asked for.
    pub(crate) asked: BTreeSet<TaskId>,
}

struct Prompt {
    signer: &'static str,
    task: TaskId,
    /// The tab does not wait any more. A wallet does not care.
    is_stopped: bool,
}

/// What is registered in a tab.
pub(crate) fn registered() -> OrderedMap<String, Signer> {
    let signer = |account, nonces, sends| Signer {
        address: Some(payload::address(account)),
        nonces,
        sends,
        timeout_ms: TIMEOUT_MS,
    };
    OrderedMap::from([
        (PEN.into(), signer(PEN_ACCOUNT, Draws::Cache, false)),
        (WALLET.into(), signer(WALLET_ACCOUNT, Draws::Signer, true)),
    ])
}

impl World {
    pub(crate) fn asked_to_sign(&mut self, at: TabRef, id: u64, ask: SignAsk) -> Held {
        if self.holder != Some(at) {
            return broken(8, format!("tab {} asks a signer and does not lead", at.tab));
        }
        self.check_question(&ask)?;
        let name = if ask.signer == PEN { PEN } else { WALLET };
        let mut open = self.signers.open.iter();
        if open.any(|((tab, life, _), open)| {
            (*tab, *life) == (at.tab, at.life) && open.signer == name && !open.is_stopped
        }) {
            return broken(13, format!("{name} is asked twice at a time"));
        }
        let prompt = Prompt {
            signer: name,
            task: ask.task,
            is_stopped: false,
        };
        self.signers.open.insert((at.tab, at.life, id), prompt);
        self.signers.asked.insert(ask.task);
        self.say(|_| {
            format!(
                "tab {} asks {name} for {} {:?}",
                at.tab,
                short(ask.task),
                ask.nonce
            )
        });
        let submission = &self.model.facts[&ask.task].submission;
        let question = Question {
            at,
            id,
            task: ask.task,
            key: submission.key.clone(),
            value: ask.value.to_vec(),
            nonce: ask.nonce,
        };
        let is_slow = self.strikes("a signer takes its time", self.climate.bad_signer / 4);
        let most_ms = if is_slow { 2 * TIMEOUT_MS } else { 3_000 };
        let delay_ms = self.rng.u64(1..most_ms);
        self.after(delay_ms, Event::Sign(Box::new(question)));
        Ok(())
    }

    /// What must be durable before a signer hears of a task; and a nonce is given once.
    fn check_question(&self, ask: &SignAsk) -> Held {
        let id = ask.task;
        // That somebody discards it may be written right behind, and not heard yet.
        let is_there =
            |fact: &&Fact| fact.is_open() || fact.end == End::Discarded && fact.was_asked;
        let Some(fact) = self.model.facts.get(&id).filter(is_there) else {
            return broken(2, format!("{id} is to be signed and is not backed up"));
        };
        let is_begun = matches!(fact.state, State::Signing { .. }) && fact.nonce_given == ask.nonce;
        // What happened to it meanwhile is heard soon.
        let is_over = fact.state.status().is_settled()
            || !fact.is_unsigned()
            || matches!(
                fact.state,
                State::Blocked { .. } | State::BackedUp(Stage::Draft)
            );
        let is_known = is_begun || is_over && fact.was_asked;
        if !is_known {
            let state = &fact.state;
            return broken(
                2,
                format!("{id} is asked for before the log says so: {state:?}"),
            );
        }
        // Of whom a record is damaged, the log cannot know that it was asked for.
        if fact.is_hurt {
            return Ok(());
        }
        if ask.signer == WALLET && self.signers.sent.contains_key(&id) {
            return broken(
                2,
                format!("{id} was sent by its wallet, which is asked again"),
            );
        }
        let Some(nonce) = ask.nonce.filter(|_| is_begun) else {
            return Ok(());
        };
        let others = self.model.facts.iter().filter(|(other, fact)| {
            let has_it = fact.is_open() && fact.state.status() != Status::Failed;
            let is_pens = has_it && fact.signer() == Some(PEN);
            // What a leader before gave, and was not signed, is given anew.
            **other != id && is_pens && !fact.is_hurt && fact.newest().is_some()
        });
        for (other, fact) in others {
            if fact.nonce() == Some(nonce) {
                return broken(13, format!("nonce {nonce} of {other} is given to {id}"));
            }
        }
        Ok(())
    }

    pub(crate) fn stop_signing(&mut self, at: TabRef, id: u64) {
        if let Some(prompt) = self.signers.open.get_mut(&(at.tab, at.life, id)) {
            prompt.is_stopped = true;
        }
        self.say(|_| format!("tab {} stops asking ({id})", at.tab));
    }

    pub(crate) fn sign(&mut self, question: Question) -> Held {
        let place = (question.at.tab, question.at.life, question.id);
        match self.signers.open.get(&place).map(|prompt| prompt.signer) {
            Some(PEN) => self.pen_signs(question),
            Some(_) => self.wallet_sends(question),
            None => Ok(()),
        }
    }

    fn pen_signs(&mut self, question: Question) -> Held {
        let Question {
            key, value, nonce, ..
        } = &question;
        let nonce = nonce.unwrap_or(0);
        let chance = self.climate.bad_signer;
        let mut make = |account: u8, nonce: u64| {
            let data = [value.as_slice(), &question.task.0.to_be_bytes()].concat();
            let shape = Shape {
                account,
                nonce,
                is_legacy: self.rng.bool(),
                fee: 0,
                data: &data,
            };
            let tx = self.chain.make(&shape, Quality::Good, key, value);
            self.chain.txs[tx].payload.to_vec()
        };
        let good = make(PEN_ACCOUNT, nonce);
        let elses = make(0, nonce);
        let other = make(PEN_ACCOUNT, nonce + 1);
        let pens = self
            .model
            .facts
            .values()
            .filter(|fact| fact.signer() == Some(PEN));
        let earlier = pens.filter_map(|fact| fact.tx).next();
        let earlier = earlier.map(|tx| self.chain.txs[tx].payload.to_vec());
        let mut answer = SignerAnswer::Signed(good);
        let mut delay_ms = self.rng.u64(0..500);
        if self.strikes("a signer has a bad day", chance) {
            let kind = self.rng.u8(..8);
            self.count(PEN_FAULTS[usize::from(kind)]);
            match kind {
                0 => answer = SignerAnswer::Refused("no".into()),
                1 => answer = SignerAnswer::Failed("the signer threw".into()),
                2 => return Ok(()),
                3 => delay_ms = TIMEOUT_MS + self.rng.u64(0..20_000),
                4 => {
                    let signing = transaction::signing(&elses);
                    self.signers
                        .foreign
                        .extend(signing.map(|signing| signing.hash));
                    answer = SignerAnswer::Signed(elses);
                }
                5 => answer = SignerAnswer::Signed(other),
                6 => answer = SignerAnswer::Signed(b"nothing".to_vec()),
                _ => answer = SignerAnswer::Signed(earlier.unwrap_or_default()),
            }
        }
        self.signer_answers(&question, delay_ms, answer);
        Ok(())
    }

    fn wallet_sends(&mut self, question: Question) -> Held {
        let id = question.task;
        let mut delay_ms = self.rng.u64(0..500);
        let is_bad = self.strikes("a wallet has a bad day", self.climate.bad_signer);
        let kind = if is_bad { self.rng.u8(..6) } else { u8::MAX };
        if let Some(fault) = WALLET_FAULTS.get(usize::from(kind)) {
            self.count(fault);
        }
        match kind {
            0 => {
                let answer = SignerAnswer::Refused("rejected".into());
                self.signer_answers(&question, delay_ms, answer);
                return Ok(());
            }
            1 => {
                let answer = SignerAnswer::Failed("no answer".into());
                self.signer_answers(&question, delay_ms, answer);
                return Ok(());
            }
            2 => return Ok(()),
            _ => {}
        }
        if self
            .model
            .facts
            .get(&id)
            .is_some_and(|fact| !fact.is_unsigned())
        {
            return Ok(());
        }
        let is_hurt = self.model.facts.get(&id).is_some_and(|fact| fact.is_hurt);
        if self.signers.sent.contains_key(&id) && !is_hurt {
            return broken(2, format!("{id} is sent twice by its wallet"));
        }
        let mut nonce = self.chain.nonce(WALLET_ACCOUNT);
        let txs = &self.chain.txs;
        let sent: BTreeSet<u64> = self
            .signers
            .sent
            .values()
            .map(|tx| txs[*tx].nonce)
            .collect();
        while sent.contains(&nonce) {
            nonce += 1;
        }
        let data = [question.value.as_slice(), &id.0.to_be_bytes()].concat();
        let shape = Shape {
            account: WALLET_ACCOUNT,
            nonce,
            is_legacy: false,
            fee: 0,
            data: &data,
        };
        let tx = self
            .chain
            .make(&shape, Quality::Good, &question.key, &question.value);
        self.chain.take(tx);
        self.signers.sent.insert(id, tx);
        self.model.sent_by_wallet.insert(id);
        self.say(|_| format!("the wallet sends {tx} for {}", short(id)));
        let hash = self.chain.txs[tx].hash;
        match kind {
            3 => {
                let answer = SignerAnswer::Failed("the connection was lost".into());
                self.signer_answers(&question, delay_ms, answer);
                return Ok(());
            }
            4 => return Ok(()),
            5 => delay_ms = TIMEOUT_MS + self.rng.u64(0..20_000),
            _ => {}
        }
        self.signer_answers(&question, delay_ms, SignerAnswer::Sent(hash));
        Ok(())
    }

    fn signer_answers(&mut self, question: &Question, delay_ms: u64, answer: SignerAnswer) {
        if self.strikes("a signer answers twice", self.climate.signer_doubled) {
            let again = match self.rng.u8(..4) {
                0 => SignerAnswer::Refused("no, after all".into()),
                1 => SignerAnswer::Failed("the page of the wallet was closed".into()),
                _ => answer.clone(),
            };
            let later_ms = delay_ms + self.rng.u64(0..30_000);
            let input = Input::SignerAnswered(question.id, again);
            self.after(later_ms, Event::Input(question.at, input));
        }
        let input = Input::SignerAnswered(question.id, answer);
        self.after(delay_ms, Event::Input(question.at, input));
    }

    /// An answer comes in, for the question of this number. A mutant takes it for one to another question.
    pub(crate) fn signer_was_answered(&mut self, at: TabRef, id: u64) -> u64 {
        let prompt = self.signers.open.remove(&(at.tab, at.life, id));
        if prompt.as_ref().is_some_and(|prompt| prompt.is_stopped) {
            self.count("a signer answers after it was stopped");
        }
        if prompt.is_none() && self.mutant == Some(Mutant::AnswersMixedUp) {
            let open = self
                .signers
                .open
                .range((at.tab, at.life, 0)..(at.tab, at.life, u64::MAX));
            return open.last().map_or(id, |((.., other), _)| *other);
        }
        id
    }

    /// The wallet's own node keeps what it sent, and whoever says that a transaction was sent keeps that.
    pub(crate) fn wallet_keeps(&mut self) {
        let sent = self.signers.sent.values().chain(&self.signers.kept);
        for tx in sent.copied().collect::<Vec<_>>() {
            let made = &self.chain.txs[tx];
            let (account, nonce) = (made.account, made.nonce);
            let is_free = !self.chain.pool.contains_key(&(account, nonce));
            if is_free && nonce >= self.chain.nonce(account) {
                self.chain.take(tx);
            }
        }
    }

    /// Users find out what became of tasks that a wallet may have sent, and say so.
    pub(crate) fn reconcile(&mut self, tab: usize) -> Held {
        let doubtful = self.model.facts.iter().filter(|(_, fact)| {
            let stage = fact.state.stage();
            fact.is_open() && stage == Some(Stage::Doubtful)
        });
        for id in doubtful.map(|(id, _)| *id).collect::<Vec<_>>() {
            let event = match self.made_for(id) {
                Some(tx) => {
                    self.signers.kept.insert(tx);
                    task::Event::Broadcast(self.chain.txs[tx].hash)
                }
                None => {
                    // What is still open in the wallet is closed.
                    self.signers.open.retain(|_, prompt| prompt.task != id);
                    task::Event::NotSent
                }
            };
            self.act_on(tab, id, event)?;
        }
        Ok(())
    }

    /// What was made of a draft and reached the chain, here or in an earlier life of it: what a block holds, if one does.
    fn made_for(&self, id: TaskId) -> Option<Tx> {
        let sent = self.signers.sent.get(&id).copied();
        sent.or_else(|| {
            let is_its =
                |made: &Made| made.account == PEN_ACCOUNT && made.was_taken && made.is_for(id);
            let txs = 0..self.chain.txs.len();
            let can_be = |tx: &Tx| is_its(&self.chain.txs[*tx]) && !self.is_outdone(*tx);
            let taken = txs.filter(can_be);
            taken.rev().max_by_key(|tx| self.chain.place(*tx).is_some())
        })
    }

    /// Whether a final block holds another transaction of its nonce.
    fn is_outdone(&self, tx: Tx) -> bool {
        let made = &self.chain.txs[tx];
        let is_rival = |other: &Tx| {
            let rival = &self.chain.txs[*other];
            let place = self.chain.place(*other);
            *other != tx
                && (rival.account, rival.nonce) == (made.account, made.nonce)
                && place.is_some_and(|(block, ..)| block.number <= self.chain.final_height)
        };
        (0..self.chain.txs.len()).any(|other| is_rival(&other))
    }

    /// Nonces of drafts that later ones wait for, and that no task will take.
    pub(crate) fn has_gap(&self) -> bool {
        let pens = self
            .model
            .facts
            .values()
            .filter(|fact| fact.signer() == Some(PEN));
        let open: Vec<_> = pens.filter(|fact| fact.is_unsettled()).collect();
        let held: BTreeSet<u64> = open.iter().filter_map(|fact| fact.nonce()).collect();
        let next = self.chain.nonce(PEN_ACCOUNT);
        // One that comes after others may wait for the very ones that wait for the nonce; one at rest takes none.
        let is_next = |fact: &Fact| {
            let is_free = fact.submission.waits_for().is_empty();
            fact.is_unsigned() && is_free && !self.model.is_at_rest(&self.chain, fact)
        };
        let waits = open.iter().any(|fact| is_next(fact));
        let is_gap = held
            .last()
            .is_some_and(|last| (next..*last).any(|nonce| !held.contains(&nonce)));
        is_gap && !waits
    }

    /// At most one transaction of a draft is on the chain.
    pub(crate) fn check_signed_once(&self) -> Held {
        let mut seen = BTreeMap::new();
        for (tx, made) in self.chain.txs.iter().enumerate() {
            let is_signers = made.account == PEN_ACCOUNT || made.account == WALLET_ACCOUNT;
            if !is_signers || made.data.len() < 16 || self.chain.place(tx).is_none() {
                continue;
            }
            let task = made.data[made.data.len() - 16..].to_vec();
            let mut hurt = self.model.facts.iter().filter(|(_, fact)| fact.is_hurt);
            if hurt.any(|(id, _)| made.is_for(*id)) {
                continue;
            }
            if let Some(other) = seen.insert(task, tx) {
                return broken(
                    2,
                    format!("{other} and {tx} are of one draft, and both executed"),
                );
            }
        }
        Ok(())
    }
}
