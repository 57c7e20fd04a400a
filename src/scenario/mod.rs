//! What a user writes (TOML), checked, and the immutable plan that it resolves to.
//!
//! The way of a scenario: text -> spanned table ([`read`]) <- overrides, then one table for each
//! cell of the sweep -> raw mirror -> [`validate`] -> [`plan::Plan`]. Whatever is wrong on the
//! way is collected with its place ([`Diagnostics`]), so that a user sees all of it at once.
//! Pure: the text is passed in, and files of messages are read by the caller's function.

mod at;
mod cost;
mod describe;
mod diagnostic;
mod differences;
mod engines;
mod fail_on;
mod overrides;
pub mod pace;
pub mod plan;
mod raw;
mod read;
mod resolve;
mod schema;
mod serve;
pub mod service;
mod source;
mod sweep;
mod table;
mod validate;
mod vary;

pub use cost::{
    Cost, Means, Scarce, Shortage, certain_sockets, cost_of_cell, cost_of_plan, preflight,
};
pub use describe::describe;
pub use diagnostic::{Diagnostic, Diagnostics, Severity, suggest};
pub use differences::{differences, differences_in_kind};
pub use engines::{RESERVED, engines, is_movable};
pub use fail_on::fail_on;
pub use overrides::{Change, ChangeKind};
pub use resolve::{LONGEST_TEXT, Resolved, resolve, resolve_changed};
pub use schema::schema;
pub use sweep::file_safe;
pub use validate::{ReadFile, is_setting};
pub use vary::{Start, start};

#[cfg(test)]
mod tests;
