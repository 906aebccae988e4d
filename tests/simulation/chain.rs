//! A small chain: accounts with nonces, a pool, blocks, reorgs above the final height.

use crate::payload;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use uplink_cache::task::{Block, Hash, TaskId};

/// A transaction's place in `Chain::txs`.
pub(crate) type Tx = usize;

/// What the chain will make of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Executed without effect.
    Reverts,
    /// Now so, now so, by the block.
    Flaky,
    /// The gateway never takes it.
    Refused,
}

/// A transaction that a user made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) hash: Hash,
    pub(crate) payload: Rc<[u8]>,
    pub(crate) account: u8,
    pub(crate) nonce: u64,
    pub(crate) is_legacy: bool,
    pub(crate) fee: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) quality: Quality,
    /// What the chain writes, for the dapp's reading function.
    pub(crate) key: String,
    pub(crate) value: Rc<[u8]>,
    /// The gateway took it at some time.
    pub(crate) was_taken: bool,
    /// The gateway said that its nonce is used.
    pub(crate) was_low: bool,
}

impl Made {
    /// Whether a signer made it of this draft.
    pub(crate) fn is_for(&self, id: TaskId) -> bool {
        self.data.ends_with(&id.0.to_be_bytes())
    }
}

/// A transaction in a canonical block.
struct Executed {
    tx: Tx,
    block: Block,
    index: u32,
    reverted: bool,
}

/// A block.
#[derive(Debug, Clone)]
pub(crate) struct Mined {
    pub(crate) block: Block,
    pub(crate) parent: Hash,
    /// With what was reverted.
    pub(crate) txs: Vec<(Tx, bool)>,
}

/// What becomes of the transactions of orphaned blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphans {
    Dropped,
    Pooled,
    Remined,
}

/// The chain, as only the world knows it.
pub(crate) struct Chain {
    pub(crate) txs: Vec<Made>,
    by_payload: BTreeMap<Rc<[u8]>, Tx>,
    by_hash: BTreeMap<Hash, Tx>,
    /// Canonical, oldest first; the first has height `base`.
    pub(crate) blocks: Vec<Mined>,
    base: u64,
    /// What they hold, in order.
    mined: Vec<Executed>,
    /// Every block that ever was.
    pub(crate) seen: BTreeMap<Hash, Mined>,
    pub(crate) pool: BTreeMap<(u8, u64), Tx>,
    pub(crate) final_height: u64,
    /// What a replica still knows that has not heard of the newest reorg: until the blocks that replaced its own are
    /// final, for after that it would not be late but wrong.
    stale: Option<(Vec<Mined>, u64)>,
    fork: u64,
    final_depth: u64,
    hashes: fastrand::Rng,
}

impl Chain {
    pub(crate) fn new(seed: u64, base: u64, final_depth: u64) -> Self {
        let mut chain = Chain {
            txs: Vec::new(),
            by_payload: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            blocks: Vec::new(),
            base,
            mined: Vec::new(),
            seen: BTreeMap::new(),
            pool: BTreeMap::new(),
            final_height: base,
            stale: None,
            fork: 0,
            final_depth,
            hashes: fastrand::Rng::with_seed(seed ^ 0xb10c),
        };
        chain.push(Vec::new());
        chain
    }

    pub(crate) fn make(
        &mut self,
        shape: &payload::Shape<'_>,
        quality: Quality,
        key: &str,
        value: &[u8],
    ) -> Tx {
        let payload: Rc<[u8]> = payload::encode(shape).into();
        let hash = payload::id(&payload);
        if let Some(tx) = self.by_hash.get(&hash) {
            return *tx;
        }
        self.add(Made {
            hash,
            payload,
            account: shape.account,
            nonce: shape.nonce,
            is_legacy: shape.is_legacy,
            fee: shape.fee,
            data: shape.data.to_vec(),
            quality,
            key: key.into(),
            value: value.into(),
            was_taken: false,
            was_low: false,
        })
    }

    /// The same of bytes that were made elsewhere.
    pub(crate) fn make_raw(
        &mut self,
        payload: Vec<u8>,
        account: u8,
        nonce: u64,
        data: &[u8],
    ) -> Tx {
        let payload: Rc<[u8]> = payload.into();
        let hash = payload::id(&payload);
        self.add(Made {
            hash,
            payload,
            account,
            nonce,
            is_legacy: false,
            fee: 0,
            data: data.to_vec(),
            quality: Quality::Good,
            key: String::new(),
            value: Rc::from([]),
            was_taken: false,
            was_low: false,
        })
    }

    fn add(&mut self, made: Made) -> Tx {
        let tx = self.txs.len();
        self.by_payload.insert(made.payload.clone(), tx);
        self.by_hash.insert(made.hash, tx);
        self.txs.push(made);
        tx
    }

    pub(crate) fn by_payload(&self, payload: &[u8]) -> Option<Tx> {
        self.by_payload.get(payload).copied()
    }

    pub(crate) fn by_hash(&self, hash: &Hash) -> Option<Tx> {
        self.by_hash.get(hash).copied()
    }

    pub(crate) fn head(&self) -> Block {
        self.blocks[self.blocks.len() - 1].block
    }

    pub(crate) fn at(&self, number: u64) -> Option<&Mined> {
        let index = number.checked_sub(self.base)?;
        self.blocks.get(usize::try_from(index).ok()?)
    }

    /// The blocks and the final height that a replica knows.
    pub(crate) fn view(&self, is_stale: bool) -> (&[Mined], u64) {
        match &self.stale {
            Some((blocks, final_height)) if is_stale => (blocks, *final_height),
            Some(_) | None => (&self.blocks, self.final_height),
        }
    }

    pub(crate) fn is_canonical(&self, block: &Block) -> bool {
        self.at(block.number)
            .is_some_and(|mined| mined.block == *block)
    }

    /// The canonical block that holds the transaction, its index, and whether it was reverted.
    pub(crate) fn place(&self, tx: Tx) -> Option<(Block, u32, bool)> {
        let mined = self.mined.iter().find(|mined| mined.tx == tx)?;
        Some((mined.block, mined.index, mined.reverted))
    }

    fn of(&self, account: u8) -> impl Iterator<Item = Tx> + '_ {
        let txs = self.mined.iter().map(|mined| mined.tx);
        txs.filter(move |tx| self.txs[*tx].account == account)
    }

    /// The account's next nonce.
    pub(crate) fn nonce(&self, account: u8) -> u64 {
        self.of(account).count() as u64
    }

    /// The canonical transaction with this nonce.
    pub(crate) fn holder(&self, account: u8, nonce: u64) -> Option<Tx> {
        self.of(account).find(|tx| self.txs[*tx].nonce == nonce)
    }

    /// What the chain holds for a key as of a block.
    pub(crate) fn value_at(&self, key: &str, number: u64) -> Option<Rc<[u8]>> {
        let is_written = |mined: &&Executed| {
            mined.block.number <= number && !mined.reverted && self.txs[mined.tx].key == key
        };
        let newest = self.mined.iter().rfind(is_written)?;
        Some(self.txs[newest.tx].value.clone())
    }

    /// Takes a transaction into the pool.
    pub(crate) fn take(&mut self, tx: Tx) {
        let made = &mut self.txs[tx];
        made.was_taken = true;
        self.pool.insert((made.account, made.nonce), tx);
    }

    /// Mines what the pool holds in the order of nonces, up to `most` and as far as `picks` says.
    pub(crate) fn mine(
        &mut self,
        most: usize,
        mut picks: impl FnMut() -> bool,
        rng: &mut fastrand::Rng,
    ) {
        let mut next: BTreeMap<u8, u64> = BTreeMap::new();
        for (account, _) in self.pool.keys().copied().collect::<Vec<_>>() {
            next.insert(account, self.nonce(account));
        }
        let mut txs = Vec::new();
        for (account, mut nonce) in next {
            while txs.len() < most
                && picks()
                && let Some(tx) = self.pool.get(&(account, nonce)).copied()
            {
                txs.push((tx, self.reverts(tx, rng)));
                nonce += 1;
            }
        }
        self.push(txs);
    }

    fn reverts(&self, tx: Tx, rng: &mut fastrand::Rng) -> bool {
        match self.txs[tx].quality {
            Quality::Good | Quality::Refused => false,
            Quality::Reverts => true,
            Quality::Flaky => rng.bool(),
        }
    }

    /// A block that holds a transaction which nobody sent through the cache.
    pub(crate) fn mine_rival(&mut self, tx: Tx) {
        self.push(vec![(tx, false)]);
    }

    fn push(&mut self, txs: Vec<(Tx, bool)>) {
        for (tx, _) in &txs {
            let made = &self.txs[*tx];
            self.pool.remove(&(made.account, made.nonce));
        }
        let number = self.base + self.blocks.len() as u64;
        let mut hash = [0; 32];
        hash.fill_with(|| self.hashes.u8(..));
        let block = Block {
            number,
            hash: Hash(hash),
        };
        let parent = self
            .blocks
            .last()
            .map_or(Hash([0xaa; 32]), |last| last.block.hash);
        let executed = txs.iter().zip(0..).map(|((tx, reverted), index)| Executed {
            tx: *tx,
            block,
            index,
            reverted: *reverted,
        });
        self.mined.extend(executed);
        let mined = Mined { block, parent, txs };
        self.seen.insert(block.hash, mined.clone());
        self.blocks.push(mined);
        self.final_height = self
            .final_height
            .max(number.saturating_sub(self.final_depth));
        let fork = self.fork;
        self.stale.take_if(|_| self.final_height >= fork);
    }

    /// How many blocks may be replaced.
    pub(crate) fn open_depth(&self) -> u64 {
        self.head().number - self.final_height
    }

    /// The chain breaks its word: as many blocks as this may be replaced from now on, also final ones.
    pub(crate) fn break_finality(&mut self, depth: u64) {
        let height = self.head().number.saturating_sub(depth);
        self.final_height = self.final_height.min(height);
    }

    /// Replaces the last `depth` blocks by `new` ones. Returns the transactions that lost their block.
    pub(crate) fn reorg(
        &mut self,
        depth: u64,
        new: u64,
        orphans: Orphans,
        rng: &mut fastrand::Rng,
    ) -> BTreeSet<Tx> {
        self.stale = Some((self.blocks.clone(), self.final_height));
        let kept = self.blocks.len() - depth as usize;
        let gone = self.blocks.split_off(kept);
        self.fork = self.head().number + 1;
        let head = self.head().number;
        self.mined.retain(|mined| mined.block.number <= head);
        let lost: Vec<Tx> = gone
            .iter()
            .flat_map(|mined| &mined.txs)
            .map(|(tx, _)| *tx)
            .collect();
        if orphans != Orphans::Dropped {
            for tx in &lost {
                let made = &self.txs[*tx];
                self.pool.insert((made.account, made.nonce), *tx);
            }
        }
        for _ in 0..new {
            if orphans == Orphans::Remined {
                self.mine(usize::MAX, || true, rng);
            } else {
                self.push(Vec::new());
            }
        }
        lost.into_iter()
            .filter(|tx| self.place(*tx).is_none())
            .collect()
    }
}
