//! The help of each object: the words that this router takes.

use std::fmt;

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// Interfaces.
    Link,
    /// Addresses of interfaces.
    Address,
    /// Routes.
    Route,
    /// Neighbour entries.
    Neigh,
    /// Parameters of neighbour tables.
    Ntable,
    /// Rules of policy routing.
    Rule,
    /// Next-hop objects.
    Nexthop,
    /// Groups that interfaces listen to.
    Maddr,
    /// VRFs.
    Vrf,
    /// Labels of IPv6 addresses.
    Label,
    /// Changes as they are made.
    Monitor,
}

/// A help text: of one object, or of the whole command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Usage(pub Option<Object>);

const IP: &str = "\
Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch filename
where  OBJECT := { address | addrlabel | link | maddress | monitor | neighbour | nexthop | ntable |
                   route | rule | vrf }
       OPTIONS := { -4 | -6 | -br[ief] | -d[etails] | -f[amily] { inet | inet6 } | -h[uman-readable] |
                    -j[son] | -N[umeric] | -o[neline] | -p[retty] | -s[tatistics] }";

const LINK: &str = "\
Usage: ip link add link DEV [ name ] NAME [ address LLADDR ] [ mtu MTU ]
                   type vlan id VLANID [ protocol { 802.1q | 802.1ad } ]
       ip link add [ name ] NAME type vrf table TABLEID
       ip link delete [ dev ] DEV
       ip link set [ dev ] DEV [ up | down ] [ mtu MTU ] [ address LLADDR ] [ name NAME ]
                   [ alias NAME ] [ promisc { on | off } ] [ allmulticast { on | off } ]
                   [ arp { on | off } ] [ multicast { on | off } ] [ txqueuelen PACKETS ]
                   [ master DEV ] [ vrf NAME ] [ nomaster ] [ group DEVGROUP ]
       ip link show [ DEV | group DEVGROUP ] [ up ] [ master DEV ] [ vrf NAME ]
                   [ type TYPE ] [ nomaster ]";

const ADDRESS: &str = "\
Usage: ip address { add | change | replace } IFADDR dev DEV [ valid_lft LFT ]
                  [ preferred_lft LFT ] [ CONFFLAG ... ]
       ip address delete IFADDR dev DEV
       ip address flush [ dev DEV ] [ scope SCOPE ] [ to PREFIX ] [ label LABEL ] [ FLAG ... ]
       ip address show [ [ dev ] DEV ] [ scope SCOPE ] [ to PREFIX ] [ label LABEL ] [ up ]
                  [ FLAG ... ]
IFADDR := PREFIX | ADDR peer PREFIX [ broadcast { ADDR | + | - } ] [ label LABEL ]
          [ scope SCOPE ] [ metric METRIC ]
FLAG := [ permanent | dynamic | secondary | primary | temporary | [-]tentative |
          [-]deprecated | [-]dadfailed | stable-privacy | CONFFLAG ]
CONFFLAG := [ home | nodad | optimistic | mngtmpaddr | noprefixroute | autojoin ]
LFT := forever | SECONDS";

const ROUTE: &str = "\
Usage: ip route { list | flush } SELECTOR
       ip route get ADDRESS [ from ADDRESS iif DEV ] [ oif DEV ] [ tos TOS ] [ mark NUMBER ]
                [ vrf NAME ] [ uid NUMBER ] [ ipproto PROTOCOL ] [ sport NUMBER ] [ dport NUMBER ] [ fibmatch ]
       ip route { add | del | change | append | prepend | replace } ROUTE
SELECTOR := [ root PREFIX ] [ match PREFIX ] [ exact PREFIX ] [ table TABLE ] [ vrf NAME ]
            [ dev DEV ] [ proto PROTO ] [ type TYPE ] [ scope SCOPE ] [ via PREFIX ] [ src PREFIX ]
            [ tos TOS ]
ROUTE := [ TYPE ] PREFIX [ tos TOS ] [ table TABLE ] [ proto PROTO ] [ scope SCOPE ]
         [ metric METRIC ] [ src ADDRESS ] [ realms REALM ] [ METRICS ]
         [ vrf NAME ] [ via [ FAMILY ] ADDRESS ] [ dev DEV ] [ onlink ] [ nhid ID ]
         [ from PREFIX ] [ pref PREF ] [ expires TIME ] [ nexthop NH ] ...
NH := [ via [ FAMILY ] ADDRESS ] [ dev DEV ] [ weight NUMBER ] [ onlink ]
FAMILY := [ inet | inet6 ]
PREF := [ low | medium | high ]
METRICS := [ mtu [ lock ] NUMBER ] [ advmss NUMBER ] [ rtt TIME ] [ rttvar TIME ]
           [ reordering NUMBER ] [ window NUMBER ] [ cwnd NUMBER ] [ initcwnd NUMBER ]
           [ ssthresh NUMBER ] [ rto_min TIME ] [ hoplimit NUMBER ] [ initrwnd NUMBER ]
           [ features ecn ] [ quickack BOOL ] [ congctl NAME ]
TYPE := { unicast | local | broadcast | multicast | anycast | throw | unreachable |
          prohibit | blackhole }";

const NEIGH: &str = "\
Usage: ip neigh { add | del | change | replace } { ADDR [ lladdr LLADDR ] [ nud STATE ] |
                proxy ADDR } dev DEV [ router ] [ use ] [ managed ] [ extern_learn ]
                [ protocol PROTO ]
       ip neigh { show | flush } [ proxy ] [ to PREFIX ] [ dev DEV ] [ nud STATE ]
                [ protocol PROTO ] [ unused ]
       ip neigh get { ADDR | proxy ADDR } dev DEV
STATE := { delay | failed | incomplete | noarp | none | permanent | probe | reachable |
           stale }";

const NTABLE: &str = "\
Usage: ip ntable change name NAME [ dev DEV ]
        [ thresh1 VAL ] [ thresh2 VAL ] [ thresh3 VAL ] [ gc_int MSEC ]
        [ PARMS ]
Usage: ip ntable show [ dev DEV ] [ name NAME ]
PARMS := [ base_reachable MSEC ] [ retrans MSEC ] [ gc_stale MSEC ]
         [ delay_probe MSEC ] [ queue LEN ]
         [ app_probes VAL ] [ ucast_probes VAL ] [ mcast_probes VAL ]
         [ anycast_delay MSEC ] [ proxy_delay MSEC ] [ proxy_queue LEN ]
         [ locktime MSEC ]";

const RULE: &str = "\
Usage: ip rule { add | del } SELECTOR ACTION
       ip rule flush
       ip rule [ list [ SELECTOR ]]
SELECTOR := [ not ] [ from PREFIX ] [ to PREFIX ] [ tos TOS ] [ fwmark FWMARK[/MASK] ]
            [ iif STRING ] [ oif STRING ] [ pref NUMBER ] [ l3mdev ] [ ipproto PROTOCOL ]
            [ sport [ NUMBER | NUMBER-NUMBER ] ] [ dport [ NUMBER | NUMBER-NUMBER ] ]
ACTION := [ table TABLE_ID ] [ protocol PROTO ] [ goto NUMBER ] SUPPRESSOR
          [ nop | blackhole | unreachable | prohibit ]
SUPPRESSOR := [ suppress_prefixlength NUMBER ] [ suppress_ifgroup DEVGROUP ]
TABLE_ID := [ local | main | default | NUMBER ]";

const NEXTHOP: &str = "\
Usage: ip nexthop { list | flush } [ protocol ID ] SELECTOR
       ip nexthop { add | replace } id ID NH [ protocol ID ]
       ip nexthop { get | del } id ID
       ip nexthop bucket list BUCKET_SELECTOR
       ip nexthop bucket get id ID index INDEX
SELECTOR := [ id ID ] [ dev DEV ] [ vrf NAME ] [ master DEV ] [ groups ]
BUCKET_SELECTOR := SELECTOR | [ nhid ID ]
NH := { blackhole | [ via ADDRESS ] [ dev DEV ] [ onlink ] |
        group GROUP [ type TYPE [ TYPE_ARGS ] ] }
GROUP := [ <id[,weight]>/<id[,weight]>/... ]
TYPE := { mpath | resilient }
TYPE_ARGS := [ buckets BUCKETS ] [ idle_timer IDLE ] [ unbalanced_timer UNBALANCED ]";

const MADDR: &str = "\
Usage: ip maddr show [ dev STRING ]";

const VRF: &str = "\
Usage:\tip vrf show [NAME] ...";

const LABEL: &str = "\
Usage: ip addrlabel { add | del } prefix PREFIX [ dev DEV ] [ label LABEL ]
       ip addrlabel [ list | flush | help ]";

const MONITOR: &str = "\
Usage: ip monitor [ all | OBJECTS ] [ label ] [ dev DEVICE ]
OBJECTS :=  address | link | neigh | nexthop | route | rule";

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            None => IP,
            Some(Object::Link) => LINK,
            Some(Object::Address) => ADDRESS,
            Some(Object::Route) => ROUTE,
            Some(Object::Neigh) => NEIGH,
            Some(Object::Ntable) => NTABLE,
            Some(Object::Rule) => RULE,
            Some(Object::Nexthop) => NEXTHOP,
            Some(Object::Maddr) => MADDR,
            Some(Object::Vrf) => VRF,
            Some(Object::Label) => LABEL,
            Some(Object::Monitor) => MONITOR,
        })
    }
}
