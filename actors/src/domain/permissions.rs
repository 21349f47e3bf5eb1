//! Who may send from which sender, and which one is offered first.
//!
//! Pure, and asked twice: when a message is scheduled, and again at the last check, since a right may be taken
//! away meanwhile. Callers pass senders of the caller's own account only; another account's sender does not exist
//! for them. A paused sender is still permitted: what is scheduled on it waits.

use super::directory::{Role, Sender};
use super::ids::{SenderId, UserId};

/// Why a sender is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The contact was last written to, or wrote, on this one.
    LastUsed,
    /// It is assigned to the calling user.
    Assigned,
    /// It is the account's default on its channel.
    Default,
    /// It is assigned to nobody.
    Unassigned,
    /// The caller's role may use every sender of the account.
    Role,
}

impl Why {
    /// The stable name shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastUsed => "last_used",
            Self::Assigned => "assigned",
            Self::Default => "default",
            Self::Unassigned => "unassigned",
            Self::Role => "role",
        }
    }
}

/// A sender and the reason why it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The sender.
    pub sender: &'a Sender,
    /// Why.
    pub why: Why,
}

/// Why the caller may use a sender; `None` when they may not. `user` is `None` for an API key.
///
/// Of several reasons the one that [`choose_sender`] would go by is given.
#[must_use]
pub fn why_permitted(
    role: Role,
    user: Option<UserId>,
    sender: &Sender,
    last_used_with_contact: Option<SenderId>,
) -> Option<Why> {
    if last_used_with_contact == Some(sender.id) {
        Some(Why::LastUsed)
    } else if user.is_some() && sender.assigned_user == user {
        Some(Why::Assigned)
    } else if sender.is_default {
        Some(Why::Default)
    } else if sender.assigned_user.is_none() {
        Some(Why::Unassigned)
    } else {
        match role {
            Role::Admin | Role::Operator => Some(Why::Role),
            Role::User => None,
        }
    }
}

/// Whether the caller may use a sender of their account.
#[must_use]
pub fn may_use(role: Role, user: Option<UserId>, sender: &Sender, last_used_with_contact: Option<SenderId>) -> bool {
    why_permitted(role, user, sender, last_used_with_contact).is_some()
}

/// The sender of a message that names none: the one last used with the contact, else the user's own, else the
/// account's default. Of several own ones the account's default comes first, then the oldest (by lane number).
///
/// `senders` are those of the account on the message's channel. `None`: an explicit choice is needed.
#[must_use]
pub fn choose_sender<'a>(
    role: Role,
    user: Option<UserId>,
    senders: impl IntoIterator<Item = &'a Sender>,
    last_used_with_contact: Option<SenderId>,
) -> Option<Choice<'a>> {
    senders
        .into_iter()
        .filter_map(|sender| {
            let why = why_permitted(role, user, sender, last_used_with_contact)?;
            let rank = match why {
                Why::LastUsed => 0,
                Why::Assigned => 1,
                Why::Default => 2,
                Why::Unassigned | Why::Role => return None,
            };
            Some(((rank, !sender.is_default, sender.lane), Choice { sender, why }))
        })
        .min_by_key(|(order, _)| *order)
        .map(|(_, choice)| choice)
}

/// Every sender that the caller may use, the one that [`choose_sender`] would take first, the others by lane
/// number: the "From" list.
#[must_use]
pub fn permitted_senders<'a>(
    role: Role,
    user: Option<UserId>,
    senders: impl IntoIterator<Item = &'a Sender> + Clone,
    last_used_with_contact: Option<SenderId>,
) -> Vec<Choice<'a>> {
    let first = choose_sender(role, user, senders.clone(), last_used_with_contact).map(|choice| choice.sender.id);
    let mut choices: Vec<_> = senders
        .into_iter()
        .filter_map(|sender| {
            why_permitted(role, user, sender, last_used_with_contact).map(|why| Choice { sender, why })
        })
        .collect();
    choices.sort_by_key(|choice| (Some(choice.sender.id) != first, choice.sender.lane));
    choices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::PhoneNumber;
    use crate::domain::clock::UnixMs;
    use crate::domain::directory::SenderAddress;
    use crate::domain::ids::{AccountNo, LaneNo};

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn id(n: u8) -> SenderId {
        SenderId::from_bytes([n; 16])
    }

    fn sender(n: u8, is_default: bool, assigned_user: Option<UserId>) -> Sender {
        Sender {
            id: id(n),
            lane: LaneNo(n.into()),
            account: AccountNo(1),
            version: 1,
            address: SenderAddress::Phone(PhoneNumber::parse(&format!("+1212555010{n}")).unwrap()),
            label: None,
            is_default,
            assigned_user,
            limit: None,
            country: None,
            paused: false,
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
            request_hash: None,
        }
    }

    #[test]
    fn a_user_uses_the_default_their_own_unassigned_ones_and_the_last_used_one() {
        use Role::{Admin, Operator, User};
        let (me, other) = (Some(user(1)), Some(user(2)));
        // role, calling user, default?, assigned to, last used with the contact?, expected
        for (role, caller, is_default, assigned, last_used, expected) in [
            (User, me, true, None, false, Some(Why::Default)),
            (User, me, true, other, false, Some(Why::Default)),
            (User, me, true, me, false, Some(Why::Assigned)),
            (User, me, false, me, false, Some(Why::Assigned)),
            (User, me, false, None, false, Some(Why::Unassigned)),
            (User, me, false, other, true, Some(Why::LastUsed)),
            (User, me, false, other, false, None),
            (User, None, true, other, false, Some(Why::Default)),
            (User, None, false, None, false, Some(Why::Unassigned)),
            (User, None, false, other, true, Some(Why::LastUsed)),
            (User, None, false, other, false, None),
            (Admin, me, false, other, false, Some(Why::Role)),
            (Admin, me, false, me, false, Some(Why::Assigned)),
            (Admin, None, false, other, false, Some(Why::Role)),
            (Operator, None, false, other, false, Some(Why::Role)),
            (Operator, me, false, None, false, Some(Why::Unassigned)),
        ] {
            let sender = sender(1, is_default, assigned);
            let last = Some(if last_used { id(1) } else { id(9) });
            let case = format!("{role:?} {caller:?} default={is_default} {assigned:?} last_used={last_used}");
            assert_eq!(why_permitted(role, caller, &sender, last), expected, "{case}");
            assert_eq!(may_use(role, caller, &sender, last), expected.is_some(), "{case}");
            assert_eq!(
                may_use(role, caller, &sender, None),
                expected.is_some() && !(role == User && last_used),
                "{case}"
            );
        }
    }

    #[test]
    fn the_last_used_sender_comes_first_then_the_own_one_then_the_default() {
        let (me, other) = (Some(user(1)), Some(user(2)));
        let default = sender(1, true, None);
        let unassigned = sender(2, false, None);
        let others = sender(3, false, other);
        let mine = sender(4, false, me);
        let mine_too = sender(5, false, me);
        let my_default = sender(6, true, me);
        let all = [&mine_too, &others, &unassigned, &mine, &default];
        for (senders, caller, last, expected) in [
            (&all[..], me, Some(id(3)), Some((3, Why::LastUsed))),
            (&all[..], me, Some(id(2)), Some((2, Why::LastUsed))),
            (&all[..], me, Some(id(9)), Some((4, Why::Assigned))),
            (&all[..], me, None, Some((4, Why::Assigned))),
            (&all[..], None, None, Some((1, Why::Default))),
            (&all[..], Some(user(3)), None, Some((1, Why::Default))),
            (&[&mine, &my_default][..], me, None, Some((6, Why::Assigned))),
            (&[&unassigned, &others][..], me, None, None),
            (&[][..], me, Some(id(1)), None),
        ] {
            for role in [Role::User, Role::Admin, Role::Operator] {
                let chosen = choose_sender(role, caller, senders.iter().copied(), last);
                let expected = expected.map(|(n, why)| (id(n), why));
                assert_eq!(chosen.map(|choice| (choice.sender.id, choice.why)), expected, "{role:?} {last:?}");
            }
        }
    }

    #[test]
    fn the_from_list_holds_what_is_permitted_with_the_default_choice_first() {
        let senders = [sender(1, true, None), sender(2, false, Some(user(2))), sender(3, false, Some(user(1)))];
        let list = |role, last| {
            let choices = permitted_senders(role, Some(user(1)), senders.iter(), last);
            choices.iter().map(|choice| (choice.sender.lane.0, choice.why.as_str())).collect::<Vec<_>>()
        };
        assert_eq!(list(Role::User, None), [(3, "assigned"), (1, "default")]);
        assert_eq!(list(Role::User, Some(id(2))), [(2, "last_used"), (1, "default"), (3, "assigned")]);
        assert_eq!(list(Role::Admin, None), [(3, "assigned"), (1, "default"), (2, "role")]);
    }
}
