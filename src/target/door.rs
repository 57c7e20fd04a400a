//! Where clients come in: the present listeners. Acceptors and the sampler find them here, also
//! when a restart puts others into their place.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use socket2::Socket;

use crate::observe::sampler::Listeners;
use crate::scenario::plan::{Restart, Serve, Succession};
use crate::sys::endpoint::Endpoint;
use crate::sys::listener::{self, Listening};
use crate::sys::tcp_info::TcpInfo;
use crate::sys::unix_diag::UnixDiag;

/// The listeners at one address; with several, they form a group (SO_REUSEPORT).
pub struct Door {
    /// Where they listen.
    pub address: Endpoint,
    /// Limit of each accept queue as the kernel granted it; `None` where it does not tell.
    pub effective: Option<u32>,
    /// Seconds for which accept is deferred, as the kernel rounded them.
    pub defer_accept_s: Option<u32>,
    /// Whether the kernel keeps the SYN of each connection.
    pub saves_syns: bool,
    how: Listening,
    /// Grows whenever other listeners are there.
    generation: AtomicU64,
    present: Mutex<Present>,
    /// A post has let go of its listener.
    released: Condvar,
}

/// What is there at the moment.
#[derive(Default)]
struct Present {
    /// One place a listener; an empty one has none at the moment.
    places: Vec<Option<Arc<Socket>>>,
    /// Tells an acceptor that other listeners are there.
    bells: Vec<Box<dyn Fn() + Send>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Door").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Door {
    /// Listens on `address` as `serve` says; nobody accepts yet. Whoever `names` connections is told
    /// how each was made.
    ///
    /// # Errors
    /// EADDRINUSE, EADDRNOTAVAIL, EACCES and what else `bind` and `listen` say.
    pub fn open(address: impl Into<Endpoint>, serve: &Serve, names: bool) -> io::Result<Arc<Self>> {
        let how = Listening { save_syns: names && serve.transport.is_tcp(), ..listening(serve) };
        let first = listener::listen_so(address, how)?;
        let saves_syns = how.save_syns && listener::save_syns(&first);
        let address = Endpoint::of(&first)?;
        let effective = match address {
            Endpoint::Inet(_) => TcpInfo::of(&first).map(|info| info.accept_limit()),
            Endpoint::Udp(_) => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
            Endpoint::Unix(..) => {
                UnixDiag::open().and_then(|mut diag| diag.listener(&first)).map(|queue| queue.limit)
            }
        };
        let defer_accept_s = how.defer_accept.and_then(|_| listener::defer_accept(&first).ok());
        let mut places = vec![Some(Arc::new(first))];
        for _ in 1..serve.listeners {
            places.push(Some(Arc::new(listener::listen_so(address, how)?)));
        }
        Ok(Arc::new(Self {
            address,
            effective: effective.ok(),
            defer_accept_s,
            saves_syns,
            how,
            generation: AtomicU64::new(0),
            present: Mutex::new(Present { places, bells: Vec::new() }),
            released: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The post of an acceptor at listener `place`.
    pub fn post(self: &Arc<Self>, place: usize) -> Post {
        let mut post = Post { door: Arc::clone(self), place, generation: 0, listener: None };
        post.exchange();
        post
    }

    /// `bell` is called whenever posts shall exchange their listeners.
    pub fn ring(&self, bell: impl Fn() + Send + 'static) {
        self.lock().bells.push(Box::new(bell));
    }

    /// As many new listeners as there are places.
    ///
    /// # Errors
    /// As [`Door::open`]; then there is none of them.
    pub fn listen_anew(&self) -> io::Result<Vec<Socket>> {
        let places = self.lock().places.len();
        (0..places).map(|_| listener::listen_so(self.address, self.how)).collect()
    }

    /// Puts others (none: nobody listens) into the places, and gives the former ones when every
    /// post has let go of them, which takes an acceptor one pass.
    pub fn replace(&self, others: Vec<Socket>) -> Vec<Socket> {
        let mut present = self.lock();
        let mut others = others.into_iter();
        let places = present.places.iter_mut();
        let former: Vec<Arc<Socket>> = places
            .filter_map(|place| std::mem::replace(place, others.next().map(Arc::new)))
            .collect();
        self.generation.fetch_add(1, Ordering::Release);
        present.bells.iter().for_each(|bell| bell());
        let held = |former: &[Arc<Socket>]| former.iter().any(|one| Arc::strong_count(one) > 1);
        while held(&former) {
            present = self.released.wait(present).unwrap_or_else(PoisonError::into_inner);
        }
        former.into_iter().filter_map(Arc::into_inner).collect()
    }
}

impl Listeners for Door {
    fn each(&self, look: &mut dyn FnMut(Option<&Socket>)) {
        self.lock().places.iter().for_each(|place| look(place.as_deref()));
    }

    fn are_unix(&self) -> bool {
        matches!(self.address, Endpoint::Unix(..))
    }
}

/// An acceptor's place at the door.
#[derive(Debug)]
pub struct Post {
    door: Arc<Door>,
    place: usize,
    generation: u64,
    listener: Option<Arc<Socket>>,
}

impl Post {
    /// The listener to accept from; `None` while nobody listens.
    pub fn listener(&self) -> Option<&Socket> {
        self.listener.as_deref()
    }

    /// The door that it is at.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Whether another listener is there, or none: [`Post::exchange`] is due.
    pub fn changed(&self) -> bool {
        self.door.generation.load(Ordering::Acquire) != self.generation
    }

    /// Lets go of the listener and takes the present one.
    pub fn exchange(&mut self) {
        let present = self.door.lock();
        self.generation = self.door.generation.load(Ordering::Acquire);
        self.listener = present.places.get(self.place).cloned().flatten();
        self.door.released.notify_all();
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let _present = self.door.lock();
        self.listener = None;
        self.door.released.notify_all();
    }
}

fn listening(serve: &Serve) -> Listening {
    let hand_over = matches!(serve.restart, Some(Restart { succession: Succession::HandOver, .. }));
    Listening {
        backlog: serve.backlog.0,
        reuse_address: serve.reuse_address,
        reuse_port: serve.listeners > 1 || hand_over,
        // Below a second the kernel knows nothing.
        defer_accept: serve
            .defer_accept
            .map(|time| u32::try_from(time.nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)),
        fast_open: serve.fast_open,
        save_syns: false,
    }
}
