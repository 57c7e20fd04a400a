//! Where and how a run is made: everything that is needed to repeat it or to doubt it.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use jiff::Timestamp;

use crate::measure::result::Environment;
use crate::sys::{limits, namespace};

/// Kernel settings that bear on connecting (`Documentation/networking/ip-sysctl.rst`).
const SETTINGS: &[&str] = &[
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_syn_linear_timeouts",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
];

/// Reads the environment. To be called before [`crate::lab::enter`], after which the settings and
/// the user would be those of the private namespaces. What a system does not say is left empty,
/// 0 or absent.
pub fn read(command_line: Vec<String>) -> Environment {
    let [system, release, version, architecture] = limits::system_names().unwrap_or_default();
    Environment {
        started_at: format!("{:.3}", Timestamp::now()),
        command_line,
        kernel: format!("{system} {release} {version}"),
        architecture,
        cpu: cpu_model(&text("/proc/cpuinfo")).unwrap_or_default(),
        cpus: thread::available_parallelism()
            .map_or(0, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: limits::memory(&text("/proc/meminfo"), "MemTotal").unwrap_or(0),
        clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .trim()
            .to_owned(),
        descriptors: limits::descriptors().unwrap_or_default(),
        load_average: load_average(&text("/proc/loadavg")).unwrap_or(0.0),
        sysctl: settings_here(),
        root: namespace::effective_user() == 0,
    }
}

/// Kernel settings that bear on connecting, in the calling thread's network namespace.
pub fn settings_here() -> BTreeMap<String, String> {
    settings(|key| fs::read_to_string(setting_path(key)).ok())
}

/// One kernel setting in the calling thread's network namespace, whitespace made single.
pub fn setting_here(key: &str) -> Option<String> {
    let text = fs::read_to_string(setting_path(key)).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn setting_path(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

/// The settings that exist, whitespace made single.
fn settings(read: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let value = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    SETTINGS.iter().filter_map(|key| Some((key.to_string(), value(read(key)?)))).collect()
}

/// The first processor's model in a `/proc/cpuinfo` text, as x86, POWER or older ARM write it.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "cpu", "Processor", "Model"].iter().find_map(|wanted| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == *wanted).then(|| value.trim().to_owned())
        })
    })
}

/// The one-minute figure of a `/proc/loadavg` text.
fn load_average(loadavg: &str) -> Option<f64> {
    let load: f64 = loadavg.split_whitespace().next()?.parse().ok()?;
    (load.is_finite() && load >= 0.0).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_described() {
        let here = read(vec!["loadgen".into(), "run".into()]);
        assert!(here.started_at.parse::<Timestamp>().is_ok(), "{}", here.started_at);
        assert!(here.started_at.ends_with('Z'));
        assert!(here.kernel.starts_with("Linux "), "{}", here.kernel);
        assert!(here.cpus > 0 && here.memory_bytes > 1 << 20 && here.descriptors.1 > 0);
        assert!(here.sysctl.contains_key("net.core.somaxconn"));
        assert_eq!(here.command_line.len(), 2);
    }

    #[test]
    fn a_setting_that_a_kernel_lacks_is_absent() {
        let some = settings(|key| (key == "net.core.somaxconn").then(|| " 4096\t9\n".into()));
        assert_eq!(
            some.into_iter().collect::<Vec<_>>(),
            [("net.core.somaxconn".to_owned(), "4096 9".to_owned())]
        );
    }

    #[test]
    fn models_and_loads_are_found_or_not() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n").as_deref(),
            Some("AMD EPYC")
        );
        assert_eq!(cpu_model("processor : 0\n"), None);
        assert_eq!(load_average("0.02 0.40 0.50 1/86 14545\n"), Some(0.02));
        for rubbish in ["", "x", "-1 0 0", "inf", "NaN"] {
            assert_eq!(load_average(rubbish), None);
        }
    }
}
