//! Any bytes as a mail: read without a panic, and what is read is bounded and consistent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sendwheel_actors::inbound::limits::{MAX_HTML_BYTES, MAX_RAW_BYTES};
use sendwheel_actors::inbound::{InboundEmail, quoting};

fuzz_target!(|raw: &[u8]| {
    let Ok(mail) = InboundEmail::parse(raw) else { return };
    for attachment in &mail.attachments {
        assert_eq!(attachment.bytes(raw).len() as u64, attachment.size);
        assert!(!attachment.filename.contains(['/', '\\', '\0', '\n']));
    }
    assert!(!mail.subject.contains(char::is_control));
    assert!(mail.references.len() + mail.in_reply_to.len() <= 40);
    if let Some(text) = &mail.text {
        let blocks: String = quoting::split(text).iter().map(|block| block.text).collect();
        assert_eq!(&blocks, text);
        assert!(text.len() <= MAX_RAW_BYTES && !text.contains('\0'));
        assert!(quoting::written(text).len() <= text.len());
    }
    assert!(mail.html.is_none_or(|html| html.html.len() <= MAX_HTML_BYTES));
});
