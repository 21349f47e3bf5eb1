use proptest::prelude::*;

use super::*;

fn rewritten(html: &str) -> String {
    rewrite(html, 10_000).html
}

#[test]
fn elements_are_closed_where_a_parser_would_close_them() {
    for (html, expected) in [
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>d"),
        ("<table><tr><td>a<td>b<tr><td>c</table>d", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d"),
        ("<b>a<div>b</b>c</div>", "<b>a<div>b</div></b>c"),
        ("a</div></p></td>b", "ab"),
        ("<div><table><tr><td></div>x</table>y</div>", "<div><table><tr><td>x</td></tr></table>y</div>"),
        ("<p>a<table><tr><td>b</table>", "<p>a</p><table><tr><td>b</td></tr></table>"),
        ("<br></br><hr/>", "<br><hr>"),
        ("<tr><td>a</td></tr>", "a"),
        ("<table>a<tr>b<td>c</table>", "<table><tr><td>a</td></tr><tr><td>b</td><td>c</td></tr></table>"),
        ("<table> <tbody> <tr><td>a</table>", "<table> <tbody> <tr><td>a</td></tr></tbody></table>"),
        ("<custom><o:p>x</o:p></custom>", "x"),
    ] {
        assert_eq!(rewritten(html), expected, "{html}");
    }
}

#[test]
fn only_known_attributes_are_written_and_none_can_break_out() {
    for (html, expected) in [
        ("<table><td colspan=2 onclick=x id=y class=z data-x=1>", "<table><td colspan=\"2\"></td></table>"),
        ("<img src='cid:\"><script>'>", "<img src=\"cid:&quot;&gt;&lt;script&gt;\">"),
        (
            "<a href='https://x.example/?a=1&b=2&amp;c'>",
            "<a href=\"https://x.example/?a=1&b=2&amp;c\" target=\"_blank\"></a>",
        ),
        ("<a title='x & y' title=z>", "<a title=\"x &amp; y\" target=\"_blank\"></a>"),
    ] {
        assert_eq!(rewritten(html), expected, "{html}");
    }
    let long = format!("<a href=\"https://x.example/{}\" title=x>", "a".repeat(MAX_HTML_LINK));
    assert_eq!(rewritten(&long), "<a title=\"x\" target=\"_blank\"></a>");
}

#[test]
fn depth_number_and_length_are_bounded() {
    let deep = rewrite(&"<div>".repeat(1_000), 100_000);
    assert_eq!(deep.html.matches("<div>").count(), MAX_HTML_DEPTH);
    assert!(deep.is_cut);
    let formatting = rewrite(&"<b>".repeat(1_000), 100_000);
    assert_eq!(formatting.html.matches("<b>").count(), MAX_HTML_FORMATTING);
    let many = rewrite(&"<br>".repeat(100_000), 10_000_000);
    assert!(many.is_cut && many.html.len() <= 4 * 2 * MAX_HTML_TAGS);
    let long = rewrite(&"<p>text".repeat(1_000), 500);
    assert!(long.is_cut && long.html.len() < 600 && long.html.ends_with("</p>"));
    let large = format!("<img src=\"data:image/png;base64,{}\">", "A".repeat(1_000));
    assert_eq!((rewrite(&large, 500).html.as_str(), rewrite(&large, 500).is_cut), ("", true));
}

#[test]
fn what_follows_a_divider_is_wrapped_up_to_the_end_of_its_container() {
    assert_eq!(
        rewritten("<div>new<div id=appendonsend></div><p>old</p></div>after"),
        "<div>new<div class=\"quoted\"><div></div><p>old</p></div></div><div class=\"quoted\">after</div>"
    );
    assert_eq!(
        rewritten("<table><td>new<div id=divRplyFwdMsg>h</div>old</td></table>after"),
        "<table><td>new<div class=\"quoted\"><div>h</div>old</div></td></table>after"
    );
}

proptest! {
    #[test]
    fn every_element_that_is_opened_is_closed(html in "(<(/?(div|p|b|td|tr|table|li|ul|blockquote|a|img|br))( id=appendonsend)?>|x|&|<){0,60}") {
        let html = rewritten(&html);
        let mut open = Vec::new();
        for token in Lexer::new(&html, 50) {
            match token {
                Token::Start(tag) if !VOID.contains(&tag.name.as_str()) => open.push(tag.name),
                Token::End(name) => prop_assert_eq!(open.pop(), Some(name)),
                _ => {}
            }
        }
        prop_assert!(open.is_empty());
    }
}
