//! Two customers with the same addresses, and one router.
//!
//! ```text
//!   red client  10.1.0.10 --- r1 10.1.0.1 | red  | r2 10.2.0.1 --- 10.2.0.10 red server
//!   blue client 10.1.0.10 --- b1 10.1.0.1 | blue | b2 10.2.0.1 --- 10.2.0.10 blue server
//! ```

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::common::netns::Namespace;
use crate::plan::{Kind, Plan, Running};
use crate::world::on;

/// Client and server of a customer.
struct Customer {
    client: Namespace,
    server: Namespace,
}

impl Customer {
    fn new(router: &Namespace, ports: [&str; 2], names: [&'static str; 2]) -> Self {
        let [client, server] = names.map(Namespace::new);
        for (machine, port, net) in [(&client, ports[0], 1), (&server, ports[1], 2)] {
            machine.sysctl("net.ipv4.ip_forward", "0");
            router.cable(port, machine, "eth0");
            machine.ip(&format!("addr add 10.{net}.0.10/24 brd + dev eth0"));
            machine.ip(&format!("route add default via 10.{net}.0.1"));
        }
        Self { client, server }
    }

    /// A server that says its name to whoever connects, once.
    fn says(&self, name: &'static str) -> std::thread::JoinHandle<()> {
        let listener = self.server.enter(|| TcpListener::bind("0.0.0.0:7000")).expect("bind");
        std::thread::spawn(move || {
            if let Ok((mut peer, _)) = listener.accept() {
                let _ = peer.write_all(name.as_bytes());
            }
        })
    }

    /// What the client hears when it connects to the server's address.
    fn hears(&self) -> String {
        let server: SocketAddr = "10.2.0.10:7000".parse().expect("an address");
        self.client.enter(|| {
            let mut peer = TcpStream::connect_timeout(&server, Duration::from_secs(5))
                .unwrap_or_else(|error| panic!("connect to {server}: {error}"));
            peer.set_read_timeout(Some(Duration::from_secs(5))).expect("set a time limit");
            let mut said = String::new();
            peer.read_to_string(&mut said).expect("read what the server says");
            said
        })
    }
}

/// Each reaches its own, never the other's; on purpose there is a way from one to the other.
pub(crate) fn equal_addresses_live_apart_and_leak_on_purpose() {
    let router = Namespace::new("router");
    let red = Customer::new(&router, ["r1", "r2"], ["red client", "red server"]);
    let blue = Customer::new(&router, ["b1", "b2"], ["blue client", "blue server"]);
    let plan = Plan {
        workers: 1,
        ports: &[("r1", "", 1500), ("r2", "", 1500), ("b1", "", 1500), ("b2", "", 1500)],
        routes: &[],
        sysctls: &[],
    };
    let running = Running::start(Kind::Wagonway, &router, &plan, &red.client);
    let ip = |words: &str| {
        let said = running.ip(words);
        assert!(said.ok, "{}", said.text);
        said
    };
    for (vrf, table, ports) in [("red", 10, ["r1", "r2"]), ("blue", 20, ["b1", "b2"])] {
        ip(&format!("link add {vrf} type vrf table {table}"));
        ip(&format!("link set {vrf} up"));
        for (net, port) in (1..).zip(ports) {
            ip(&format!("link set {port} master {vrf}"));
            ip(&format!("addr add 10.{net}.0.1/24 dev {port}"));
        }
    }
    let ping = |customer: &Customer, words: &str| {
        on(&customer.client, &format!("ping -n -c 3 -i 0.1 -W 2 {words}"))
    };
    let servers = [red.says("red"), blue.says("blue")];
    for (customer, name) in [(&red, "red"), (&blue, "blue")] {
        for whom in ["10.1.0.1", "10.2.0.1", "10.2.0.10"] {
            ping(customer, whom).expect(" 0% packet loss");
        }
        assert_eq!(customer.hears(), name);
    }
    for server in servers {
        server.join().expect("a server");
    }
    ip("route show vrf red").expect("10.2.0.0/24 dev r2");
    ip("route get 10.2.0.10 vrf blue").expect("dev b2");

    // Where red's server is gone, nobody takes its place.
    red.server.ip("link set eth0 down");
    ping(&red, "10.2.0.10").expect("100% packet loss");
    ping(&blue, "10.2.0.10").expect(" 0% packet loss");

    // A network of red's clients and one of blue's servers that only they have.
    red.client.ip("addr add 10.4.0.10/32 dev lo");
    ip("route add 10.4.0.0/24 via 10.1.0.10 vrf red");
    blue.server.ip("addr add 10.3.0.10/32 dev lo");
    ip("route add 10.3.0.0/24 via 10.2.0.10 vrf blue");
    ping(&red, "-I 10.4.0.10 10.3.0.10").expect("100% packet loss");
    // There by a device of blue, back by the device of the VRF red.
    ip("route add 10.3.0.0/24 via 10.2.0.10 dev b2 vrf red");
    ping(&red, "-I 10.4.0.10 10.3.0.10").expect("100% packet loss");
    ip("route add 10.4.0.0/24 dev red vrf blue");
    ping(&red, "-I 10.4.0.10 10.3.0.10").expect(" 0% packet loss");
    ping(&red, "10.3.0.10").expect("100% packet loss");
    ip("route del 10.4.0.0/24 vrf blue");
    ping(&red, "-I 10.4.0.10 10.3.0.10").expect("100% packet loss");
}
