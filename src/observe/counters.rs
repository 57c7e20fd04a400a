//! The kernel's network counters: `/proc/net/{netstat,snmp,snmp6}` (`net/ipv4/proc.c`,
//! `net/ipv6/proc.c`).
//!
//! They are counted for each network namespace, and `/proc/net` is that of the process's main
//! thread: everything here reads `/proc/thread-self/net`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::measure::result::CounterResult;

/// Groups in the order in which they get a name that several have; other groups follow.
const ORDER: [&str; 6] = ["TcpExt", "Tcp", "Udp", "IpExt", "Ip", "MPTcpExt"];
/// Groups that nobody reads and that repeat the names of others.
const LEFT_OUT: [&str; 3] = ["UdpLite", "UdpLite6", "IcmpMsg"];
/// More than any kernel has; what lies beyond is left out.
const MOST: usize = 4096;
/// Longest text that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// Counters of one network namespace at one instant, by the kernel's names, in its order.
///
/// A name that several groups have (`InErrors`) stands plain for the first group in the order
/// TcpExt, Tcp, Udp, IpExt, Ip, MPTcpExt, and qualified (`Icmp:InErrors`) for the others. What is
/// negative (`MaxConn` is -1 where there is no limit) is no counter and left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters(Vec<(String, u64)>);

impl Counters {
    /// Reads those of the calling thread's network namespace.
    ///
    /// # Errors
    /// Where `/proc` is not mounted or not Linux's. A kernel without IPv6 has no `snmp6`: fine.
    pub fn read() -> io::Result<Self> {
        let netstat = bounded("netstat")?;
        let snmp = bounded("snmp")?;
        let snmp6 = match bounded("snmp6") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        Ok(Self::parse(&netstat, &snmp, &snmp6))
    }

    /// Parses the three texts. Whatever is not understood is left out.
    pub fn parse(netstat: &str, snmp: &str, snmp6: &str) -> Self {
        let mut groups: Vec<(&str, Vec<(&str, u64)>)> = pairs(netstat)
            .chain(pairs(snmp))
            .map(|(g, h, v)| (g, values(h, v).collect()))
            .collect();
        groups.retain(|(group, _)| !LEFT_OUT.contains(group));
        groups.sort_by_key(|(g, _)| ORDER.iter().position(|o| o == g).unwrap_or(ORDER.len()));
        let mut all = Self::default();
        let mut taken = HashSet::new();
        for (group, counters) in groups {
            for (name, value) in counters {
                let name =
                    if taken.contains(name) { format!("{group}:{name}") } else { name.to_owned() };
                all.add(&mut taken, name, value);
            }
        }
        for line in snmp6.lines().filter(|line| !line.starts_with("UdpLite6")) {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) {
                all.add(&mut taken, name.to_owned(), value);
            }
        }
        all
    }

    fn add(&mut self, taken: &mut HashSet<String>, name: String, value: u64) {
        if self.0.len() < MOST && taken.insert(name.clone()) {
            self.0.push((name, value));
        }
    }

    /// The value of a counter, by the name as described above.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// By how much each counter of `after` grew; 0 where it shrank, as gauges (`CurrEstab`) do.
    pub fn growth(before: &Self, after: &Self) -> Self {
        let grown = |(name, value): (&str, u64)| {
            (name.to_owned(), value.saturating_sub(before.get(name).unwrap_or(0)))
        };
        Self(after.iter().map(grown).collect())
    }
}

/// Every counter of `after` with its value in `before` (0 where it was not there), as reported.
pub fn results(namespace: &str, before: &Counters, after: &Counters) -> Vec<CounterResult> {
    after
        .iter()
        .map(|(name, value)| CounterResult {
            namespace: namespace.to_owned(),
            counter: name.to_owned(),
            before: before.get(name).unwrap_or(0),
            after: value,
        })
        .collect()
}

/// Line pairs of `netstat` and `snmp`: (group, names, values).
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':')).peekable();
    std::iter::from_fn(move || {
        loop {
            let (group, names) = lines.next()?;
            if let Some((_, values)) = lines.next_if(|(next, _)| *next == group) {
                return Some((group, names, values));
            }
        }
    })
}

/// Names with their values; negative ones are left out.
fn values<'a>(names: &'a str, values: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
    let parsed = values.split_whitespace().map(|value| value.parse().ok());
    names.split_whitespace().zip(parsed).filter_map(|(name, value)| Some((name, value?)))
}

fn bounded(file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(format!("/proc/thread-self/net/{file}"))?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A cheap reader of a few counters of `/proc/thread-self/net/netstat` (the groups TcpExt, IpExt
/// and MPTcpExt), for repeated reads. It allocates nothing after it was opened.
///
/// It stays bound to the network namespace of the thread that opened it, and may be read from
/// any other.
#[derive(Debug)]
pub struct Watch {
    file: File,
    names: Vec<String>,
    values: Vec<Option<u64>>,
    text: Vec<u8>,
}

impl Watch {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// Where `/proc` is not mounted or not Linux's.
    pub fn open(names: &[&str]) -> io::Result<Self> {
        let text = vec![0; fs::read("/proc/thread-self/net/netstat")?.len() * 2 + 4096];
        Ok(Self {
            file: File::open("/proc/thread-self/net/netstat")?,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            values: vec![None; names.len()],
            text,
        })
    }

    /// Present values, in the order of the names; `None` where this kernel has no such counter.
    ///
    /// # Errors
    /// None in practice.
    pub fn read(&mut self) -> io::Result<&[Option<u64>]> {
        let mut filled = 0;
        while filled < self.text.len() {
            match self.file.read_at(&mut self.text[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        pick(&self.text[..filled], &self.names, &mut self.values);
        Ok(&self.values)
    }
}

/// Fills in the values of these names.
fn pick(text: &[u8], names: &[String], found: &mut [Option<u64>]) {
    found.fill(None);
    let Ok(text) = std::str::from_utf8(text) else { return };
    for (_, header, line) in pairs(text) {
        for (name, value) in header.split_ascii_whitespace().zip(line.split_ascii_whitespace()) {
            if let Some(at) = names.iter().position(|wanted| wanted == name) {
                found[at] = found[at].or_else(|| value.parse().ok());
            }
        }
    }
}

#[cfg(test)]
mod tests;
