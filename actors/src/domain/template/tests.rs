use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::address::{EmailAddress, Mailbox, PhoneNumber};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{ContactEmail, ContactPhone, Profile};
use crate::domain::directory::{Account, Sender, SenderAddress};
use crate::domain::ids::{AccountId, AccountNo, LaneNo, SenderId};

fn context_with(attributes: &[(&str, &str)]) -> TemplateContext {
    let profile = Profile {
        name: Some("Jane <Doe>".into()),
        emails: vec![ContactEmail {
            address: EmailAddress::parse("jane@example.com").unwrap(),
            label: None,
            primary: true,
        }],
        phones: vec![ContactPhone { number: PhoneNumber::parse("+12125550123").unwrap(), label: None, primary: true }],
        time_zone: Some("America/New_York".into()),
        tags: vec!["vip".into(), "b&b".into()],
        attributes: attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        external_id: Some("42".into()),
        ..Profile::default()
    };
    let sender = Sender {
        id: SenderId::from_bytes([1; 16]),
        lane: LaneNo(1),
        account: AccountNo(1),
        version: 1,
        address: SenderAddress::Email(Mailbox::parse("\"Support, Acme\" <help@acme.example>").unwrap()),
        label: None,
        is_default: true,
        assigned_user: None,
        limit: None,
        country: None,
        paused: false,
        created_at: UnixMs(0),
        updated_at: UnixMs(0),
        request_hash: None,
    };
    let account = Account {
        id: AccountId::from_bytes([1; 16]),
        no: AccountNo(1),
        version: 1,
        name: "Acme".into(),
        time_zone: "UTC".into(),
        twilio_sid: String::new(),
        created_at: UnixMs(0),
        updated_at: UnixMs(0),
        suspended_at: None,
        alerts: Default::default(),
        rules: Default::default(),
        help_reply: None,
        smart_send: Default::default(),
        tracking: false,
        rules_changed_at: UnixMs(0),
        limits: Default::default(),
        request_hash: None,
    };
    TemplateContext::new(&profile, &sender, &account)
}

fn context() -> TemplateContext {
    context_with(&[("city", "Köln"), ("evil", "x\r\nBcc: joe@example.com"), ("secret", "SECRET")])
}

fn content(subject: Option<&str>, text: Option<&str>, html: Option<&str>) -> Content {
    Content { subject: subject.map(Into::into), text: text.map(Into::into), html: html.map(Into::into), render: true }
}

fn body(source: &str) -> Result<String, TemplateError> {
    render(&content(None, Some(source), None), &context()).map(|rendered| rendered.text.unwrap())
}

#[test]
fn every_documented_field_is_filled_in() {
    for (source, expected) in [
        ("Hi {{ contact.name }}", "Hi Jane <Doe>"),
        ("{{ contact.first_name }}", "Jane"),
        ("{{ contact.email }} {{ contact.phone }}", "jane@example.com +12125550123"),
        ("{{ contact.time_zone }} {{ contact.external_id }}", "America/New_York 42"),
        ("{{ contact.attributes.city }} {{ contact.attributes['city'] }}", "Köln Köln"),
        ("{% for tag in contact.tags %}[{{ tag }}]{% endfor %}", "[vip][b&b]"),
        ("{{ sender.label }} {{ sender.address }} {{ account.name }}", "Support, Acme help@acme.example Acme"),
        ("{{ contact.nick | default('there') }}", "there"),
        ("{% if contact.nick is defined %}a{% else %}b{% endif %}", "b"),
        ("{% if 'vip' in contact.tags %}dear{% endif %} {{ contact.name | upper }}", "dear JANE <DOE>"),
        ("{# nothing #}text", "text"),
        ("{{ contact.tags | join(', ') }} {{ contact.tags | length - 1 }}", "vip, b&b 1"),
        ("{% raw %}{{ contact.name }}{% endraw %}", "{{ contact.name }}"),
        ("no template at all\n", "no template at all\n"),
        ("trailing newline of {{ account.name }}\n", "trailing newline of Acme\n"),
        ("{%+ if '+*' == '+*' +%} {{ contact.name[0] }}{% endif %}", " J"),
        ("100 % { } } }} %} #}", "100 % { } } }} %} #}"),
    ] {
        assert_eq!(body(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn html_is_escaped_and_plain_text_is_not() {
    let source = "{{ contact.name }} & <b>{{ contact.tags[1] }}</b>";
    let rendered = render(&content(Some(source), Some(source), Some(source)), &context()).unwrap();
    assert_eq!(rendered.subject.as_deref(), Some("Jane <Doe> & <b>b&b</b>"));
    assert_eq!(rendered.text.as_deref(), Some("Jane <Doe> & <b>b&b</b>"));
    assert_eq!(rendered.html.as_deref(), Some("Jane &lt;Doe&gt; & <b>b&amp;b</b>"));
    assert!(!rendered.render, "what is rendered is not rendered again");
}

#[test]
fn a_value_with_template_syntax_stays_text() {
    let context = context_with(&[("x", "{{ account.name }}{% for %}")]);
    let rendered = render(&content(None, Some("{{ contact.attributes.x }}"), None), &context).unwrap();
    assert_eq!(rendered.text.as_deref(), Some("{{ account.name }}{% for %}"));
    assert_eq!(render(&rendered, &context), Ok(rendered.clone()));
}

#[test]
fn content_that_is_not_to_be_rendered_is_sent_as_it_is() {
    let plain = Content { render: false, ..content(None, Some("{{ contact.name }} {{"), Some("{% for %}")) };
    assert_eq!(render(&plain, &context()), Ok(plain.clone()));
    assert_eq!(check_content(&plain), Ok(()));
    let subject = Content { render: false, ..content(Some("a\r\nBcc: b"), None, None) };
    assert_eq!(render(&subject, &context()).unwrap().subject.as_deref(), Some("a Bcc: b"));
    assert_eq!(verbatim(&subject), render(&subject, &context()));
}

#[test]
fn a_subject_stays_one_line_whatever_a_contact_is_called() {
    for (source, expected) in [
        ("Hi {{ contact.attributes.evil }}", "Hi x Bcc: joe@example.com"),
        ("a\nb\r\nc", "a b c"),
        ("a \r\n\t b\0c\u{2028}d\u{85}e\u{7f}", "a b c d e"),
        ("\n\n", ""),
        ("plain  text ", "plain  text "),
    ] {
        let rendered = render(&content(Some(source), None, None), &context()).unwrap();
        assert_eq!(rendered.subject.as_deref(), Some(expected), "{source:?}");
    }
    let long = content(Some(&"x".repeat(MAX_SUBJECT + 1)), None, None);
    let error = render(&long, &context()).unwrap_err();
    assert_eq!((error.field, error.kind.code()), ("subject", "content_too_long"));
}

#[test]
fn what_is_not_there_is_named_with_its_field_and_line() {
    for (subject, text, html, expected) in [
        (Some("{{ contact.nick }}"), None, None, ("subject", 1, "`contact.nick`")),
        (None, Some("a\nb {{ nope }}"), None, ("body", 2, "`nope`")),
        (
            None,
            Some("ok"),
            Some("\n\n<p>é {{ contact.attributes.town.name }}"),
            ("html", 3, "`contact.attributes.town.name`"),
        ),
        (None, Some("{% for x in contact.orders %}{% endfor %}"), None, ("body", 1, "`contact.orders`")),
        (None, Some("{% if contact.nick %}x{% endif %}"), None, ("body", 1, "`contact.nick`")),
        (None, Some("{{ contact.nick ~ 'x' }}"), None, ("body", 1, "contact.nick")),
    ] {
        let error = render(&content(subject, text, html), &context()).unwrap_err();
        assert!(matches!(error.kind, TemplateErrorKind::Undefined(_)), "{error:?}");
        assert_eq!((error.field, error.line), (expected.0, Some(expected.1)));
        let shown = error.to_string();
        assert!(
            shown.contains(expected.2) && shown.starts_with(&format!("{}, line {}: ", expected.0, expected.1)),
            "{shown}"
        );
    }
}

#[test]
fn no_error_shows_a_value() {
    for source in [
        "{{ contact.attributes.secret | int }}",
        "{{ contact.attributes.secret - 1 }}",
        "{{ contact.attributes.secret() }}",
        "{{ contact.attributes | join(contact.attributes.secret, 1, 2, 3) }}",
        "{{ contact.attributes[contact.attributes.secret] }}",
        "{{ [contact.attributes.secret][5] }}",
        "{{ debug() }}",
        "{{ contact.attributes.secret.x.y }}",
    ] {
        let error = body(source).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
        assert_eq!(error.line, Some(1), "{source}");
    }
}

#[test]
fn errors_have_codes_and_stay_short() {
    let long_name = "x".repeat(1_000);
    for (source, code) in [
        ("{{ contact.name", "template_syntax"),
        ("{{ contact.name }} {% if %}", "template_syntax"),
        ("{% include 'x' %}", "template_syntax"),
        ("{% extends 'x' %}", "template_syntax"),
        ("{% import 'x' as x %}", "template_syntax"),
        ("{% macro x() %}{% endmacro %}", "template_syntax"),
        ("{% block x %}{% endblock %}", "template_syntax"),
        ("{% set x = 1 %}", "template_syntax"),
        ("{% autoescape false %}{% endautoescape %}", "template_syntax"),
        ("{% for x in contact.tags recursive %}{% endfor %}", "template_syntax"),
        ("{% for x in [1, 2] %}{% endfor %}", "template_syntax"),
        ("{{ 1 + 1 }}", "template_syntax"),
        ("{{ 'x' * 9 }}", "template_syntax"),
        ("{{ range(9) }}", "template_unknown_name"),
        ("{{ contact.tags | sort }}", "template_unknown_name"),
        ("{{ contact.name | rot13 }}", "template_unknown_name"),
        ("{{ contact.name is rot13 }}", "template_unknown_name"),
        ("{{ system('ls') }}", "template_unknown_name"),
        ("{{ contact.name.upper() }}", "template_unknown_name"),
        ("{{ contact.name / 2 }}", "template_failed"),
        ("{{ nope }}", "template_undefined"),
        (&format!("{{{{ {long_name} }}}}"), "template_undefined"),
        (&format!("{{{{ {long_name} {long_name} }}}}"), "template_syntax"),
    ] {
        let error = body(source).unwrap_err();
        assert_eq!(error.kind.code(), code, "{source}: {error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
}

#[test]
fn syntax_is_checked_without_a_contact() {
    assert_eq!(check_syntax("{{ anything.at.all }}"), Ok(()));
    let error = check_syntax("a\n{{ b").unwrap_err();
    assert_eq!((error.field, error.line, error.kind.code()), ("template", Some(2), "template_syntax"));
    let error = check_content(&content(Some("{{ a }}"), Some("{{ a }}"), Some("{% a %}"))).unwrap_err();
    assert_eq!(error.field, "html");
    assert!(is_template("{{ a }}") && is_template("{%a") && is_template("{#") && !is_template("{ { } 100 %"));
}

#[test]
fn sources_have_a_longest_length() {
    let text = |bytes| content(None, Some(&"x".repeat(bytes)), Some("{{ account.name }}"));
    assert!(render(&text(MAX_TEXT_SOURCE), &context()).is_ok());
    assert_eq!(render(&text(MAX_TEXT_SOURCE + 1), &context()).unwrap_err().kind.code(), "template_too_long");
    let html = |bytes| content(None, None, Some(&("{{ account.name }}".to_owned() + &"x".repeat(bytes - 18))));
    assert!(render(&html(MAX_HTML_SOURCE), &context()).is_ok());
    assert_eq!(render(&html(MAX_HTML_SOURCE + 1), &context()).unwrap_err().field, "html");
}

/// How long a template may take in a test: it runs without optimization, on a busy machine. Unbounded, the ones
/// below would take hours or all of the memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// A contact with as many and as long fields as one may have.
fn large_context() -> TemplateContext {
    let value = "&".repeat(2_000);
    let mut context = context_with(&[("v", &value), ("nl", "\n")]);
    context.contact.tags = vec!["t".repeat(100); 100];
    context
}

#[test]
fn bombs_end_in_an_error_at_once() {
    let nested =
        |depth: usize, inner: &str| "{% for a in contact.tags %}".repeat(depth) + inner + &"{% endfor %}".repeat(depth);
    let long = |piece: &str| format!("{{{{ contact.tags ~ '' {} }}}}", piece.repeat(1_900 / piece.len()));
    let v = "contact.attributes.v";
    for source in [
        nested(3, ""),
        nested(3, "x"),
        nested(8, "{{ a }}"),
        nested(2, "{{ contact.attributes.v }}"),
        nested(3, "{{ contact.tags ~ contact.tags ~ contact.tags }}"),
        nested(2, &long("~ contact.tags")),
        nested(3, "{{ contact.tags | join(contact.attributes.v) }}"),
        nested(2, &format!("{{{{ {v}{} }}}}", "|replace('&', '&&')".repeat(20))),
        nested(2, &format!("{{{{ {v}{} }}}}", "|e|upper".repeat(200))),
        nested(2, &format!("{{{{ {v}{} }}}}", "|title|trim|capitalize".repeat(80))),
        nested(2, "{% if 'x' in contact.attributes.v %}{% endif %}".repeat(50).as_str()),
        nested(2, "{% if contact.tags == contact.tags %}{% endif %}".repeat(50).as_str()),
        format!("{{{{ {v}{} }}}}", "|replace('', 'yyyyyyyyyy')".repeat(50)),
        "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}".into(),
        "{{ 'x' * 1000000000 }}".into(),
        "{{ [1] * 1000000000 }}".into(),
        "{{ contact.tags * 1000000000 ~ '' }}".into(),
        "{% set a = [1] %}".to_owned() + &"{% set a = a + a %}".repeat(40),
        "{% set a = [1] %}".to_owned() + &"{% set a = [a] %}".repeat(3_000),
        "{% for a in [[1]] %}".to_owned() + &"{% for a in [[a, a]] %}".repeat(40),
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{{ contact.tags | chain(contact.tags) | sum }}".into(),
        "{{ range(100000) }}".into(),
        "{{ '%1000000000s' | format('x') }}".into(),
        "{{ 'x' | indent(1000000000) }}".into(),
        format!("{{{{ {}1{} }}}}", "(".repeat(900), ")".repeat(900)),
        format!("{{{{ {}1{} }}}}", "[".repeat(900), "]".repeat(900)),
        "{% if 1 %}".repeat(6_000),
        "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(5_000) + "{% endif %}",
        format!("{{{{ {}1 }}}}", "1-".repeat(30_000)),
        format!("{{{{ '}}}}' ~ {}1 }}}}", "1~".repeat(30_000)),
        format!("{{{{ a{} }}}}", "|e".repeat(30_000)),
        format!("{{{{ a{} }}}}", ".b".repeat(30_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(15_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(60_000)),
        "{{".repeat(30_000),
        "{#".repeat(30_000),
        "{% raw %}".repeat(7_000),
    ] {
        let context = large_context();
        let start = test_clock();
        let outcome = render(&content(None, Some(&source), None), &context);
        let elapsed = start.elapsed();
        let shown: String = source.chars().take(80).collect();
        assert!(outcome.is_err(), "{shown}: {} bytes", outcome.unwrap().len());
        assert!(elapsed < PATIENCE, "{shown}: {elapsed:?}");
    }
}

#[allow(clippy::disallowed_methods, reason = "measures how long a render takes")]
fn test_clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn the_longest_permitted_expressions_need_less_than_half_a_thread_s_stack() {
    let longest = |piece: &str, last: &str| format!("{{{{ {}{last} }}}}", piece.repeat((MAX_TAG - 10) / piece.len()));
    let wrapped = |inner: &str| "{% if 1 %}".repeat(100) + inner + &"{% endif %}".repeat(100);
    let branches = "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(50) + "x{% endif %}";
    let sources = [
        wrapped(&longest("1-", "1")),
        wrapped(&longest("account.name~", "1")),
        wrapped(&longest("not ", "1")),
        wrapped(&longest("-", "1")),
        wrapped(&longest("1 if 1 else ", "1")),
        wrapped(&longest("1 and ", "1")),
        wrapped(&longest("1<", "1")),
        wrapped(&("{{ account.name ".to_owned() + &"|e".repeat(1_000) + " }}")),
        wrapped(&("{{ account".to_owned() + &".b".repeat(1_000) + " }}")),
        wrapped(&("{{ account".to_owned() + &"[1]".repeat(600) + " }}")),
        wrapped(&("{{ account".to_owned() + &"()".repeat(1_000) + " }}")),
        wrapped(&branches),
        "{{ [1]".to_owned() + &"[:]".repeat(600) + " }}",
    ];
    // A thread of the runtime has 2 MiB.
    let render_all = move || sources.iter().map(|source| body(source).is_ok()).collect::<Vec<_>>();
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(render_all).unwrap();
    let rendered = thread.join().unwrap();
    assert!(rendered[0] && rendered[1] && rendered[11..].iter().all(|is_rendered| *is_rendered), "{rendered:?}");
}

#[test]
fn output_has_a_longest_length_and_is_paid_for() {
    let context = large_context();
    let repeated = |depth: usize| {
        let source =
            "{% for i in contact.tags %}".repeat(depth) + "{{ contact.attributes.v }}" + &"{% endfor %}".repeat(depth);
        render(&content(None, Some(&source), None), &context)
    };
    assert_eq!(repeated(1).unwrap().text.unwrap().len(), 200_000);
    let error = repeated(2).unwrap_err();
    assert!(matches!(error.kind, TemplateErrorKind::OutputTooLong { .. } | TemplateErrorKind::TooCostly), "{error}");
    // The bound itself, apart from the fuel.
    let mut buffer = Bounded(vec![0; MAX_OUTPUT - 1]);
    assert_eq!(io::Write::write(&mut buffer, b"x").unwrap(), 1);
    assert!(io::Write::write(&mut buffer, b"x").is_err());
}

#[test]
fn contexts_and_contents_are_never_logged() {
    assert_eq!(format!("{:?}", context()), "TemplateContext(redacted)");
}

proptest! {
    #[test]
    fn no_source_makes_it_panic_and_no_subject_has_two_lines(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{%", "%}", "{#", "#}", " contact.name ", "contact.attributes.evil", " if ", " for ", "x",
                " in ", "contact.tags", "endif", "endfor", "|", "upper", "default", "('a')", "\n", "é", "1", "+", "'", "~",
            ]),
            0..20,
        ),
    ) {
        let source = pieces.concat();
        if let Ok(rendered) = render(&content(Some(&source), Some(&source), Some(&source)), &context()) {
            prop_assert!(!rendered.subject.unwrap().contains(char::is_control));
        }
    }

    #[test]
    fn a_value_never_becomes_markup(value in any::<String>()) {
        let context = context_with(&[("v", &value)]);
        let rendered = render(&content(None, None, Some("<p title=\"{{ contact.attributes.v }}\">")), &context).unwrap();
        let html = rendered.html.unwrap();
        let inner = html.strip_prefix("<p title=\"").and_then(|rest| rest.strip_suffix("\">")).unwrap();
        prop_assert!(!inner.contains(['<', '>', '"', '\'']));
    }
}
