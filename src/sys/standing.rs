//! Where a connection stands, on every system.

/// Where a connection stands (RFC 9293), as far as a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// SYN_SENT: no answer yet.
    Connecting,
    /// ESTABLISHED, or closing after it was.
    Established,
    /// CLOSED: refused, reset or given up.
    Closed,
}
