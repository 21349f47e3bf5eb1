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
        for source in tag.split(" src=\"").skip(1) {
            assert!(
                source.to_lowercase().starts_with("cid:") || source.to_lowercase().starts_with("data:image/"),
                "{tag}"
            );
        }
        for link in tag.split(" href=\"").skip(1) {
            assert!(["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)), "{tag}");
        }
    }
    assert!(sanitize(&safe.html).html.len() <= MAX_HTML_BYTES);
    let _ = to_text(html);
});
