//! A TCP proxy in front of a server: open it forwards all bytes, closed it cuts every connection.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The gate.
pub struct TcpProxy {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    open: bool,
    connections: Vec<TcpStream>,
}

impl TcpProxy {
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { open: true, connections: Vec::new() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A connection that is refused or breaks is what the gate is for.
                let _ = let_in(client, server, &shared);
            }
        });
        Self { address, state }
    }

    pub fn close(&self) {
        let mut state = self.state.lock().unwrap();
        state.open = false;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub fn open(&self) {
        self.state.lock().unwrap().open = true;
    }
}

fn let_in(client: TcpStream, server: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut state = state.lock().unwrap();
    if !state.open {
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect(server)?;
    state.connections.extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
