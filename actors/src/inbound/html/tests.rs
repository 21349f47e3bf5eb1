//! What hostile HTML leaves behind, as html5ever's tokenizer sees it.

use std::cell::RefCell;

use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use proptest::prelude::*;

use super::*;

fn clean(html: &str) -> String {
    sanitize(html).html
}

/// Collects what no page may hold.
#[derive(Default)]
struct Findings(RefCell<Vec<String>>);

impl TokenSink for Findings {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                let name = &*tag.name;
                let Some(known) = attributes_of(name) else {
                    found.push(format!("<{name}>"));
                    return TokenSinkResult::Continue;
                };
                if tag.kind == TagKind::EndTag && !tag.attrs.is_empty() {
                    found.push(format!("</{name}> with attributes"));
                }
                for attribute in &tag.attrs {
                    let (key, value) = (&*attribute.name.local, attribute.value.trim());
                    let lower = value.to_lowercase();
                    let is_fit = match key {
                        "href" => ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme)),
                        "src" => {
                            lower.starts_with("cid:") || (lower.starts_with("data:image/") && !lower.contains("svg"))
                        }
                        "style" => !["url", "\\", "@", "expression", "position", "/*", "import"]
                            .iter()
                            .any(|word| lower.contains(word)),
                        "class" => ["", QUOTED_CLASS, BLOCKED_IMAGE_CLASS].contains(&value),
                        "rel" => value == "noopener noreferrer nofollow",
                        "target" => value == "_blank",
                        _ => known.contains(&key),
                    };
                    let is_placed = known.contains(&key) || matches!(key, "style" | "class" | "rel" | "target");
                    if !is_fit || !is_placed || key.starts_with("on") {
                        found.push(format!("<{name} {key}={value:?}>"));
                    }
                }
            }
            Token::CommentToken(text) => found.push(format!("<!--{text}-->")),
            Token::DoctypeToken(_) => found.push("a doctype".to_owned()),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// What stands in sanitised HTML and must not, if anything does.
fn findings(html: &str) -> Vec<String> {
    let tokenizer = Tokenizer::new(Findings::default(), Default::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

#[test]
fn the_list_of_elements_is_sorted() {
    assert!(ELEMENTS.is_sorted_by_key(|(name, _)| name));
}

#[test]
fn the_check_of_this_test_finds_what_must_not_be() {
    for html in [
        "<script>",
        "<p onclick=x>",
        "<a href=javascript:x>",
        "<img src=http://x>",
        "<!-- x -->",
        "<p style='a:url(x)'>",
        "<p class=x>",
        "<p id=x>",
        "<img src='data:image/svg+xml,x'>",
        "<div href=http://x>",
    ] {
        assert_eq!(findings(html).len(), 1, "{html}");
    }
    assert_eq!(findings("<div class=quoted><a href=https://x rel='noopener noreferrer nofollow'>x</a></div>"), [""; 0]);
}

/// After OWASP's XSS filter evasion cheat sheet, html5sec.org, and published mutations.
const HOSTILE: [&str; 92] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script>",
    "<script\n>alert(1)</script\n>",
    "<<script>alert(1)//<</script>",
    "<script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror\n=\nalert(1)>",
    "<img/src/onerror=alert(1)>",
    "<img src=\"x`onerror=alert(1)\">",
    "<img src='cid:a' onload='alert(1)'>",
    "<IMG SRC=javascript:alert(1)>",
    "<IMG SRC=\"jav&#x09;ascript:alert(1);\">",
    "<img src=\" &#14; javascript:alert(1)\">",
    "<img src=data:image/svg+xml;base64,PHN2Zz4=>",
    "<img src='data:text/html,<script>alert(1)</script>'>",
    "<img src=//x.example/1.gif>",
    "<img src=/relative.gif>",
    "<img srcset='https://x.example/1 2x'>",
    "<img lowsrc=http://x.example/1>",
    "<img dynsrc=http://x.example/1>",
    "<img usemap=#x><map name=x><area href=javascript:alert(1)></map>",
    "<picture><source srcset=http://x.example/1></picture>",
    "<input type=image src=http://x.example/1>",
    "<image src=http://x.example/1>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='&#106;avascript&colon;alert(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href=vbscript:x>x</a>",
    "<a href='//x.example'>x</a>",
    "<a href='https:x' onmouseover=alert(1)>x</a>",
    "<a href=file:///etc/passwd>x</a>",
    "<a href='blob:x'>x</a>",
    "<a href=\"https://x.example\" target=_top rel=opener ping=http://x.example>x</a>",
    "<a xlink:href=javascript:alert(1)>x</a>",
    "<body onload=alert(1)>",
    "<body background=http://x.example/1>",
    "<table background=http://x.example/1><td background=http://x.example/2>x</td></table>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<frameset><frame src=http://x.example></frameset>",
    "<object data=http://x.example></object>",
    "<embed src=http://x.example>",
    "<applet code=x>",
    "<audio src=x onerror=alert(1)>",
    "<video poster=http://x.example/1><source onerror=alert(1)></video>",
    "<link rel=stylesheet href=http://x.example/x.css>",
    "<meta http-equiv=refresh content='0;url=http://x.example'>",
    "<base href=http://x.example/>",
    "<form action=http://x.example><input name=x><button formaction=javascript:alert(1)>x</form>",
    "<style>@import 'http://x.example/x.css';</style>",
    "<style>body{background:url(http://x.example)}</style>",
    "<style></style><img src=x onerror=alert(1)>",
    "<p style='background:url(http://x.example/1)'>x</p>",
    "<p style='background-color:url(http://x.example/1)'>x</p>",
    "<p style='color:expression(alert(1))'>x</p>",
    "<p style='position:fixed;top:0;left:0;width:100%;height:100%'>x</p>",
    "<p style=\"color:red;b\\61 ckground:url(//x.example)\">x</p>",
    "<p style='color:red/**/;-moz-binding:url(x)'>x</p>",
    "<p style='color:var(--x)'>x</p>",
    "<p style='background-color:rgb(1,2,url(x))'>x</p>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1)></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<svg><use href='data:image/svg+xml,<svg id=x><script>alert(1)</script></svg>#x'/></svg>",
    "<svg><desc><![CDATA[</desc><script>alert(1)</script>]]></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<noembed><img src=x onerror=alert(1)></noembed>",
    "<template><script>alert(1)</script></template>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
    "<title><img title='</title><img src=x onerror=alert(1)>'>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "<?xml?><img src=x onerror=alert(1)?>",
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "<p title='\"><img src=x onerror=alert(1)>'>x",
    "<a title=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\" href=https://x.example>x",
    "<b id=x name=y class='quoted fixed'>x</b><div id=location class=blocked-image>y</div>",
    "<select><option><style></option></select><img src=x onerror=alert(1)></style>",
];

#[test]
fn nothing_that_runs_or_loads_is_left_of_hostile_html() {
    for html in HOSTILE {
        let cleaned = clean(html);
        assert_eq!(findings(&cleaned), [""; 0], "{html} became {cleaned}");
        // Read again, only the order of attributes may be another.
        let again = SANITIZER.clean(&cleaned).to_string();
        assert_eq!(again.len(), cleaned.len(), "{html} became {cleaned} and then {again}");
        assert_eq!(SANITIZER.clean(&again).to_string(), again, "{html}");
        // Each sanitiser alone must do: what one lets through, the other has to hold.
        let first = rewrite::rewrite(html, MAX_HTML_BYTES).html;
        assert!(!first.to_lowercase().contains("<script") && !first.contains(" on"), "{html} was rewritten to {first}");
        let second = SANITIZER.clean(html).to_string();
        assert_eq!(findings(&second), [""; 0], "{html} alone became {second}");
    }
}

#[test]
fn what_a_letter_needs_stays() {
    for html in [
        "<p>Hello <b>Jane</b>, <i>see</i> <u>below</u>.</p>",
        "<ul><li>one</li><li>two</li></ul><ol start=\"3\"><li>three</li></ol>",
        "<table border=\"1\" width=\"100%\"><tbody><tr><td bgcolor=\"#ffeedd\" colspan=\"2\">x</td></tr></tbody></table>",
        "<p style=\"color:#333;background-color:rgb(1, 2, 3)\">x</p>",
        "<img src=\"cid:logo@x\" alt=\"Logo\" width=\"20\">",
        "<img src=\"data:image/png;base64,iVBORw0KGgo=\">",
        "<h1>Title</h1><pre>a\n  b</pre><hr><br>",
        "a &lt; b &amp; c",
    ] {
        assert_eq!(clean(html), html);
    }
    assert_eq!(
        clean("<a href=\"https://x.example/?a=1&amp;b=2\">x</a>"),
        "<a href=\"https://x.example/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>"
    );
    assert!(clean("<a href=mailto:jane@example.com>x</a>").contains("href=\"mailto:jane@example.com\""));
    assert_eq!(
        clean("<p style='COLOR : Red ; margin: 0; text-align:center'>x</p>"),
        "<p style=\"color:Red;text-align:center\">x</p>"
    );
}

#[test]
fn a_remote_picture_becomes_a_placeholder_without_its_address() {
    let safe = sanitize(
        "a<img src=https://x.example/secret.gif alt='A &amp; <b>'>b<img src=http://x.example/t width=1 height=1>c",
    );
    assert_eq!(safe.html, "a<span class=\"blocked-image\">A &amp; &lt;b&gt;</span>bc");
    assert_eq!(safe.blocked_images, 1);
}

#[test]
fn quotes_of_well_known_mailers_are_marked() {
    for (html, new, quoted) in [
        ("new<blockquote type=cite>old</blockquote>", "new", "old"),
        ("<div>new</div><div class=\"gmail_quote\">On … wrote:<blockquote>old</blockquote></div>", "new", "old"),
        ("<div>new</div><div id=x class='ydp yahoo_quoted'>old</div>", "new", "old"),
        (
            "<div>new</div><div id='appendonsend'></div><hr><div id='divRplyFwdMsg'><b>From:</b> x</div><div>old</div>",
            "new",
            "old",
        ),
        ("<div class=x_y>new</div><div id=x_appendonsend></div><div>old</div>", "new", "old"),
        (
            "<div class=WordSection1><p>new</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'><p><b>From:</b> x</p></div></div><p>old</p></div>",
            "new",
            "old",
        ),
        ("<div>new</div><div class=protonmail_quote>old</div>", "new", "old"),
    ] {
        let safe = sanitize(html);
        assert!(safe.has_quote, "{html}");
        let (before, after) = safe.html.split_once("class=\"quoted\"").unwrap();
        assert!(before.contains(new) && !before.contains(quoted), "{}", safe.html);
        // What is old lies inside of something that is marked.
        let old_at = safe.html.find(quoted).unwrap();
        let opened = safe.html[..old_at].rfind("class=\"quoted\"").unwrap();
        let between = &safe.html[opened..old_at];
        assert!(between.matches("<div").count() + 1 > between.matches("</div").count(), "{}", safe.html);
        assert!(after.contains(quoted));
    }
    assert!(!sanitize("<div class=quoted>x</div><p>y</p>").has_quote);
    assert_eq!(clean("<div class=quoted>x</div>"), "<div>x</div>");
}

#[test]
fn html_of_any_shape_takes_little_time_and_room() {
    let heavy = "<a href=https://x.example/>x</a>".repeat(30_000);
    for html in [
        "<div>".repeat(200_000),
        "<div><p>".repeat(100_000),
        "<b><p>x".repeat(100_000),
        format!(
            "<p>{}{}",
            (0..50_000).map(|n| format!("<font color={n}>")).collect::<String>(),
            "<div>x</div>".repeat(30_000)
        ),
        format!("<p {}>", (0..100_000).map(|n| format!("a{n} ")).collect::<String>()),
        "<table>".repeat(100_000),
        "<table><tr><td>".repeat(60_000),
        "<li>".repeat(200_000),
        "<a href=x>".repeat(90_000),
        "<!--".repeat(250_000),
        "<script>".repeat(100_000),
        "</style".repeat(100_000),
        "<style></".repeat(100_000),
        "</div>".repeat(170_000),
        "&amp".repeat(250_000),
        "&".repeat(1_000_000),
        "\u{a0}".repeat(500_000),
        "&<x>".repeat(200_000),
        "&<tr>".repeat(100_000),
        "<table>".to_owned() + &"&".repeat(500_000),
        "<table>".to_owned() + &"&<b></b>".repeat(100_000),
        format!("<img src='data:image/png;base64,{}'>", "&".repeat(200_000)).repeat(4),
        "<".repeat(1_000_000),
        "x".repeat(2_000_000),
        heavy,
    ] {
        // Quadratic time would take hours here, and the test runner ends a test long before.
        let safe = sanitize(&html);
        let text = to_text(&html);
        assert!(safe.html.len() <= MAX_HTML_BYTES && text.len() <= MAX_HTML_BYTES);
    }
    assert!(sanitize(&"x".repeat(2_000_000)).is_cut);
    assert!(!sanitize("<p>x</p>").is_cut);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_html_is_safe_and_stays_the_same_when_it_is_read_again(
        pieces in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
            3 => prop::sample::select(&[
                "<div>", "</div>", "<p>", "</p>", "<b>", "</b>", "<a href=https://x.example>", "</a>", "<table>", "<tr>", "<td>",
                "</td>", "</tr>", "</table>", "<ul>", "<li>", "</ul>", "<blockquote>", "</blockquote>", "<pre>\n", "text", "&", "&lt;",
                "<svg>", "<math>", "<style>", "</style>", "<noscript>", "<template>", "<!--", "-->", "\"", "'", ">", "<", "=", "\0",
                "<div id=appendonsend>", "<font color=red>", "<h1>", "<center>", "<span dir=rtl>", "<img src=cid:x>", "<caption>",
            ][..]).prop_map(str::to_owned),
            1 => "[<>/!?='\" a-z&;#-]{0,12}",
        ], 0..25),
    ) {
        let html = pieces.concat();
        let cleaned = clean(&html);
        prop_assert_eq!(findings(&cleaned), [""; 0]);
        let again = SANITIZER.clean(&cleaned).to_string();
        prop_assert_eq!(findings(&again), [""; 0]);
        let _ = to_text(&html);
    }
}
