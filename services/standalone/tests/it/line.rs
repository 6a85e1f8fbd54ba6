//! A line that carries UDP to one address, in each direction only as long as it is told to. Cut, it says so to nobody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// The line's near end.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    carries: Arc<Carries>,
    _task: AbortOnDropHandle<()>,
}

struct Carries {
    there: AtomicBool,
    back: AtomicBool,
}

impl Line {
    /// A line that works.
    pub(crate) async fn to(far: SocketAddr) -> Self {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = near.local_addr().unwrap();
        let carries = Arc::new(Carries {
            there: AtomicBool::new(true),
            back: AtomicBool::new(true),
        });
        let task = tokio::spawn(carry(Arc::new(near), far, carries.clone()));
        Self {
            address,
            carries,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What it carries from now on: to the far end, and back.
    pub(crate) fn carries(&self, there: bool, back: bool) {
        self.carries.there.store(there, Ordering::Relaxed);
        self.carries.back.store(back, Ordering::Relaxed);
    }
}

async fn carry(near: Arc<UdpSocket>, far: SocketAddr, carries: Arc<Carries>) {
    let mut ways: HashMap<SocketAddr, (Arc<UdpSocket>, AbortOnDropHandle<()>)> = HashMap::new();
    let mut packet = vec![0; 65_536];
    loop {
        let Ok((bytes, from)) = near.recv_from(&mut packet).await else {
            continue;
        };
        if !carries.there.load(Ordering::Relaxed) {
            continue;
        }
        let (way, _) = match ways.entry(from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
                socket.connect(far).await.unwrap();
                let back = bring_back(socket.clone(), near.clone(), from, carries.clone());
                new.insert((socket, AbortOnDropHandle::new(tokio::spawn(back))))
            }
        };
        // Nobody may listen there just now.
        let _ = way.send(&packet[..bytes]).await;
    }
}

async fn bring_back(
    far: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    to: SocketAddr,
    carries: Arc<Carries>,
) {
    let mut packet = vec![0; 65_536];
    loop {
        if let Ok(bytes) = far.recv(&mut packet).await
            && carries.back.load(Ordering::Relaxed)
        {
            let _ = near.send_to(&packet[..bytes], to).await;
        }
    }
}
