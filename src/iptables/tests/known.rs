//! Where this router does otherwise than iptables, and why.

/// A line of a corpus, and the reason.
pub(super) const KNOWN: &[(&str, &str)] = &[
    // What iptables takes and its own -save then loses or spoils.
    ("filter|-A INPUT ! -i + -j ACCEPT", "-save drops what makes the rule never hold"),
    ("filter|-A INPUT -p tcp ! --sport 0:65535 ! --syn -j DROP", "-save drops the inverted ports"),
    (
        "filter|-A INPUT -m conntrack --ctproto tcp --ctorigsrc 1.2.3.0/24 ! --ctorigdst 4.5.6.7 \
         --ctreplsrc 1.1.1.1 --ctrepldst 2.2.2.2/255.0.0.255 --ctorigsrcport 5 --ctorigdstport 6:7 \
         ! --ctreplsrcport 8 --ctrepldstport 9 --ctstatus NONE --ctexpire 4:5 --ctdir REPLY",
        "-save drops a mask with holes",
    ),
    ("filter|-A INPUT -m recent --set --name \"a b\"", "-save leaves out the quotes"),
    ("filter|-A INPUT -i \"a b\"", "-save leaves out the quotes; no interface is called so"),
    ("filter|-A INPUT -i a/b", "no interface is called so"),
    ("nat|-A POSTROUTING -j NETMAP --to 1.2.3.0/255.0.255.0", "iptables makes a /32 of it"),
    ("nat|-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4:5-9/7", "SNAT has no base port"),
    (
        "filter|-A INPUT -m hashlimit --hashlimit-above 1gb/s --hashlimit-name q6 --hashlimit-mode srcip",
        "iptables makes one byte of it",
    ),
    (
        "filter|-A INPUT -m connlimit --connlimit-above 3 --connlimit-mask 33",
        "iptables makes 32 of it",
    ),
    ("filter|-A INPUT -m recent --rcheck --mask 300", "iptables makes an address of it"),
    ("filter|-A INPUT -m frag ! --fragid 0:4294967295", "-save drops what never holds"),
    ("filter|-A INPUT -m hbh --hbh-opts 300", "iptables makes 44 of it"),
    ("filter|-A INPUT -m hbh --hbh-opts 3:300", "iptables makes 44 of it"),
    ("nat|-A POSTROUTING -p tcp -j SNAT --to-source [2001:db8::1]x", "iptables overlooks the rest"),
    ("filter|-A INPUT -j REJECT --reject-with \"\"", "iptables takes the first of its list"),
    (
        "filter|-A INPUT -m conntrack --ctorigsrc 2001:db8::/ffff::",
        "bits beyond a mask are not told: none of them is looked at",
    ),
    // What iptables -L tells wrongly.
    (
        "filter|-A INPUT -m hashlimit --hashlimit-above 5/sec --hashlimit-name rm \
         --hashlimit-rate-match --hashlimit-rate-interval 3",
        "-L tells the count of an interval as a rate",
    ),
    (
        "filter|-A INPUT -m hashlimit --hashlimit-above 3/min --hashlimit-name q12 \
         --hashlimit-rate-match",
        "-L tells the count of an interval as a rate",
    ),
    // What depends on files of a host.
    ("filter|-A OUTPUT -m owner --gid-owner 3 --suppl-groups", "groups are not told by name"),
    ("filter|-A INPUT -m conntrack --ctorigsrc foo", "names of hosts are not looked up"),
    ("mangle|-A PREROUTING -j TEE --gateway foo", "names of hosts are not looked up"),
    ("nat|-A PREROUTING -j NETMAP --to foo", "names of hosts are not looked up"),
    (
        "mangle|-A POSTROUTING -j SNPT --src-pfx foo --dst-pfx 2001:db8::/64",
        "names of hosts are not looked up",
    ),
    (
        "filter|-A INPUT -m policy --dir in --pol ipsec --mode tunnel --tunnel-src 1.2.3.4",
        "names of hosts are not looked up",
    ),
    ("filter|-A INPUT -m recent --set --mask 255.255.0.0", "names of hosts are not looked up"),
    ("filter|-A INPUT -m conntrack --ctorigsrc 1.2.3.4", "names of hosts are not looked up"),
    ("mangle|-A PREROUTING -j TEE --gateway 1.2.3.5", "names of hosts are not looked up"),
    // What is refused here.
    ("filter|-A INPUT -m socket", "refused"),
    ("filter|-A INPUT -m physdev --physdev-in eth0", "refused"),
    ("filter|-A INPUT -m nfacct --nfacct-name x", "refused"),
    ("filter|-A INPUT -j TPROXY --on-port 5", "refused"),
    ("mangle|-A PREROUTING -p tcp -j TPROXY --on-port 5", "refused"),
    ("mangle|-A INPUT -j CONNMARK --left-shift-mark 5", "refused as an option nobody knows"),
    // What is told in other words.
    ("filter|-A INPUT -ptcp -jDROP --dport=7", "iptables reads the whole word as the protocol"),
    (
        "filter|--append=INPUT --protocol=tcp --jump=ACCEPT",
        "iptables reads the whole word as the protocol",
    ),
    ("filter|-A INPUT -W 5 -j ACCEPT", "nothing here waits for a lock"),
    ("filter|-A INPUT -s 01.2.3.4", "a leading zero is decimal to some and octal to others"),
    ("filter|-h", "the help is its own"),
    ("filter|-V", "the version is its own"),
];

/// The reason for a line, if there is one.
pub(super) fn reason(line: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == line).map(|(_, reason)| *reason)
}
