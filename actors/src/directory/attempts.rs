//! How often somebody may guess: wrong passwords are counted for each address that is tried and for each that
//! tries. Pure: the time is an argument.
//!
//! An attempt counts as wrong from the moment it begins, so that a hundred at once are not a hundred tries; a
//! right one is taken back. The counts are in memory, on the clock that runs forward: a restart forgives, and
//! setting the wall clock does not. Everything is bounded; when there is no room, whoever failed longest ago is
//! forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use crate::domain::clock::BootUs;
use crate::domain::ids::AccountNo;

/// Over how long failures are counted.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Failures in it, for each sign-in name and for each address.
const MAX_FAILURES: usize = 10;
/// Failures in it that an account's audit trail takes up.
const MAX_NOTED: usize = 100;
/// Names, addresses and accounts that are remembered, of each kind.
const MAX_KEYS: usize = 10_000;

/// Times of the last failures of each key.
#[derive(Debug)]
struct Failures<K> {
    by_key: HashMap<K, Vec<BootUs>>,
    most: usize,
}

impl<K: Hash + Eq + Clone> Failures<K> {
    fn at_most(most: usize) -> Self {
        Self { by_key: HashMap::new(), most }
    }

    /// How long until one more is allowed; zero: now.
    fn wait(&mut self, key: &K, now: BootUs) -> Duration {
        let Some(times) = self.by_key.get_mut(key) else { return Duration::ZERO };
        times.retain(|at| now.since(*at) < WINDOW);
        match times.first() {
            Some(first) if times.len() >= self.most => WINDOW - now.since(*first),
            _ => Duration::ZERO,
        }
    }

    fn add(&mut self, key: K, now: BootUs) {
        if self.by_key.len() >= MAX_KEYS && !self.by_key.contains_key(&key) {
            self.make_room(now);
        }
        self.by_key.entry(key).or_default().push(now);
    }

    fn make_room(&mut self, now: BootUs) {
        let last = |times: &[BootUs]| times.last().copied().unwrap_or_default();
        self.by_key.retain(|_, times| !times.is_empty() && now.since(last(times)) < WINDOW);
        if self.by_key.len() >= MAX_KEYS {
            let oldest = self.by_key.iter().min_by_key(|(_, times)| last(times)).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.by_key.remove(&key));
        }
    }

    fn take_back(&mut self, key: &K, at: BootUs) {
        if let Some(times) = self.by_key.get_mut(key)
            && let Some(found) = times.iter().rposition(|time| *time == at)
        {
            times.remove(found);
            if times.is_empty() {
                self.by_key.remove(key);
            }
        }
    }
}

/// Who guesses: the name that is tried, and the network it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    name: String,
    from: Option<IpAddr>,
    at: BootUs,
}

/// What counts as one address: of IPv6 the /64, since whoever has one has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        v4 => v4,
    }
}

/// The counts.
#[derive(Debug)]
pub(super) struct Attempts {
    names: Failures<String>,
    networks: Failures<IpAddr>,
    accounts: Failures<AccountNo>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            names: Failures::at_most(MAX_FAILURES),
            networks: Failures::at_most(MAX_FAILURES),
            accounts: Failures::at_most(MAX_NOTED),
        }
    }
}

impl Attempts {
    /// Begins an attempt for a name, or says how long to wait.
    pub(super) fn begin(&mut self, name: String, from: Option<IpAddr>, now: BootUs) -> Result<Guess, Duration> {
        let from = from.map(network);
        let wait = self.names.wait(&name, now);
        let wait = from.map_or(wait, |from| wait.max(self.networks.wait(&from, now)));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.names.add(name.clone(), now);
        if let Some(from) = from {
            self.networks.add(from, now);
        }
        Ok(Guess { name, from, at: now })
    }

    /// The password was right: its user need not wait for what others tried in their name.
    pub(super) fn right(&mut self, guess: &Guess) {
        self.names.by_key.remove(&guess.name);
        self.not_made(guess);
    }

    /// The attempt came to nothing, and says nothing about the password.
    pub(super) fn not_made(&mut self, guess: &Guess) {
        self.names.take_back(&guess.name, guess.at);
        if let Some(from) = guess.from {
            self.networks.take_back(&from, guess.at);
        }
    }

    /// Whether one more failure may go into the account's audit trail; counts it if so.
    pub(super) fn may_note(&mut self, account: AccountNo, now: BootUs) -> bool {
        let is_room = self.accounts.wait(&account, now).is_zero();
        if is_room {
            self.accounts.add(account, now);
        }
        is_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: BootUs = BootUs(1_000_000_000);

    fn address(n: u8) -> Option<IpAddr> {
        Some([192, 0, 2, n].into())
    }

    fn at(seconds: u64) -> BootUs {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_eleventh_wrong_password_in_a_quarter_of_an_hour_has_to_wait() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            assert!(attempts.begin("ada".into(), address(n as u8), at(n)).is_ok(), "{n}");
        }
        assert_eq!(attempts.begin("ada".into(), address(99), at(60)), Err(Duration::from_secs(840)));
        assert!(attempts.begin("bob".into(), address(98), at(60)).is_ok(), "another name is another matter");
        assert!(attempts.begin("ada".into(), address(99), at(899)).is_err());
        assert!(attempts.begin("ada".into(), address(99), at(900)).is_ok(), "the first one is forgotten");
        assert!(attempts.begin("ada".into(), address(99), at(900)).is_err());
    }

    #[test]
    fn one_address_may_not_try_many_names() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            assert!(attempts.begin(format!("user{n}"), address(1), at(n)).is_ok());
        }
        assert!(attempts.begin("another".into(), address(1), at(20)).is_err());
        assert!(attempts.begin("another".into(), address(2), at(20)).is_ok());
        assert!(attempts.begin("unknown origin".into(), None, at(20)).is_ok());
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address_and_a_mapped_one_is_its_ipv4() {
        let v6 = |text: &str| network(text.parse().unwrap());
        assert_eq!(v6("2001:db8:1:2:3:4:5:6"), v6("2001:db8:1:2::1"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:192.0.2.7"), IpAddr::from([192, 0, 2, 7]));
    }

    #[test]
    fn attempts_that_run_at_once_count_from_their_beginning() {
        let mut attempts = Attempts::default();
        let running: Vec<_> = (0..10).map(|_| attempts.begin("ada".into(), address(1), at(0)).unwrap()).collect();
        assert!(attempts.begin("ada".into(), address(1), at(0)).is_err());
        attempts.not_made(&running[0]);
        assert!(attempts.begin("ada".into(), address(1), at(0)).is_ok(), "one of them came to nothing");
    }

    #[test]
    fn a_right_password_clears_the_name_and_only_itself_from_the_address() {
        let mut attempts = Attempts::default();
        for n in 0..9 {
            assert!(attempts.begin("ada".into(), address(1), at(n)).is_ok());
        }
        let right = attempts.begin("ada".into(), address(1), at(10)).unwrap();
        attempts.right(&right);
        assert!(attempts.begin("ada".into(), address(1), at(11)).is_ok());
        assert!(attempts.begin("ada".into(), address(1), at(11)).is_err(), "the address has ten again");
        assert!(attempts.begin("ada".into(), address(2), at(11)).is_ok(), "the name has one");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let mut attempts = Attempts::default();
        for n in 0..MAX_KEYS as u64 + 50 {
            assert!(attempts.begin(format!("user{n}"), None, START.plus(Duration::from_millis(n))).is_ok());
        }
        assert_eq!(attempts.names.by_key.len(), MAX_KEYS);
        assert!(!attempts.names.by_key.contains_key("user49") && attempts.names.by_key.contains_key("user50"));
        assert!(attempts.begin("late".into(), None, at(10_000)).is_ok());
        assert_eq!(attempts.names.by_key.len(), 1, "what is past its window makes room first");
    }

    #[test]
    fn a_flood_of_failures_does_not_fill_the_audit_trail() {
        let mut attempts = Attempts::default();
        let noted = (0..1_000).filter(|_| attempts.may_note(AccountNo(1), at(0))).count();
        assert_eq!(noted, MAX_NOTED);
        assert!(attempts.may_note(AccountNo(2), at(0)));
        assert!(attempts.may_note(AccountNo(1), at(900)));
    }
}
