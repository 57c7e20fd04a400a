//! What the kernel says: counters, listen queues, socket states, CPU time, memory, the environment of a run. Parsing is
//! pure, reading is at the edge.

pub mod counters;
pub mod cpu;
pub mod datagrams;
pub mod environment;
pub mod listen;
pub mod memory;
pub mod sampler;
pub mod states;
pub mod ticker;
pub mod wire;
