//! What is asked, and the statuses that answers come with.

use std::rc::Rc;
use uplink_cache::gateway::{At, BlockName, Request};
use uplink_cache::task::{Address, Block, Hash};

/// The JSON-RPC id of the request.
pub const ID: u64 = 7;
pub const ACCOUNT: Address = Address([0xaa; 20]);
pub const BLOCK: Block = Block {
    number: 5,
    hash: Hash([0xbb; 32]),
};
/// The transactions that are asked for.
pub const TXS: [Hash; 3] = [Hash([0x11; 32]), Hash([0x22; 32]), Hash([0x33; 32])];
/// Of an answer; there is none where the input names none of them.
pub const STATUSES: [u16; 14] = [
    200, 429, 500, 503, 400, 401, 403, 404, 413, 501, 502, 204, 301, 0,
];

/// One of each kind, in the order in which inputs name them.
pub fn requests() -> Vec<Request> {
    let payload: Rc<[u8]> = Rc::from([2, 1]);
    vec![
        Request::ChainId,
        Request::Syncing,
        Request::Head,
        Request::BlockAt(5),
        Request::FinalBlock,
        Request::Receipt(TXS[0]),
        Request::Transaction(TXS[0]),
        Request::BlockReceipts(BLOCK, BlockName::Hash, TXS.to_vec()),
        Request::Receipts(TXS[..1].to_vec()),
        Request::Receipts(TXS.to_vec()),
        Request::Transactions(TXS.to_vec()),
        Request::Count(ACCOUNT, At::Latest),
        Request::BySender(ACCOUNT, 3),
        Request::InBlock(5, ACCOUNT, 3),
        Request::Send(vec![payload.clone()]),
        Request::Send(vec![payload; 3]),
        Request::Call("eth_call".into(), "[]".into()),
    ]
}
