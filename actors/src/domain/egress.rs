//! Where a request may go whose URL was set by a user: to the public internet, and not into the network that this
//! node stands in (server-side request forgery).
//!
//! [`check_url`] refuses what can be seen in a URL when it is set; [`Network::of`] judges an address, and is asked
//! again for every address that a name resolves to, at the moment of connecting: a name may change its mind. An
//! address that carries another one inside (IPv4-mapped, NAT64, 6to4, Teredo) is judged by that one too.
//! Sources: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890), RFC 6052, RFC 3056, RFC 4380.
//!
//! Not known here: a NAT64 prefix of the operator's own, and public addresses that are private in effect. Whoever
//! has those keeps them apart by a firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Longest URL that a user may set.
pub const MAX_URL_LEN: usize = 2_048;

/// How far requests to URLs of users may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Public addresses only.
    #[default]
    Public,
    /// Any address: for tests, and for installations whose users may reach their own network.
    Anywhere,
}

impl Reach {
    /// Whether a request may connect to this address.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || Network::of(address) == Network::Public
    }
}

/// What kind of network an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The internet.
    Public,
    /// No address yet, or "this network".
    Unspecified,
    /// This machine.
    Loopback,
    /// Private use, and unique local addresses.
    Private,
    /// Between a carrier and its customers (RFC 6598).
    CarrierNat,
    /// This link.
    LinkLocal,
    /// Where clouds tell a machine its credentials.
    Metadata,
    /// For examples.
    Documentation,
    /// Many receivers, or all.
    Multicast,
    /// Given to protocols and experiments, or to nobody.
    Reserved,
}

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// What to tell the user.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::CarrierNat => "carrier NAT",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Documentation => "documentation",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Network {
    match address.octets() {
        // The same everywhere; Azure's stands among public addresses.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Network::Metadata,
        [0, ..] => Network::Unspecified,
        [127, ..] => Network::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Network::Private,
        [100, 64..=127, ..] => Network::CarrierNat,
        [169, 254, ..] => Network::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Network::Documentation,
        [224..=239, ..] | [255, 255, 255, 255] => Network::Multicast,
        // Protocol assignments, the 6to4 relay, benchmarks, the future.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => Network::Reserved,
        _ => Network::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Network {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Network::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Network::Loopback,
        // IPv4-mapped, and NAT64: the network connects to the address inside.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0xff00..=0xffff, ..] => Network::Multicast,
        [0xfe80..=0xfebf, ..] => Network::LinkLocal,
        // Of Amazon and of Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Network::Metadata,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Network::Private,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Network::Documentation,
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo: the server's address, and the client's with every bit turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => match v4(high, low) {
            Network::Public => v4(!client_high, !client_low),
            network => network,
        },
        // Protocol assignments.
        [0x2001, 0..=0x1ff, ..] => Network::Reserved,
        // All that is given out as global unicast.
        [0x2000..=0x3fff, ..] => Network::Public,
        _ => Network::Reserved,
    }
}

/// Why a URL cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_LEN`].
    #[error("the URL is longer than {MAX_URL_LEN} bytes: shorten it")]
    TooLong,
    /// Neither `https` nor `http`.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// `user:password@`: it would be stored and shown with the URL.
    #[error("the URL has a user name or a password: remove it, and check the signature of the webhook instead")]
    Credentials,
    /// A port that belongs to another protocol.
    #[error("the URL's port is not for HTTP: use 80, 443 or one from 1024 on")]
    Port,
    /// A name that only exists inside of a network.
    #[error("the URL's host name is not public: use a name that everyone can resolve")]
    LocalName,
    /// An address that is not public.
    #[error("the URL's address is {}, not public: use one that everyone can reach", .0.name())]
    NotPublic(Network),
}

/// Checks a URL that a user sets. Names are not resolved: their addresses are looked at when they are connected to.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_url(url: &Url, reach: Reach) -> Result<(), UrlError> {
    if url.as_str().len() > MAX_URL_LEN {
        return Err(UrlError::TooLong);
    }
    let host = match (url.scheme(), url.host()) {
        ("https" | "http", Some(host)) => host,
        _ => return Err(UrlError::Scheme),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if reach == Reach::Anywhere {
        return Ok(());
    }
    // Below 1024 are mail, shells and name servers: some of them read commands out of a request.
    if !matches!(url.port_or_known_default(), Some(80 | 443 | 1_024..)) {
        return Err(UrlError::Port);
    }
    let address = match host {
        Host::Domain(name) if is_public_name(name) => return Ok(()),
        Host::Domain(_) => return Err(UrlError::LocalName),
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
    };
    match Network::of(address) {
        Network::Public => Ok(()),
        network => Err(UrlError::NotPublic(network)),
    }
}

/// Names that no public name server answers (RFC 6761, RFC 6762, RFC 8375, RFC 9476, ICANN's `.internal`), and those
/// of one label, which are looked for in the machine's own domain.
fn is_public_name(name: &str) -> bool {
    const LOCAL: [&str; 11] =
        ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "test", "invalid", "alt"];
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let Some((rest, last)) = name.rsplit_once('.') else { return false };
    !rest.is_empty() && !LOCAL.contains(&last) && name != "home.arpa" && !name.ends_with(".home.arpa")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn every_address_has_its_network() {
        use Network as N;
        for (addresses, expected) in [
            (
                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 \
                 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 \
                 198.17.255.255 198.20.0.0 198.51.99.255 203.0.112.255 203.0.114.0 223.255.255.255 2606:4700::1111 \
                 2001:4860:4860::8888 2001:200:: 2a00:1450::1 2003:: 3ffe:: 3fff:1000:: 2000:: ::ffff:8.8.8.8 64:ff9b::808:808 \
                 2002:808:808::1 2001:0:808:808:0:0:f7f7:f7f7",
                N::Public,
            ),
            ("0.0.0.0 0.255.255.255 :: ::ffff:0.0.0.0", N::Unspecified),
            (
                "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 64:ff9b::7f00:1 2002:7f00:1:: \
                 2001:0:808:808:0:0:80ff:fffe 2001:0:7f00:1:0:0:f7f7:f7f7",
                N::Loopback,
            ),
            (
                "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 fc00:: fdff:ffff:: fec0::1 \
                 ::ffff:10.1.2.3 64:ff9b::c0a8:1 2002:a00:1::1 2001:0:808:808::f5ff:fffe",
                N::Private,
            ),
            ("100.64.0.0 100.127.255.255 ::ffff:100.64.0.1", N::CarrierNat),
            ("169.254.0.1 169.254.255.255 fe80::1 febf:ffff:: 2002:a9fe:1::", N::LinkLocal),
            (
                "169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254 \
                 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::",
                N::Metadata,
            ),
            (
                "192.0.2.1 198.51.100.255 203.0.113.0 2001:db8::1 2001:db8:ffff:: 3fff:: 3fff:fff:ffff::1",
                N::Documentation,
            ),
            ("224.0.0.1 239.255.255.255 255.255.255.255 ff00:: ff02::1 ffff::", N::Multicast),
            (
                "192.0.0.0 192.0.0.255 192.88.99.1 198.18.0.0 198.19.255.255 240.0.0.0 255.255.255.254 ::2 ::8.8.8.8 100::1 \
                 64:ff9b:1::808:808 64:ff9b::1:0:0 1fff:: 4000:: 5f00::1 2001:1::1 2001:2::1 2001:10::1 2001:20::1 2001:1ff:: \
                 fbff:: fe00::",
                N::Reserved,
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(network(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn only_public_addresses_are_reached_unless_all_are() {
        let [public, private] = ["1.1.1.1", "127.0.0.1"].map(|address| address.parse().unwrap());
        assert!(Reach::Public.allows(public) && !Reach::Public.allows(private));
        assert!(Reach::Anywhere.allows(public) && Reach::Anywhere.allows(private));
        assert_eq!(Reach::default(), Reach::Public);
    }

    #[test]
    fn a_url_is_for_http_on_a_public_host_without_credentials() {
        for (url, expected) in [
            ("https://example.com/hook?x=1", Ok(())),
            ("http://example.com:8080/", Ok(())),
            ("https://sub.example.com.:443/", Ok(())),
            ("https://1.1.1.1/", Ok(())),
            ("https://[2606:4700::1111]:8443/", Ok(())),
            ("https://bücher.example/", Ok(())),
            ("https://localhost.example/", Ok(())),
            ("ftp://example.com/", Err(UrlError::Scheme)),
            ("file:///etc/passwd", Err(UrlError::Scheme)),
            ("gopher://example.com/", Err(UrlError::Scheme)),
            ("data:text/plain,x", Err(UrlError::Scheme)),
            ("https://user@example.com/", Err(UrlError::Credentials)),
            ("https://:word@example.com/", Err(UrlError::Credentials)),
            ("https://example.com@127.0.0.1/", Err(UrlError::Credentials)),
            ("http://example.com:25/", Err(UrlError::Port)),
            ("http://example.com:0/", Err(UrlError::Port)),
            ("http://example.com:1023/", Err(UrlError::Port)),
            ("http://example.com:1024/", Ok(())),
            ("http://example.com:65535/", Ok(())),
            ("http://localhost/", Err(UrlError::LocalName)),
            ("http://LOCALHOST./", Err(UrlError::LocalName)),
            ("http://a.localhost/", Err(UrlError::LocalName)),
            ("http://redis:6379/", Err(UrlError::LocalName)),
            ("http://metadata.google.internal/", Err(UrlError::LocalName)),
            ("http://printer.local/", Err(UrlError::LocalName)),
            ("http://router.home.arpa/", Err(UrlError::LocalName)),
            ("http://127.0.0.1/", Err(UrlError::NotPublic(Network::Loopback))),
            // The spellings that URLs have for addresses.
            ("http://2130706433/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://0x7f.1/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://0177.0.0.01/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://127.1/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://１２７.０.０.１/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://0/", Err(UrlError::NotPublic(Network::Unspecified))),
            ("http://[::1]/", Err(UrlError::NotPublic(Network::Loopback))),
            ("http://[::ffff:169.254.169.254]/", Err(UrlError::NotPublic(Network::Metadata))),
            ("http://[64:ff9b::10.0.0.1]/", Err(UrlError::NotPublic(Network::Private))),
            ("http://169.254.169.254/latest/meta-data/", Err(UrlError::NotPublic(Network::Metadata))),
        ] {
            assert_eq!(check_url(&Url::parse(url).unwrap(), Reach::Public), expected, "{url}");
        }
        let long = Url::parse(&format!("https://example.com/{}", "x".repeat(MAX_URL_LEN))).unwrap();
        assert_eq!(check_url(&long, Reach::Public), Err(UrlError::TooLong));
        let refused = UrlError::NotPublic(Network::CarrierNat).to_string();
        assert!(refused.contains("carrier NAT"), "{refused}");
    }

    #[test]
    fn with_every_address_allowed_the_form_of_a_url_still_counts() {
        let check = |url: &str| check_url(&Url::parse(url).unwrap(), Reach::Anywhere);
        for url in ["http://127.0.0.1:25/", "http://localhost/", "https://[::1]:8080/x"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        assert_eq!(check("ftp://127.0.0.1/"), Err(UrlError::Scheme));
        assert_eq!(check("http://user:word@127.0.0.1/"), Err(UrlError::Credentials));
    }
}
