//! What is new in a reply, and what it only quotes: so that a thread can fold the rest.
//!
//! There is no standard for this: mailers write what they like between a reply and what it answers. Known are `>`
//! before each line, a line that says who wrote what follows, fixed dividers, and Outlook's block of header fields, in
//! the languages of [`marks`]. What is not recognised counts as new: rather too much shown than a word of a person
//! hidden. Nothing is lost or changed: the blocks of a text, put together, are the text.

mod marks;

/// What a block of a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Written for this mail.
    New,
    /// The end of what is new: behind `-- `, or "Sent from my …".
    Signature,
    /// Repeated from an earlier mail, with the line that says so.
    Quoted,
}

/// Some lines of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'t> {
    /// What they are.
    pub kind: BlockKind,
    /// The lines, with their line breaks.
    pub text: &'t str,
}

/// Splits the text of a mail into blocks, which follow each other without a gap.
#[must_use]
pub fn split(text: &str) -> Vec<Block<'_>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut kinds = Vec::with_capacity(lines.len());
    let mut is_signature = false;
    while kinds.len() < lines.len() {
        let at = kinds.len();
        let rest = &lines[at..];
        if marks::is_divider(rest) {
            // Everything below belongs to the mail that is answered.
            kinds.resize(lines.len(), BlockKind::Quoted);
        } else if let Some(count) = quoted_by_attribution(rest) {
            kinds.resize(at + count, BlockKind::Quoted);
            is_signature = false;
        } else if is_quoted(rest[0]) {
            kinds.push(BlockKind::Quoted);
            is_signature = false;
        } else {
            is_signature |= marks::begins_signature(rest[0]);
            kinds.push(if is_signature { BlockKind::Signature } else { BlockKind::New });
        }
    }
    blocks(text, &lines, &kinds)
}

/// The new text of a mail without its signature, its blank ends cut off: what a list of conversations shows.
#[must_use]
pub fn written(text: &str) -> String {
    let new: String = split(text).iter().filter(|block| block.kind == BlockKind::New).map(|block| block.text).collect();
    new.trim().to_owned()
}

/// How many lines a sentence that says who wrote what follows takes with what it quotes, if one begins here: up to the
/// first `>`, which goes on by itself. Without marks the quote has no end, and the sentence must be sure.
fn quoted_by_attribution(lines: &[&str]) -> Option<usize> {
    let found = marks::attribution(lines)?;
    let below = &lines[found.lines..];
    let blank = below.iter().take_while(|line| line.trim().is_empty()).count();
    if below.get(blank).is_some_and(|line| is_quoted(line)) {
        Some(found.lines + blank)
    } else {
        found.is_sure.then_some(lines.len())
    }
}

/// Joins neighbouring lines of one kind. Blank lines belong to what stands before them, and between two quoted
/// lines to the quote.
fn blocks<'t>(text: &'t str, lines: &[&str], kinds: &[BlockKind]) -> Vec<Block<'t>> {
    let mut found: Vec<Block<'t>> = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut current: Option<BlockKind> = None;
    for (index, (line, kind)) in lines.iter().zip(kinds).enumerate() {
        let is_blank = line.trim().is_empty();
        let is_within_quote = is_blank && current == Some(BlockKind::Quoted) && next_is_quoted(lines, kinds, index);
        if let Some(open) = current
            && open != *kind
            && !is_within_quote
        {
            found.push(Block { kind: open, text: &text[start..at] });
            start = at;
        }
        if !is_within_quote {
            current = Some(*kind);
        }
        at += line.len();
    }
    if let Some(kind) = current {
        found.push(Block { kind, text: &text[start..] });
    }
    found
}

/// Whether the next line that is not blank is quoted.
fn next_is_quoted(lines: &[&str], kinds: &[BlockKind], from: usize) -> bool {
    // Only a few blank lines are bridged, so that many of them are not counted over and over.
    let ahead = lines[from..].iter().zip(&kinds[from..]).take(5);
    ahead.skip_while(|(line, _)| line.trim().is_empty()).map(|(_, kind)| *kind == BlockKind::Quoted).next()
        == Some(true)
}

fn is_quoted(line: &str) -> bool {
    line.starts_with('>')
}

#[cfg(test)]
mod tests;
