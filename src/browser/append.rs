//! The commit that only appends, as nearly every commit does: by the browser's own calls, and with listeners that are made once. By
//! way of futures, and closures for each event, it took a third of a millisecond more than one that is written by hand.

use super::connection::LOG;
use super::look::idb_error;
use indexed_db_futures::error::Error as IdbError;
use js_sys::{Object, Reflect, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbRequest, IdbTransaction};

#[wasm_bindgen]
extern "C" {
    /// A database as it takes options for a commit.
    pub(super) type Committing;
    #[wasm_bindgen(method, catch)]
    pub(super) fn transaction(
        this: &Committing,
        store: &JsValue,
        mode: &JsValue,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;

    /// A commit that ends as soon as it can.
    pub(super) type Ending;
    #[wasm_bindgen(method, catch)]
    pub(super) fn commit(this: &Ending) -> Result<(), JsValue>;
}

/// The last segment's key; or why nothing was stored, and the transaction, if it came to one.
pub(super) type Ended = Result<Option<u64>, (IdbError, Option<IdbTransaction>)>;

struct UnderWay {
    transaction: IdbTransaction,
    last: Option<IdbRequest>,
    tell: Box<dyn FnOnce(Ended)>,
}

/// Appends, one at a time.
pub(super) struct Appends {
    log: JsValue,
    mode: JsValue,
    strict: JsValue,
    relaxed: JsValue,
    under_way: Rc<RefCell<Option<UnderWay>>>,
    completed: Closure<dyn Fn()>,
    aborted: Closure<dyn Fn()>,
}

impl Appends {
    pub(super) fn new() -> Self {
        let under_way: Rc<RefCell<Option<UnderWay>>> = Rc::default();
        let ends = |ended: fn(&UnderWay) -> Ended| {
            let under_way = under_way.clone();
            Closure::new(move || {
                let ending = under_way.take();
                if let Some(ending) = ending {
                    let ended = ended(&ending);
                    (ending.tell)(ended);
                }
            })
        };
        Appends {
            log: LOG.into(),
            mode: "readwrite".into(),
            strict: durability("strict"),
            relaxed: durability("relaxed"),
            completed: ends(|ending| {
                let key = ending.last.as_ref().and_then(|last| last.result().ok());
                Ok(key.and_then(|key| key.as_f64()).map(|key| key as u64))
            }),
            aborted: ends(|ending| {
                // There is none where the browser closed the database.
                let error = ending.transaction.error();
                let error = error.map_or(JsValue::UNDEFINED, JsValue::from);
                Err((idb_error(error), Some(ending.transaction.clone())))
            }),
            under_way,
        }
    }

    /// Writes these segments all or nothing, and tells once it is complete.
    pub(super) fn begin(
        &self,
        database: &IdbDatabase,
        segments: &[Vec<u8>],
        is_strict: bool,
        tell: impl FnOnce(Ended) + 'static,
    ) {
        let options = if is_strict {
            &self.strict
        } else {
            &self.relaxed
        };
        let database: &Committing = database.unchecked_ref();
        let transaction = match database.transaction(&self.log, &self.mode, options) {
            Ok(transaction) => transaction,
            Err(error) => return tell(Err((idb_error(error), None))),
        };
        match add(&transaction, segments) {
            Ok(last) => {
                transaction.set_oncomplete(Some(self.completed.as_ref().unchecked_ref()));
                transaction.set_onabort(Some(self.aborted.as_ref().unchecked_ref()));
                self.under_way.replace(Some(UnderWay {
                    transaction,
                    last,
                    tell: Box::new(tell),
                }));
            }
            Err(error) => {
                // It may have ended by itself.
                let _ = transaction.abort();
                tell(Err((idb_error(error), Some(transaction))));
            }
        }
    }
}

fn add(transaction: &IdbTransaction, segments: &[Vec<u8>]) -> Result<Option<IdbRequest>, JsValue> {
    let log = transaction.object_store(LOG)?;
    let mut last = None;
    for segment in segments {
        last = Some(log.add(&Uint8Array::from(segment.as_slice()))?);
    }
    transaction.unchecked_ref::<Ending>().commit()?;
    Ok(last)
}

pub(super) fn durability(name: &str) -> JsValue {
    let options = Object::new();
    // An object that was just made takes every property.
    let _ = Reflect::set(&options, &"durability".into(), &name.into());
    options.into()
}
