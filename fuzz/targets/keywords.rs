//! Any text as an SMS that may be STOP, START or HELP: read without a panic, the same for every spelling of its case,
//! and never more than a few words.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sendwheel_actors::inbound::{keywords, quoting};

fuzz_target!(|text: &str| {
    let keyword = keywords::classify(text);
    assert_eq!(keyword, keywords::classify(&format!("  {text}\n")), "space around it changes nothing");
    if text.is_ascii() {
        assert_eq!(keyword, keywords::classify(&text.to_ascii_uppercase()));
    }
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).count();
    assert!(keyword.is_none() || words <= 40, "a long text is no keyword");
    // A mail's text goes the same way, without what it quotes.
    let _ = keywords::classify(&quoting::written(text));
});
