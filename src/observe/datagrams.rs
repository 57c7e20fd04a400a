//! interim
use crate::measure::result::*;
use crate::observe::sampler::Sampling;
use crate::sys::endpoint::Endpoint;
/// interim
pub struct ExternalBuffer;
/// interim
#[derive(Default)]
pub struct BufferTold {
    /// c
    pub counters: Vec<CounterResult>,
    /// r
    pub receivers: Vec<ReceiverResult>,
    /// s
    pub sampler: Option<SamplerResult>,
    /// i
    pub intervals: Vec<DatagramInterval>,
    /// n
    pub notices: Vec<String>,
}
impl ExternalBuffer {
    /// i
    pub fn look(_: Endpoint) -> Self { Self }
    /// i
    pub fn sample(&mut self, _: Sampling) {}
    /// i
    pub fn finish(self) -> BufferTold { BufferTold::default() }
}
