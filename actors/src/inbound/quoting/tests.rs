use proptest::prelude::*;

use super::*;

/// Each block as `N`, `S` or `Q` and its text on one line.
fn blocks_of(text: &str) -> Vec<String> {
    let line = |block: &Block<'_>| {
        let kind = match block.kind {
            BlockKind::New => 'N',
            BlockKind::Signature => 'S',
            BlockKind::Quoted => 'Q',
        };
        format!("{kind} {}", block.text.trim_end().replace('\n', "|"))
    };
    split(text).iter().map(line).collect()
}

#[test]
fn answers_above_below_and_between_are_found() {
    for (text, expected) in [
        ("just new\ntext", &["N just new|text"][..]),
        ("", &[]),
        ("new\n\n> old\n> older\n", &["N new", "Q > old|> older"]),
        ("> one\n\nanswer\n\n> two\n\nanswer 2\n", &["Q > one", "N |answer", "Q > two", "N |answer 2"]),
        (
            "On 23 Nov 2026 at 17:00, Jane <j@x.example> wrote:\n> old\n\nnew below\n",
            &["Q On 23 Nov 2026 at 17:00, Jane <j@x.example> wrote:|> old", "N |new below"],
        ),
        (
            "new\n\nOn Mon, Nov 23, 2026 at 5:00 PM Jane Doe\n<jane@example.com> wrote:\n\n> old\n\n> older\n",
            &["N new", "Q On Mon, Nov 23, 2026 at 5:00 PM Jane Doe|<jane@example.com> wrote:||> old||> older"],
        ),
        // Without marks everything below is old.
        (
            "new\nOn 23 Nov 2026 at 17:00, Jane wrote:\nold\n\nold",
            &["N new", "Q On 23 Nov 2026 at 17:00, Jane wrote:|old||old"],
        ),
        // A line above the sentence does not belong to it.
        (
            "Thanks!\nOn 23 Nov 2026, Jane <j@x.example> wrote:\n> old",
            &["N Thanks!", "Q On 23 Nov 2026, Jane <j@x.example> wrote:|> old"],
        ),
        ("new\r\n\r\n> old\r\n", &["N new", "Q > old"]),
    ] {
        assert_eq!(blocks_of(text), expected.iter().map(|line| line.to_string()).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_sentence_that_says_who_wrote_is_known_in_many_languages() {
    for sentence in [
        "On Mon, Nov 23, 2026 at 5:00\u{202f}PM Jane Doe <jane@example.com> wrote:",
        "On Monday, November 23, 2026 at 05:00:00 PM GMT+1, Jane <jane@example.com> wrote: ",
        "Am Mo., 23. Nov. 2026 um 17:00 Uhr schrieb Jane Doe <jane@example.com>:",
        "Am 23.11.26 um 17:00 schrieb Jane Doe:",
        "Le lun. 23 nov. 2026 à 17:00, Jane Doe <jane@example.com> a écrit :",
        "El lun, 23 nov 2026 a las 17:00, Jane Doe (<jane@example.com>) escribió:",
        "Il giorno lun 23 nov 2026 alle ore 17:00 Jane Doe <jane@example.com> ha scritto:",
        "Em seg., 23 de nov. de 2026 às 17:00, Jane Doe <jane@example.com> escreveu:",
        "Op ma 23 nov 2026 om 17:00 schreef Jane Doe <jane@example.com>:",
        "Den mån 23 nov. 2026 kl 17:00 skrev Jane Doe <jane@example.com>:",
        "man. 23. nov. 2026 kl. 17:00 skrev Jane Doe <jane@example.com>:",
        "ma 23. marrask. 2026 klo 17.00 Jane Doe (jane@example.com) kirjoitti:",
        "pon., 23 lis 2026 o 17:00 Jane Doe <jane@example.com> napisał(a):",
        "po 23. 11. 2026 v 17:00 odesílatel Jane Doe <jane@example.com> napsal:",
        "Jane Doe <jane@example.com> ezt írta (időpont: 2026. nov. 23., H, 17:00):",
        "În lun., 23 nov. 2026 la 17:00, Jane Doe <jane@example.com> a scris:",
        "Jane Doe <jane@example.com>, 23 Kas 2026 Pzt, 17:00 tarihinde şunu yazdı:",
        "пн, 23 нояб. 2026 г. в 17:00, Jane Doe <jane@example.com>:\u{20}написал(а):",
        "Понедельник, 23 ноября 2026, 17:00 +03:00 от Jane <jane@example.com> пишет:",
        "пн, 23 лист. 2026 р. о 17:00 Jane Doe <jane@example.com> пише:",
        "Στις Δευ 23 Νοε 2026 στις 17:00 ο χρήστης Jane Doe <jane@example.com> έγραψε:",
        "2026年11月23日(月) 17:00 Jane Doe <jane@example.com>のメール:",
        "Jane Doe <jane@example.com> 于2026年11月23日周一 17:00写道：",
        "2026년 11월 23일 (월) 오후 5:00, Jane Doe <jane@example.com>님이 작성:",
        "Vào Th 2, 23 thg 11, 2026 vào lúc 17:00 Jane Doe <jane@example.com> đã viết:",
    ] {
        assert_eq!(written(&format!("new\n\n{sentence}\n\nold text\n")), "new", "{sentence}");
        assert_eq!(written(&format!("new\n\n{sentence}\n> old text\n\nbelow\n")), "new\n\n\nbelow", "{sentence}");
    }
}

#[test]
fn dividers_and_header_blocks_end_what_is_new() {
    for below in [
        "-----Original Message-----\nFrom: Jane\n",
        "----- Ursprüngliche Nachricht -----\nVon: Jane\n",
        "---------- Forwarded message ---------\nFrom: Jane <j@x.example>\n",
        "-------- Message d'origine --------\nDe : Jane\n",
        "Begin forwarded message:\n\n> From: Jane\n",
        "________________________________\nFrom: Jane <j@x.example>\nSent: Monday, November 23, 2026 5:00 PM\nTo: Team <t@x.example>\nSubject: Hello\n",
        "From: Jane <j@x.example>\nSent: Monday\nTo: Team <t@x.example>;\n another@x.example\nSubject: Hello\n",
        "*From:* Jane\n*Sent:* Monday\n*To:* Team\n",
        "Von: Jane\nGesendet: Montag, 23. November 2026 17:00\nAn: Team\nBetreff: Hallo\n",
        "De : Jane\nEnvoyé : lundi 23 novembre 2026 17:00\nÀ : Team\nObjet : Bonjour\n",
        "De: Jane\nEnviado el: lunes\nPara: Team\nAsunto: Hola\n",
        "Da: Jane\nInviato: lunedì\nA: Team\nOggetto: Ciao\n",
        "Van: Jane\nVerzonden: maandag\nAan: Team\nOnderwerp: Hallo\n",
        "Från: Jane\nSkickat: måndag\nTill: Team\nÄmne: Hej\n",
        "От: Jane\nОтправлено: понедельник\nКому: Team\nТема: Привет\n",
        "差出人: Jane\n送信日時: 2026年11月23日\n宛先: Team\n件名: こんにちは\n",
        "发件人： Jane\n发送时间： 2026年11月23日\n收件人： Team\n主题： 你好\n",
    ] {
        assert_eq!(written(&format!("new\n\n{below}\nold text\nolder\n")), "new", "{below}");
    }
}

#[test]
fn what_people_write_is_not_taken_for_a_quote() {
    for text in [
        "As I wrote in 2023 and 2024:\nplease pay.",
        "Jane wrote: I like it",
        "Here is what she wrote:\nlots",
        "From: Monday on we are closed.\nBring your own cup.",
        "To: everyone\nSubject: cake\nThere is cake.",
        "Options:\n-----\none\n-----\ntwo",
        "________________________________\nsign here",
        "-- not a signature --\nmore",
        "Von meinem Chef habe ich gehört, dass es klappt.\nViele Grüße",
        "a > b\n => c",
        "The order of 23.11.2026 17:00 was unwrote:\nx",
    ] {
        assert_eq!(written(text), text, "{text}");
        assert!(split(text).iter().all(|block| block.kind == BlockKind::New), "{text}");
    }
}

#[test]
fn a_signature_is_kept_and_marked() {
    for (text, expected) in [
        ("new\n\n-- \nJane\nCEO\n", &["N new", "S -- |Jane|CEO"][..]),
        ("new\n--\nJane\n\n> old\n", &["N new", "S --|Jane", "Q > old"]),
        ("new\n\nSent from my iPhone\n\n> old\n", &["N new", "S Sent from my iPhone", "Q > old"]),
        ("neu\n\nVon meinem iPhone gesendet\n", &["N neu", "S Von meinem iPhone gesendet"]),
        (
            "new\nGet Outlook for iOS<https://aka.ms/x>\n________________________________\nFrom: J\nSent: M\nTo: T\n",
            &[
                "N new",
                "S Get Outlook for iOS<https://aka.ms/x>",
                "Q ________________________________|From: J|Sent: M|To: T",
            ],
        ),
        ("> old\n\n-- \nJane\n", &["Q > old", "N ", "S -- |Jane"]),
    ] {
        assert_eq!(blocks_of(text), expected.iter().map(|line| line.to_string()).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn any_text_is_split_in_little_time() {
    // Quadratic time would take hours here, and the test runner ends a test long before.
    for line in ["> a\n", "\n", "On 1.1.2026 10:10\n", "a@b wrote\n", "From: x\n", "-----\n", "-- \n", "x:\n", "\r"] {
        let text = line.repeat(1_000_000 / line.len());
        assert!(split(&text).iter().map(|block| block.text.len()).sum::<usize>() == text.len());
    }
    let text = "wrote 123 ".repeat(100_000) + ":";
    assert_eq!(split(&text).iter().map(|block| block.text.len()).sum::<usize>(), text.len());
}

proptest! {
    #[test]
    fn blocks_put_together_are_the_text_and_neighbours_differ(
        lines in prop::collection::vec(prop::sample::select(&[
            "new\n", "> old\n", "\n", " \r\n", "-- \n", "On 1 Jan 2026 at 10:00, a@b.example wrote:\n", "a@b wrote:\n",
            "From: x\n", "Sent: y\n", "To: z\n", "-----Original Message-----\n", "Sent from my phone\n", "ü", "\u{0}",
        ][..]), 0..30),
    ) {
        let text = lines.concat();
        let blocks = split(&text);
        let together: String = blocks.iter().map(|block| block.text).collect();
        prop_assert_eq!(together, &*text);
        prop_assert!(blocks.iter().all(|block| !block.text.is_empty()));
        prop_assert!(blocks.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    }
}
