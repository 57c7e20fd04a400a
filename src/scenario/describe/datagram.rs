//! Datagrams in words.

use crate::scenario::plan::{
    AcceptPace, Bulk, Cast, DatagramReply, Datagrams, Delay, Impair, Loss, Rebind, Receive, Sizes,
};

/// What a load sends.
pub fn datagrams_text(datagrams: &Datagrams) -> String {
    let Datagrams { sizes, streams, reply, bulk } = datagrams;
    let mut text = format!("datagram, {}, {streams} stream(s)", sizes_text(sizes));
    if *reply == DatagramReply::Echo {
        text.push_str(", echo awaited");
    }
    if *bulk == Some(Bulk::Gso) {
        text.push_str(", in bulk (gso): losses come in bursts of many");
    }
    text
}

/// Sizes of payloads.
pub fn sizes_text(sizes: &Sizes) -> String {
    match sizes {
        Sizes::Fixed { bytes } => format!("{bytes} bytes"),
        Sizes::Turns { bytes } => {
            let all: Vec<String> = bytes.iter().map(u16::to_string).collect();
            format!("{} bytes in turn", all.join(", "))
        }
        Sizes::Uniform { min, max } => format!("uniform {min} to {max} bytes"),
        Sizes::Exponential { min, mean, max } => {
            format!("{min} bytes and exponentially more, mean {mean}, up to {max}")
        }
    }
}

/// How our target receives.
pub fn receive_text(receive: &Receive) -> String {
    let mut text = format!("ours: {} receiver(s) over {}", receive.receivers, receive.transport);
    text.push_str(match receive.cast {
        Cast::Unicast => "",
        Cast::Multicast => ", all in one multicast group",
        Cast::Broadcast => ", all at the broadcast address",
    });
    if receive.readers > 1 {
        text.push_str(&format!(", {} readers each (SO_REUSEPORT)", receive.readers));
    }
    match receive.rcvbuf {
        Some(size) => text.push_str(&format!("; SO_RCVBUF {size}")),
        None => text.push_str("; SO_RCVBUF as the kernel has it"),
    }
    match receive.drain {
        AcceptPace::Asap => text.push_str("; read as soon as possible"),
        AcceptPace::Rate(rate) => text.push_str(&format!("; read at most {rate}")),
        AcceptPace::Never => text.push_str("; never read before the end"),
    }
    for window in &receive.stalls {
        text.push_str(&format!(", stalled from {} to {}", window.from, window.to));
    }
    if receive.reply == DatagramReply::Echo {
        text.push_str("; echo");
    }
    if let Some(Rebind { at, gap }) = receive.restart {
        text.push_str(&format!("; restart at {at}, nobody is bound for {gap}"));
    }
    text.push_str(&format!("; buffers sampled every {}", receive.sample));
    text
}

/// What the lab does on the way.
pub fn impair_text(impair: &Impair) -> String {
    let mut parts = Vec::new();
    match impair.loss {
        Some(Loss::Random(ratio)) => parts.push(format!("loses {ratio} at random")),
        Some(Loss::Every(nth)) => parts.push(format!("loses the last of each {nth}")),
        None => {}
    }
    if let Some(bits) = impair.rate {
        let queue = impair.queue.map_or(String::new(), |queue| format!(", {queue} may wait"));
        parts.push(format!("lets {bits} bit/s through{queue}"));
    }
    if let Some(Delay { mean, jitter }) = impair.delay {
        parts.push(format!("delays by {mean} +- {jitter}"));
    }
    if let Some(ratio) = impair.duplicate {
        parts.push(format!("doubles {ratio}"));
    }
    if let Some(ratio) = impair.reorder {
        parts.push(format!("lets {ratio} overtake"));
    }
    format!("towards the target it {}", parts.join(", "))
}
