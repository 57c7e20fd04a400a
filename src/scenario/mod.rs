//! What a user writes (TOML), checked, and the immutable plan that it resolves to.

pub mod plan;
