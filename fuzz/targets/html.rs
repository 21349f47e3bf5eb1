//! Any text as HTML: what is left runs nothing and loads nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sendwheel_actors::inbound::html::{sanitize, to_text};
use sendwheel_actors::inbound::limits::MAX_HTML_BYTES;

/// Beginnings of tags that no page may get from a mail.
const FORBIDDEN: [&str; 16] = [
    "<script",
    "<style",
    "<iframe",
    "<object",
    "<embed",
    "<svg",
    "<math",
    "<form",
    "<input",
    "<link",
    "<meta",
    "<base",
    "<template",
    "<!--",
    "<video",
    "<audio",
];

/// The tags of sanitised HTML, in which `<` and `>` stand for nothing else.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).map(|piece| piece.split('>').next().unwrap_or_default())
}

fuzz_target!(|html: &str| {
    let safe = sanitize(html);
    assert!(safe.html.len() <= MAX_HTML_BYTES);
    for forbidden in FORBIDDEN {
        assert!(!safe.html.contains(forbidden), "{forbidden}: {}", safe.html);
    }
    for tag in tags(&safe.html) {
        // Outside of quotes, so that the text of a title is no attribute.
        let names: String = tag.split('"').step_by(2).collect();
        assert!(!names.contains(" on") && !names.contains(" srcset") && !names.contains(" id="), "{tag}");
        // Names and values take turns, and no value has a quote in it.
        let parts: Vec<&str> = tag.split('"').collect();
        for attribute in parts.chunks_exact(2) {
            let (name, value) = (attribute[0], attribute[1].to_lowercase());
            let begins = |schemes: &[&str]| schemes.iter().any(|scheme| value.starts_with(scheme));
            assert!(!name.ends_with(" src=") || begins(&["cid:", "data:image/"]), "{tag}");
            assert!(!name.ends_with(" href=") || begins(&["http://", "https://", "mailto:"]), "{tag}");
        }
    }
    assert!(sanitize(&safe.html).html.len() <= MAX_HTML_BYTES);
    let _ = to_text(html);
});
