//! What can go wrong, as codes that a program can act on.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $retryable:literal;)*) => {
        /// The documented union of error codes. Whether trying again can help is decided here and nowhere else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(target_family = "wasm", derive(serde::Serialize, tsify::Tsify))]
        pub enum ErrorCode {
            $($(#[$doc])* #[cfg_attr(target_family = "wasm", serde(rename = $name))] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The name that JavaScript sees.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            /// Whether the same call may succeed later without a change to it.
            pub fn retryable(self) -> bool {
                match self { $(ErrorCode::$variant => $retryable,)* }
            }
        }
    };
}

error_codes! {
    /// The call itself is wrong: an unknown option, bad hex, an undecodable payload, a key that is too long.
    InvalidInput = "invalid_input", false;
    /// The payload is signed for another chain than the cache is configured for.
    WrongChain = "wrong_chain", false;
    /// A payload or a value is over its limit.
    TooLarge = "too_large", false;
    /// The idempotency key or the transaction is known with other content.
    Conflict = "conflict", false;
    /// No such task.
    NotFound = "not_found", false;
    /// The task may have reached the chain already, or its status does not allow the call.
    AlreadySent = "already_sent", false;
    /// The handle was closed.
    Closed = "closed", false;
    /// The caller's signal was aborted.
    Aborted = "aborted", false;
    /// IndexedDB is absent, refused, or its connection was lost.
    StorageUnavailable = "storage_unavailable", true;
    /// A commit failed; nothing of it was stored.
    StorageFailed = "storage_failed", true;
    /// The origin's storage quota is used up; nothing of the commit was stored.
    QuotaExceeded = "quota_exceeded", true;
    /// The database was written by a newer version of this package.
    NewerFormat = "newer_format", false;
    /// The gateway did not answer.
    GatewayUnreachable = "gateway_unreachable", true;
    /// The gateway answered with an error, or with something that is no answer.
    GatewayError = "gateway_error", true;
    /// A bound of this package is reached: tasks that are not settled, or bytes that wait for a commit.
    LimitExceeded = "limit_exceeded", true;
    /// The task settled as failed before the point that was waited for.
    Failed = "failed", false;
    /// A bug in this package; the log is untouched.
    Internal = "internal", false;
}

/// A code for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What happened, in a sentence.
    pub message: String,
}

impl Error {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Error { code, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        f.write_str(": ")?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_that_can_pass_are_retryable() {
        let retryable: Vec<&str> = ErrorCode::ALL
            .iter()
            .filter(|code| code.retryable())
            .map(|code| code.as_str())
            .collect();
        assert_eq!(
            retryable,
            [
                "storage_unavailable",
                "storage_failed",
                "quota_exceeded",
                "gateway_unreachable",
                "gateway_error",
                "limit_exceeded"
            ]
        );
    }
}
