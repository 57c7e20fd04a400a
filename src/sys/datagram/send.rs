//! Sending many datagrams in one call, and the errors that come back for them.
