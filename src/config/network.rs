//! Networks of IP addresses: `10.0.0.0/8`, or a single address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits its addresses share.
    bits: u32,
}

impl Network {
    /// Whether the address is in it. An IPv4 address in IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                ours.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                ours.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network {
            address,
            bits: bits_of(address),
        }
    }
}

fn bits_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Network, ()> {
        let Some((address, bits)) = text.split_once('/') else {
            return text
                .parse()
                .map(|address: IpAddr| address.into())
                .map_err(drop);
        };
        let address = address.parse().map_err(drop)?;
        let bits = bits.parse().map_err(drop)?;
        let fits = bits <= bits_of(address);
        fits.then_some(Network { address, bits }).ok_or(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { address, bits } = self;
        match *bits == bits_of(*address) {
            true => write!(f, "{address}"),
            false => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1", "127.0.0.1", true)]
    #[case("127.0.0.1", "::ffff:127.0.0.1", true)]
    #[case("127.0.0.1", "127.0.0.2", false)]
    #[case("127.0.0.1", "::1", false)]
    #[case("10.0.0.0/8", "10.200.3.4", true)]
    #[case("10.0.0.0/8", "11.0.0.1", false)]
    #[case("0.0.0.0/0", "203.0.113.9", true)]
    #[case("0.0.0.0/0", "::1", false)]
    #[case("fd00::/8", "fd12:3456::1", true)]
    #[case("fd00::/8", "fe80::1", false)]
    #[case("::/0", "fe80::1", true)]
    fn a_network_has_addresses(#[case] network: &str, #[case] address: &str, #[case] has: bool) {
        let parsed: Network = network.parse().unwrap();
        assert_eq!(parsed.contains(address.parse().unwrap()), has);
        assert_eq!(parsed.to_string(), network);
    }

    #[rstest]
    #[case("")]
    #[case("proxy")]
    #[case("10.0.0.0/33")]
    #[case("10.0.0/8")]
    #[case("10.0.0.0/")]
    #[case("::1/129")]
    #[case("127.0.0.1:80")]
    fn other_texts_are_none(#[case] text: &str) {
        assert!(text.parse::<Network>().is_err());
    }
}
