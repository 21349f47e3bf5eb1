//! Where a request came from: the peer of its connection, or who a trusted proxy says it was.
//!
//! A header about the way a request came is worth as much as whoever wrote it. So the chain is read from its
//! end, as long as its writers are proxies that the settings trust; the first address that is none of them is
//! where the request came from, whatever stands before it.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::config::Network;

/// Addresses of a chain that are looked at.
const MAX_HOPS: usize = 32;

/// The address in an element of a chain: with or without a port, IPv6 in brackets if it has one.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let parsed = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

/// The elements of a chain from the nearest to the farthest; `None` for one that is no address.
fn chain(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let elements = |name: &HeaderName| {
        let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::to_owned).collect::<Vec<_>>()
    };
    // RFC 7239 section 5.2: `for=192.0.2.43;proto=https`, or an obfuscated name, which is no address.
    let forwarded = elements(&header::FORWARDED);
    let chain: Vec<_> = if forwarded.is_empty() {
        elements(&X_FORWARDED_FOR).iter().map(|element| address(element)).collect()
    } else {
        let node = |element: &String| {
            let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).and_then(|(_, at)| address(at))
        };
        forwarded.iter().map(node).collect()
    };
    chain.into_iter().rev().take(MAX_HOPS).collect()
}

fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut from = peer.to_canonical();
    if trusted.is_empty() {
        return from;
    }
    for hop in chain(headers) {
        match hop {
            Some(before) if is_trusted(from) => from = before,
            _ => break,
        }
    }
    from
}

/// Where a request came from, if its connection tells.
pub(crate) fn origin_of(request: &HttpRequest, trusted: &[Network]) -> Option<IpAddr> {
    request.peer_addr().map(|peer| origin(peer.ip(), request.headers(), trusted))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn from(peer: &str, headers: &[(&str, &str)], trusted: &str) -> String {
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        let mut request = TestRequest::get().peer_addr(peer);
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let trusted: Vec<Network> = trusted.split(' ').filter_map(|text| text.parse().ok()).collect();
        origin_of(&request.to_http_request(), &trusted).unwrap().to_string()
    }

    #[test]
    fn nobody_is_believed_unless_they_are_trusted() {
        let forged = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.2")];
        assert_eq!(from("203.0.113.9", &forged, ""), "203.0.113.9");
        assert_eq!(from("203.0.113.9", &forged, "10.0.0.0/8"), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_origin() {
        let trusted = "10.0.0.0/8 127.0.0.1";
        for (peer, headers, expected) in [
            ("127.0.0.1", &[("X-Forwarded-For", "192.0.2.1")][..], "192.0.2.1"),
            ("127.0.0.1", &[("X-Forwarded-For", "198.51.100.1, 192.0.2.1, 10.0.0.3")], "192.0.2.1"),
            ("127.0.0.1", &[("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "192.0.2.1")], "192.0.2.1"),
            ("127.0.0.1", &[("X-Forwarded-For", "10.0.0.1, 10.0.0.2")], "10.0.0.1"),
            ("127.0.0.1", &[("X-Forwarded-For", "192.0.2.1, unknown, 10.0.0.3")], "10.0.0.3"),
            ("127.0.0.1", &[("X-Forwarded-For", "192.0.2.1:4711")], "192.0.2.1"),
            ("::ffff:127.0.0.1", &[("X-Forwarded-For", "[2001:db8::1]:4711")], "2001:db8::1"),
            ("127.0.0.1", &[("Forwarded", "For=\"[2001:db8::2]\";proto=https, for=10.1.1.1;by=x")], "2001:db8::2"),
            ("127.0.0.1", &[("Forwarded", "for=_hidden, for=10.1.1.1")], "10.1.1.1"),
            ("127.0.0.1", &[("X-Forwarded-For", "")], "127.0.0.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
        ] {
            assert_eq!(from(peer, headers, trusted), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_connection_without_a_peer_comes_from_nowhere() {
        assert_eq!(origin_of(&TestRequest::get().to_http_request(), &[]), None);
    }
}
