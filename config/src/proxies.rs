//! The proxies in front of px0, whose word counts.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The proxies that are believed when they say for whom they ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether there is a proxy that is trusted at this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads addresses (`10.0.0.7`, `::1`) and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// The first text that is neither, in a sentence.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let one = |text: &str| {
            let address = text.parse::<IpAddr>().map(|address| address.to_canonical().into());
            address.or_else(|_| text.parse::<IpNet>().map(|network| network.trunc())).map_err(|_| {
                format!("`{text}` is neither an address like `10.0.0.7` nor a network like `10.0.0.0/8`")
            })
        };
        texts.into_iter().map(|text| one(text.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for TrustedProxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// A list; or, as an environment variable is easily written, a text with commas.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of addresses and networks")]
        enum Written {
            List(Vec<String>),
            Text(String),
        }
        let parsed = match Written::deserialize(from)? {
            Written::List(texts) => Self::parse(texts.iter().map(String::as_str)),
            Written::Text(text) => {
                Self::parse(text.split(',').filter(|one| !one.trim().is_empty()))
            }
        };
        parsed.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_found_however_they_are_written() {
        let proxies = TrustedProxies::parse(["10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::1"]);
        let proxies = proxies.expect("proxies");
        let trusts = |text: &str| proxies.contains(text.parse().expect("an address"));
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8:1::1", "::1"] {
            assert!(trusts(inside), "{inside}");
        }
        for outside in ["10.2.0.1", "192.0.2.8", "2001:db9::1", "127.0.0.1"] {
            assert!(!trusts(outside), "{outside}");
        }
        assert!(TrustedProxies::default().is_empty());
    }

    #[test]
    fn what_is_no_address_is_named() {
        let said = TrustedProxies::parse(["10.0.0.0/8", "proxy.internal"]).expect_err("a name");
        assert!(said.starts_with("`proxy.internal` is neither"), "{said}");
    }
}
