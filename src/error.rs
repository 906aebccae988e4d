//! What can go wrong, as codes that a program can act on.

use crate::names::named;
use std::fmt;

named! {
    /// The documented union of error codes.
    pub enum ErrorCode {
        /// The call itself is wrong: an unknown option, bad hex, an undecodable payload, a key that is too long.
        InvalidInput = "invalid_input",
        /// The payload is signed for another chain than the cache is configured for.
        WrongChain = "wrong_chain",
        /// A payload or a value is over its limit.
        TooLarge = "too_large",
        /// The idempotency key or the transaction is known with other content.
        Conflict = "conflict",
        /// No such task.
        NotFound = "not_found",
        /// The task may have reached the chain already, or its status does not allow the call.
        AlreadySent = "already_sent",
        /// The handle was closed.
        Closed = "closed",
        /// The caller's signal was aborted.
        Aborted = "aborted",
        /// IndexedDB is absent, refused, or its connection was lost.
        StorageUnavailable = "storage_unavailable",
        /// A commit failed; nothing of it was stored.
        StorageFailed = "storage_failed",
        /// The origin's storage quota is used up; nothing of the commit was stored.
        QuotaExceeded = "quota_exceeded",
        /// The database was written by a newer version of this package.
        NewerFormat = "newer_format",
        /// No tab or worker can send here: the browser has no Web Locks, or denies them, so that nobody knows who else does.
        CannotSend = "cannot_send",
        /// The gateway did not answer.
        GatewayUnreachable = "gateway_unreachable",
        /// The gateway answered with an error, or with something that is no answer.
        GatewayError = "gateway_error",
        /// A bound of this package is reached: tasks that are not settled, or bytes that wait for a commit.
        LimitExceeded = "limit_exceeded",
        /// The task settled as failed before the point that was waited for.
        Failed = "failed",
        /// A bug in this package; the log is untouched.
        Internal = "internal",
    }
}

impl ErrorCode {
    /// Whether the same call may succeed later without a change to it: decided here and nowhere else.
    pub fn retryable(self) -> bool {
        match self {
            ErrorCode::StorageUnavailable
            | ErrorCode::StorageFailed
            | ErrorCode::QuotaExceeded
            | ErrorCode::GatewayUnreachable
            | ErrorCode::GatewayError
            | ErrorCode::LimitExceeded => true,
            ErrorCode::InvalidInput
            | ErrorCode::WrongChain
            | ErrorCode::TooLarge
            | ErrorCode::Conflict
            | ErrorCode::NotFound
            | ErrorCode::AlreadySent
            | ErrorCode::Closed
            | ErrorCode::Aborted
            | ErrorCode::NewerFormat
            | ErrorCode::CannotSend
            | ErrorCode::Failed
            | ErrorCode::Internal => false,
        }
    }
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
