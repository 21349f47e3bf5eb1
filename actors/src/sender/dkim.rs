//! DKIM signatures (RFC 6376; Ed25519: RFC 8463), relaxed/relaxed, on `ring`.
//!
//! Owns the private keys. Pure: the same mail, keys and date give the same signature, so a second
//! hand-over repeats the first one's bytes. The headers that readers and mailbox providers act on are
//! signed once more than they occur, so that nobody can add another one on the way.
//!
//! An RSA signature takes most of a millisecond of CPU: callers sign off the shard threads.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::transport::TransportError;
use crate::domain::clock::UnixMs;

/// Signed, and signed once more than present: a later addition breaks the signature.
const OVERSIGNED: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];
/// Signed as often as present.
const SIGNED: [&str; 2] = ["In-Reply-To", "References"];

/// One key with which mails of a domain are signed.
#[derive(Clone)]
pub struct DkimSettings {
    /// Signs mails from this domain and its subdomains (the longest match wins; two keys for one domain,
    /// an RSA and an Ed25519 one, both sign).
    pub domain: String,
    /// The name before `._domainkey.` in DNS.
    pub selector: String,
    /// PEM: RSA of 2,048 bits or more (PKCS#1 or PKCS#8), or Ed25519 (PKCS#8).
    pub private_key: SecretString,
}

impl fmt::Debug for DkimSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimSettings")
            .field("domain", &self.domain)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

enum PrivateKey {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

struct Key {
    domain: String,
    selector: String,
    key: PrivateKey,
}

/// Signs mails with the keys of their senders' domains.
pub struct Signer {
    keys: Vec<Key>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.selector, &key.domain))).finish()
    }
}

impl Signer {
    /// Reads the keys.
    ///
    /// # Errors
    /// Says which key cannot be used, and what it should be.
    pub fn new(settings: &[DkimSettings]) -> Result<Self, TransportError> {
        settings.iter().map(Key::read).collect::<Result<_, _>>().map(|keys| Self { keys })
    }

    /// Whether mails from this domain get a signature.
    #[must_use]
    pub fn has_key_for(&self, domain: &str) -> bool {
        !self.keys_for(domain).is_empty()
    }

    /// The mail with a `DKIM-Signature` for each key of the domain in front; unchanged if there is none.
    ///
    /// `mail` has CRLF line ends; `at` is what the signatures give as their time.
    #[must_use]
    pub fn sign(&self, domain: &str, at: UnixMs, mail: Vec<u8>) -> Vec<u8> {
        let keys = self.keys_for(domain);
        if keys.is_empty() {
            return mail;
        }
        let head_end = mail.windows(4).position(|window| window == b"\r\n\r\n").map_or(mail.len(), |at| at + 2);
        let (head, rest) = mail.split_at(head_end);
        let body_hash = BASE64.encode(relaxed_body_hash(rest.strip_prefix(b"\r\n").unwrap_or(rest)));
        let headers = SignedHeaders::select(head);
        let mut signed = Vec::with_capacity(mail.len() + 900 * keys.len());
        for key in keys {
            signed.extend_from_slice(key.header(&headers, &body_hash, at).as_bytes());
        }
        signed.extend_from_slice(&mail);
        signed
    }

    /// The keys of the longest domain that is `domain` or a parent of it.
    fn keys_for(&self, domain: &str) -> Vec<&Key> {
        let covers = |key: &&Key| {
            domain.strip_suffix(key.domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let longest = self.keys.iter().filter(covers).map(|key| key.domain.len()).max();
        self.keys.iter().filter(covers).filter(|key| Some(key.domain.len()) == longest).collect()
    }
}

impl Key {
    fn read(settings: &DkimSettings) -> Result<Self, TransportError> {
        let name = format!("{}._domainkey.{}", settings.selector, settings.domain);
        let refuse = |detail: &str| TransportError::setting("dkim", format!("{detail} for {name}"));
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        };
        if !is_name(&settings.domain) || !is_name(&settings.selector) {
            return Err(refuse("domain and selector must be DNS names in ASCII; check them"));
        }
        let pem = PrivateKeyDer::from_pem_slice(settings.private_key.expose_secret().as_bytes())
            .map_err(|_| refuse("the private key is not PEM; give a BEGIN PRIVATE KEY block"))?;
        let rsa = |key: Result<RsaKeyPair, ring::error::KeyRejected>| {
            key.map(|key| PrivateKey::Rsa(Box::new(key)))
                .map_err(|_| refuse("the private key must be RSA of at least 2048 bits, or Ed25519; make another one"))
        };
        let key = match &pem {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()))?,
            PrivateKeyDer::Pkcs8(der) => {
                // OpenSSL leaves the public half out (PKCS#8 version 1); there is nothing to check it against then.
                match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()) {
                    Ok(key) => PrivateKey::Ed25519(Box::new(key)),
                    Err(_) => rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()))?,
                }
            }
            _ => return Err(refuse("the private key must be RSA or Ed25519 in PKCS#1 or PKCS#8")),
        };
        Ok(Self { domain: settings.domain.to_ascii_lowercase(), selector: settings.selector.clone(), key })
    }

    fn header(&self, headers: &SignedHeaders, body_hash: &str, at: UnixMs) -> String {
        let algorithm = match self.key {
            PrivateKey::Rsa(_) => "rsa-sha256",
            PrivateKey::Ed25519(_) => "ed25519-sha256",
        };
        let unsigned = format!(
            "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n\ts={}; t={};\r\n\th={};\r\n\tbh={body_hash};\r\n\tb=",
            self.domain,
            self.selector,
            at.0.max(0) / 1_000,
            headers.names,
        );
        let mut data = headers.canonical.clone();
        let (name, value) = unsigned.split_once(':').expect("the header was just written with a colon");
        relaxed_header(name.as_bytes(), value.as_bytes(), &mut data);
        // RFC 6376 §3.7: the signature's own header is hashed without its CRLF.
        data.truncate(data.len() - 2);

        let signature = match &self.key {
            PrivateKey::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &data, &mut signature)
                    .expect("the buffer is as long as the modulus, and a SHA-256 digest fits every accepted key");
                signature
            }
            // RFC 8463 §3: PureEdDSA over the SHA-256 digest.
            PrivateKey::Ed25519(key) => key.sign(&Sha256::digest(&data)).as_ref().to_vec(),
        };
        let mut header = unsigned;
        for (number, chunk) in BASE64.encode(signature).as_bytes().chunks(72).enumerate() {
            if number > 0 {
                header.push_str("\r\n\t ");
            }
            header.push_str(std::str::from_utf8(chunk).expect("base64 is ASCII"));
        }
        header.push_str("\r\n");
        header
    }
}

/// The headers of one mail that get signed: their names for `h=`, and their canonical bytes.
struct SignedHeaders {
    names: String,
    canonical: Vec<u8>,
}

impl SignedHeaders {
    fn select(head: &[u8]) -> Self {
        let fields = split_fields(head);
        let mut names = Vec::new();
        let mut canonical = Vec::with_capacity(head.len());
        for (name, extra) in OVERSIGNED.iter().map(|name| (*name, 1)).chain(SIGNED.iter().map(|name| (*name, 0))) {
            let mut count = extra;
            // RFC 6376 §5.4.2: several of one name are taken from the bottom up.
            for (field, value) in fields.iter().rev().filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes())) {
                relaxed_header(field, value, &mut canonical);
                count += 1;
            }
            names.extend(std::iter::repeat_n(name, count));
        }
        let names = names.chunks(5).map(|line| line.join(":")).collect::<Vec<_>>().join(":\r\n\t ");
        Self { names, canonical }
    }
}

/// Names and raw values (folding included) of the header fields, in order.
fn split_fields(head: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut fields = Vec::new();
    let mut start = 0;
    for (at, window) in head.windows(2).enumerate() {
        let continues = matches!(head.get(at + 2), Some(b' ' | b'\t'));
        if window == b"\r\n" && !continues {
            let field = &head[start..at];
            if let Some(colon) = field.iter().position(|byte| *byte == b':') {
                fields.push((&field[..colon], &field[colon + 1..]));
            }
            start = at + 2;
        }
    }
    fields
}

/// RFC 6376 §3.4.2: lowercase name, unfolded value, runs of white space as one space, none at the ends.
fn relaxed_header(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().filter(|byte| !is_space(**byte)).map(u8::to_ascii_lowercase));
    out.push(b':');
    let words = value.split(|byte| is_space(*byte) || matches!(byte, b'\r' | b'\n')).filter(|word| !word.is_empty());
    for (number, word) in words.enumerate() {
        if number > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 6376 §3.4.4: runs of white space as one space, none at line ends, no empty lines at the end.
fn relaxed_body_hash(body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut empty_lines = 0;
    let mut canonical = Vec::with_capacity(1_024);
    for line in body.strip_suffix(b"\r\n").unwrap_or(body).split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        canonical.clear();
        let mut pending_space = false;
        for byte in line {
            if is_space(*byte) {
                pending_space = true;
            } else {
                if std::mem::take(&mut pending_space) {
                    canonical.push(b' ');
                }
                canonical.push(*byte);
            }
        }
        if canonical.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            hash.update(b"\r\n");
        }
        canonical.extend_from_slice(b"\r\n");
        hash.update(&canonical);
    }
    hash.finalize().into()
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
