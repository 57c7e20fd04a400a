//! Links by rtnetlink, each from a thread inside the namespace that it concerns.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, State};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use tokio::time::{Instant, sleep};

use crate::lab::{Addresses, LabError, link_error};
use crate::sys::namespace::Namespace;

/// Index of the loopback interface in every namespace (`LOOPBACK_IFINDEX`, `include/net/flow.h`).
const LOOPBACK: u32 = 1;
/// The routing table of the kernel's own addresses (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u32 = 255;
/// Name of the interface on either side.
pub const NAME: &str = "lab";
/// Longest wait until a link that is up can be used.
const PATIENCE: Duration = Duration::from_secs(5);

/// Brings loopback up, and gives it those IPv6 sources that it does not have by itself.
pub fn loopback(place: &Namespace, addresses: &Addresses) -> Result<(), LabError> {
    let foreign: Vec<_> = addresses.sources().filter(|ip| !ip.is_loopback()).collect();
    inside(place, async |net| {
        up(&net, LOOPBACK).await?;
        for ip in foreign {
            add(&net, LOOPBACK, *ip, 128).await?;
        }
        join(&net, LOOPBACK, addresses.multicast).await?;
        usable(&net, LOOPBACK).await
    })
}

/// Lays a virtual Ethernet pair between two namespaces.
pub fn veth(client: &Namespace, target: &Namespace, addresses: &Addresses) -> Result<(), LabError> {
    target.run(skip_detection).map_err(|error| link_error("entering the namespace", &error))?;
    let prefix = if addresses.target.is_ipv4() { 15 } else { 48 };
    let client_link = inside(client, async |net| {
        skip_detection();
        up(&net, LOOPBACK).await?;
        pair(&net, target).await?;
        let link = index(&net).await?;
        up(&net, link).await?;
        // The target reaches further sources by way of the first. Those of IPv6 live on loopback,
        // where they need no multicast group each, which would take seconds. Those of IPv4 live on
        // the link, because multicast leaves by the interface that has its source
        // (`ip_route_output_key_hash_rcu`, `net/ipv4/route.c`).
        for (n, ip) in addresses.sources().enumerate() {
            match (n, ip) {
                (0, ip) => add(&net, link, *ip, prefix).await?,
                (_, IpAddr::V4(_)) => add(&net, link, *ip, 32).await?,
                (_, IpAddr::V6(_)) => add(&net, LOOPBACK, *ip, 128).await?,
            }
        }
        join(&net, link, addresses.multicast).await?;
        Ok(link)
    })?;
    inside(target, async |net| {
        up(&net, LOOPBACK).await?;
        let link = index(&net).await?;
        up(&net, link).await?;
        add(&net, link, addresses.target, prefix).await?;
        join(&net, link, addresses.multicast).await?;
        usable(&net, link).await?;
        back(&net, addresses).await
    })?;
    inside(client, async |net| usable(&net, client_link).await)
}

/// Does `work` on a thread inside a namespace, with a connection that was opened there.
fn inside<T: Send>(
    place: &Namespace,
    work: impl AsyncFnOnce(Handle) -> Result<T, LabError> + Send,
) -> Result<T, LabError> {
    let failed = |error: io::Error| link_error("opening rtnetlink", &error);
    place
        .run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(failed)?;
            runtime.block_on(async {
                let (connection, handle, _) = new_connection().map_err(failed)?;
                let pump = tokio::spawn(connection);
                let done = work(handle).await;
                pump.abort();
                done
            })
        })
        .map_err(|error| link_error("entering the namespace", &error))?
}

/// Makes link-local addresses of interfaces to come usable at once, without the second that
/// duplicate address detection takes (RFC 4862): a neighbour may be asked for from them. Where the
/// setting cannot be written, [`usable`] waits that second.
fn skip_detection() {
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
}

/// Creates the pair, its other end at once in the target's namespace.
async fn pair(net: &Handle, target: &Namespace) -> Result<(), LabError> {
    let peer = LinkUnspec::new_with_name(NAME).setns_by_fd(target.as_raw_fd()).build();
    let message = LinkVeth::new(NAME, NAME).set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
    net.link().add(message.build()).execute().await.map_err(|e| failed("making a veth pair", e))
}

/// Index of our end of the pair in this namespace.
async fn index(net: &Handle) -> Result<u32, LabError> {
    let step = "finding the veth interface";
    let found = net.link().get().match_name(NAME).execute().try_next().await;
    match found.map_err(|e| failed(step, e))? {
        Some(link) => Ok(link.header.index),
        None => Err(link_error(step, &io::ErrorKind::NotFound.into())),
    }
}

async fn up(net: &Handle, link: u32) -> Result<(), LabError> {
    let message = LinkUnspec::new_with_index(link).up().build();
    net.link().set(message).execute().await.map_err(|e| failed("bringing an interface up", e))
}

/// Adds an address. IPv6 skips duplicate address detection, which would take a second.
async fn add(net: &Handle, link: u32, ip: IpAddr, prefix: u8) -> Result<(), LabError> {
    let mut request = net.address().add(link, ip, prefix);
    if ip.is_ipv6() {
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    request.execute().await.map_err(|e| failed(&format!("adding the address {ip}"), e))
}

/// Leads a multicast group over a link. IPv6 does so by itself, but over loopback, where a packet is
/// let out and in again only by a route of type `local`.
async fn join(net: &Handle, link: u32, group: IpAddr) -> Result<(), LabError> {
    let route = match group {
        IpAddr::V4(group) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(group, 32)
            .scope(RouteScope::Link)
            .output_interface(link)
            .build(),
        IpAddr::V6(group) if link == LOOPBACK => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(group, 128)
            .kind(RouteType::Local)
            .table_id(LOCAL_TABLE)
            .output_interface(link)
            .build(),
        IpAddr::V6(_) => return Ok(()),
    };
    net.route().add(route).execute().await.map_err(|e| failed("adding the route to a group", e))
}

/// Sends answers to all sources by way of the first one: one neighbour instead of thousands, in a
/// table whose limit (`gc_thresh3`) all namespaces of the host share (`net/core/neighbour.c`).
async fn back(net: &Handle, addresses: &Addresses) -> Result<(), LabError> {
    let first = addresses.clients.first().filter(|_| addresses.sources().count() > 1);
    let route = match first {
        None => return Ok(()),
        Some(IpAddr::V4(first)) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::new(198, 18, 0, 0), 16)
            .gateway(*first)
            .build(),
        Some(IpAddr::V6(first)) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 1, 0), 112)
            .gateway(*first)
            .build(),
    };
    net.route().add(route).execute().await.map_err(|e| failed("adding the route to the clients", e))
}

/// Waits until an interface carries packets and none of its addresses is tentative.
async fn usable(net: &Handle, link: u32) -> Result<(), LabError> {
    let deadline = Instant::now() + PATIENCE;
    while !(operational(net, link).await? && settled(net, link).await?) {
        if Instant::now() > deadline {
            return Err(link_error("waiting for the interface", &io::ErrorKind::TimedOut.into()));
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn operational(net: &Handle, link: u32) -> Result<bool, LabError> {
    let found = net.link().get().match_index(link).execute().try_next().await;
    let found = found.map_err(|e| failed("reading the interface's state", e))?;
    // Loopback never says more than unknown.
    let ready = |attribute: &LinkAttribute| match attribute {
        LinkAttribute::OperState(State::Up) => true,
        LinkAttribute::OperState(State::Unknown) => link == LOOPBACK,
        _ => false,
    };
    Ok(found.is_some_and(|message| message.attributes.iter().any(ready)))
}

async fn settled(net: &Handle, link: u32) -> Result<bool, LabError> {
    let mut all = std::pin::pin!(net.address().get().set_link_index_filter(link).execute());
    let mut settled = true;
    while let Some(message) = all.try_next().await.map_err(|e| failed("reading addresses", e))? {
        settled &= !message.header.flags.contains(AddressHeaderFlags::Tentative);
    }
    Ok(settled)
}

fn failed(step: &str, error: rtnetlink::Error) -> LabError {
    match error {
        rtnetlink::Error::NetlinkError(message) => link_error(step, &message.to_io()),
        other => link_error(step, &io::Error::other(other.to_string())),
    }
}
