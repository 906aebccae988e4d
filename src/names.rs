//! Enums whose variants have a name that JavaScript sees: one list makes the enum, its names, and its TypeScript type.

macro_rules! named {
    ($(#[$meta:meta])* pub enum $enum:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(target_family = "wasm", derive(serde::Serialize, tsify::Tsify))]
        pub enum $enum {
            $($(#[$doc])* #[cfg_attr(target_family = "wasm", serde(rename = $name))] $variant,)*
        }

        impl $enum {
            /// Every variant, in the order of the list.
            pub const ALL: &'static [$enum] = &[$($enum::$variant),*];

            /// The name that JavaScript sees.
            pub fn as_str(self) -> &'static str {
                match self { $($enum::$variant => $name,)* }
            }
        }
    };
}

pub(crate) use named;
