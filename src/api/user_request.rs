//! What requests about users say. A password is read into a type that does not show it, and no refusal has it.

use secrecy::SecretString;
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::password::{Password, PasswordError};
use sendwheel_actors::engine::people::{NewUser, UserPatch};

use super::checks::{ROLES, choice, email_address, line};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{self, Text, request_object};
use super::schemas;

/// Bytes of a name.
const NAME_BYTES: usize = 200;
/// Bytes of what is given as a password: more than any that can be one.
const MAX_SECRET_BYTES: usize = 4 * Password::MAX_CHARS;
/// Bytes of what is given as an address.
const MAX_EMAIL_BYTES: usize = 320;

request_object! {
    /// A user to make.
    pub(crate) struct UserRequest<'a> {
        /// What they sign in with; no other user of the installation may have it.
        #[schema(value_type = String, format = Email, example = "ada@example.com")]
        email: Text<'a>,
        /// What people call them: at most 200 bytes.
        #[schema(value_type = Option<String>, example = "Ada Lovelace")]
        name: Text<'a>,
        /// What they may do; at most what the caller may. Default `user`.
        #[schema(value_type = Option<schemas::Role>)]
        role: Text<'a>,
        /// 12 to 1,000 characters; never shown again. Left out: they are invited by mail, and choose one.
        #[schema(value_type = Option<String>, format = Password, min_length = 12, max_length = 1000)]
        password: Text<'a>,
    }
}

request_object! {
    /// Changes to a user. `null` clears `name`. Another password ends the user's other sessions.
    pub(crate) struct UserChange<'a> {
        /// What they sign in with. Admins only.
        #[schema(value_type = Option<String>, format = Email)]
        email: Text<'a>,
        /// What people call them.
        #[schema(value_type = Option<String>)]
        name: Text<'a>,
        /// What they may do; at most what the caller may. Admins only.
        #[schema(value_type = Option<schemas::Role>)]
        role: Text<'a>,
        /// 12 to 1,000 characters.
        #[schema(value_type = Option<String>, format = Password, min_length = 12, max_length = 1000)]
        password: Text<'a>,
        /// The password until now: needed by whoever changes their own.
        #[schema(value_type = Option<String>, format = Password)]
        current_password: Text<'a>,
    }
}

request_object! {
    /// Who wants to sign in.
    pub(crate) struct SignInRequest<'a> {
        /// Their address.
        #[schema(value_type = String, format = Email)]
        email: Text<'a>,
        /// Their password.
        #[schema(value_type = String, format = Password)]
        password: Text<'a>,
    }
}

request_object! {
    /// Who forgot their password.
    pub(crate) struct ForgottenPassword<'a> {
        /// What they sign in with.
        #[schema(value_type = String, format = Email)]
        email: Text<'a>,
    }
}

request_object! {
    /// A password that is chosen with a link.
    pub(crate) struct ChosenPassword<'a> {
        /// The last part of the link.
        #[schema(value_type = String)]
        token: Text<'a>,
        /// 12 to 1,000 characters.
        #[schema(value_type = String, format = Password, min_length = 12, max_length = 1000)]
        password: Text<'a>,
    }
}

fn password(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<Password> {
    let code = |error| match error {
        PasswordError::TooShort => "too_short",
        PasswordError::TooLong => "too_long",
        PasswordError::Guessable => "weak_password",
    };
    Password::parse(text).map_err(|error| faults.refuse(at, code(error), error.to_string())).ok()
}

/// What is given as somebody's address, which need not be one.
fn sign_in_address(field: json::Field<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    let email = field.required(at, faults)?;
    if email.len() > MAX_EMAIL_BYTES {
        faults.refuse(at, "too_long", format!("at most {MAX_EMAIL_BYTES} bytes"));
        return None;
    }
    Some(email.into_owned())
}

/// What is given as a secret, which need not be one.
fn secret(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<SecretString> {
    if text.len() > MAX_SECRET_BYTES {
        faults.refuse(at, "too_long", format!("at most {MAX_SECRET_BYTES} bytes"));
        return None;
    }
    Some(SecretString::from(text))
}

impl UserRequest<'_> {
    /// The user that is asked for.
    pub(crate) fn into_new(self) -> Result<NewUser, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("email");
        let email = self.email.required(&at, all).and_then(|text| email_address(&text, &at, all));
        let at = root.member("name");
        let name = self.name.optional(&at, all).and_then(|text| line(text, NAME_BYTES, &at, all));
        let at = root.member("role");
        let role = self.role.optional(&at, all).and_then(|text| choice(&text, ROLES, &at, all)).unwrap_or(Role::User);
        let at = root.member("password");
        let password = self.password.optional(&at, all).and_then(|text| password(&text, &at, all));
        faults.finish(email.map(|email| NewUser { email, name, role, password, idempotency: None }))
    }
}

impl UserChange<'_> {
    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<UserPatch, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("email");
        let email = self.email.changed(&at, all).and_then(|text| email_address(&text, &at, all));
        let at = root.member("name");
        let name = self.name.clearable(&at, all).map(|text| text.and_then(|text| line(text, NAME_BYTES, &at, all)));
        let at = root.member("role");
        let role = self.role.changed(&at, all).and_then(|text| choice(&text, ROLES, &at, all));
        let at = root.member("password");
        let password = self.password.changed(&at, all).and_then(|text| password(&text, &at, all));
        let at = root.member("current_password");
        let current_password = self.current_password.optional(&at, all).and_then(|text| secret(&text, &at, all));
        faults.finish(Some(UserPatch { email, name, role, password, current_password }))
    }
}

impl ForgottenPassword<'_> {
    /// What was given as an address: only its being there is checked.
    pub(crate) fn read(self) -> Result<String, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let email = sign_in_address(self.email, &root.member("email"), all);
        faults.finish(email)
    }
}

impl ChosenPassword<'_> {
    /// The token and the password.
    pub(crate) fn read(self) -> Result<(String, Password), ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let token = self.token.required(&root.member("token"), all).map(Text::into_owned);
        let at = root.member("password");
        let password = self.password.required(&at, all).and_then(|text| password(&text, &at, all));
        faults.finish(token.zip(password))
    }
}

impl SignInRequest<'_> {
    /// What was given, as it was given: only their being there is checked.
    pub(crate) fn read(self) -> Result<(String, SecretString), ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let email = sign_in_address(self.email, &root.member("email"), all);
        let at = root.member("password");
        let password = self.password.required(&at, all).and_then(|text| secret(&text, &at, all));
        faults.finish(email.zip(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes<T>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(error @ ApiError::Invalid(_)) => {
                let shown = serde_json::to_string(&error.problem()).expect("a problem is JSON");
                assert!(!shown.contains("s3cret"), "{shown}");
                let ApiError::Invalid(errors) = error else { unreachable!() };
                errors.into_iter().map(|e| (e.pointer, e.code)).collect()
            }
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn every_wrong_field_of_a_user_is_refused_by_its_name_and_no_password_is_shown() {
        let new = |json: &str| json::read::<UserRequest<'_>>(json.as_bytes())?.into_new();
        let user = new(r#"{"email": " ada@Example.com ", "password": "a s3cret sentence"}"#).expect("sound");
        assert_eq!((user.email.as_str(), user.role, user.name), ("ada@example.com", Role::User, None));
        for (rest, pointer, code) in [
            (r#""password": "a s3cret sentence""#, "/email", "required"),
            (r#""email": "a@example.com", "password": "s3cret""#, "/password", "too_short"),
            (r#""email": "a@example.com", "password": "aaaaaaaaaaaaaa""#, "/password", "weak_password"),
            (r#""email": "a@example.com", "password": ["s3cret"]"#, "/password", "invalid_type"),
            (r#""email": "nobody", "password": "a s3cret sentence""#, "/email", "invalid_email"),
            (r#""email": "a@example.com", "password": "a s3cret sentence", "role": "root""#, "/role", "unknown_value"),
            (
                r#""email": "a@example.com", "password": "a s3cret sentence", "name": "\n""#,
                "/name",
                "control_character",
            ),
            (r#""email": "a@example.com", "password": "a s3cret sentence", "id": "x""#, "/id", "unknown_field"),
        ] {
            assert_eq!(codes(new(&format!("{{{rest}}}"))), [(pointer.to_owned(), code)], "{rest}");
        }
    }

    #[test]
    fn a_change_of_a_user_tells_clearing_from_leaving_alone() {
        let patch = |json: &str| json::read::<UserChange<'_>>(json.as_bytes())?.into_patch();
        assert_eq!(patch(r#"{"name": null}"#).expect("sound").name, Some(None));
        assert_eq!(patch("{}").expect("sound").name, None);
        assert_eq!(codes(patch(r#"{"password": null}"#)), [("/password".to_owned(), "invalid_type")]);
        let long = format!(r#"{{"current_password": "{}"}}"#, "s3cret".repeat(1_000));
        assert_eq!(codes(patch(&long)), [("/current_password".to_owned(), "too_long")]);
    }

    #[test]
    fn a_sign_in_needs_both_and_judges_neither() {
        let read = |json: &str| json::read::<SignInRequest<'_>>(json.as_bytes())?.read();
        assert!(read(r#"{"email": "nobody", "password": ""}"#).is_ok());
        assert_eq!(codes(read("{}")), [("/email".to_owned(), "required"), ("/password".to_owned(), "required")]);
    }
}
