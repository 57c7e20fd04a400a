//! Receiving many datagrams in one call, and what the kernel counts for their socket.
