//! The dapp's update functions, called through the wrapper.

use super::Host;
use crate::cache::{Previous, Updates};
use crate::ordered::OrderedSet;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;

/// See the module's documentation.
pub(super) struct Functions {
    host: Host,
    names: OrderedSet<String>,
}

impl Functions {
    pub(super) fn new(host: &Host, names: Vec<String>) -> Self {
        Functions {
            host: AsRef::<JsValue>::as_ref(host).clone().unchecked_into(),
            names: names.into_iter().collect(),
        }
    }
}

impl Updates for Functions {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn apply(
        &self,
        name: &str,
        previous: Option<&Previous>,
        argument: &[u8],
    ) -> Result<Vec<u8>, String> {
        let is_calldata = previous.is_some_and(|previous| previous.is_calldata);
        let previous = previous.map_or(JsValue::UNDEFINED, |previous| {
            Uint8Array::from(&*previous.value).into()
        });
        let made = self
            .host
            .update(name, previous, is_calldata, Uint8Array::from(argument));
        if ArrayBuffer::is_view(&made) {
            Ok(Uint8Array::new(&made).to_vec())
        } else {
            Err(made.as_string().unwrap_or_default())
        }
    }
}
