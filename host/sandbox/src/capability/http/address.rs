//! Which addresses plugins may reach. A name on the list says little: whoever owns it decides what it stands for, and
//! may let it stand for this machine, its network or the cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::site::{Host, Target};

/// The first address that is refused, and what it is. One bad address among good ones is enough.
pub(super) fn prohibited(target: &Target, addresses: &[IpAddr]) -> Option<(IpAddr, &'static str)> {
    match &target.host {
        // The grant names it.
        Host::Address(_) => None,
        Host::Name(name) if name == "localhost" => {
            let elsewhere = addresses.iter().find(|address| !address.is_loopback());
            elsewhere.map(|address| (*address, "which is not this machine"))
        }
        Host::Name(_) => addresses.iter().find_map(|address| Some((*address, inside(*address)?))),
    }
}

/// What kind of address it is, unless it is one of the open network.
fn inside(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => inside_v4(address),
        IpAddr::V6(address) => inside_v6(address),
    }
}

fn inside_v4(address: Ipv4Addr) -> Option<&'static str> {
    let kind = match address.octets() {
        [0, ..] => "an unspecified address",
        [127, ..] => "an address of this machine",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "an address of a private network",
        [100, 64..=127, ..] => "an address of a provider's own network",
        [169, 254, 169, 254] => "the metadata service of a cloud",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            "an address set aside for tests and documentation"
        }
        [192, 88, 99, _] => "a relay's address",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    };
    Some(kind)
}

fn inside_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    let kind = match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "an unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "an address of this machine",
        [0, 0, 0, 0, 0, 0xffff, ..] => "an IPv4 address in the clothes of IPv6",
        // What a translator makes of an IPv4 address counts as that address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
            return inside_v4(Ipv4Addr::new(a, b, c, d));
        }
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "the metadata service of a cloud",
        [0xfc00..=0xfdff, ..] => "an address of a private network",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfec0..=0xfeff, ..] => "a site-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => "the address of a tunnel",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address set aside for tests and documentation",
        [0x2000..=0x3fff, ..] => return None,
        _ => "a reserved address",
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Target {
        Target::of(&uri.parse().unwrap()).unwrap()
    }

    fn refused(uri: &str, addresses: &[&str]) -> bool {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        prohibited(&target(uri), &addresses).is_some()
    }

    #[test]
    fn names_may_stand_for_the_open_network_only() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "169.254.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "100::1",
            "4000::1",
        ] {
            assert!(refused("https://example.com", &[address]), "{address}");
            assert!(refused("https://example.com", &["8.8.8.8", address]), "{address} among others");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(!refused("https://example.com", &[address]), "{address}");
        }
    }

    #[test]
    fn what_the_grant_names_is_meant() {
        assert!(!refused("http://127.0.0.1:8080", &["127.0.0.1"]));
        assert!(!refused("http://169.254.169.254", &["169.254.169.254"]));
        assert!(!refused("http://localhost", &["127.0.0.1", "::1"]));
        assert!(refused("http://localhost", &["127.0.0.1", "10.0.0.1"]));
        assert!(refused("http://a.localhost", &["127.0.0.1"]));
    }
}
