use proptest::prelude::*;

use super::words::WORDS;
use super::*;

const STOP: Option<Keyword> = Some(Keyword::Stop);
const START: Option<Keyword> = Some(Keyword::Start { only_after_stop: false });
const YES: Option<Keyword> = Some(Keyword::Start { only_after_stop: true });
const HELP: Option<Keyword> = Some(Keyword::Help);

fn assert_all(rows: &[(&str, Option<Keyword>)]) {
    for (text, expected) in rows {
        assert_eq!(classify(text), *expected, "{text:?}");
    }
}

#[test]
fn the_words_of_carriers_are_known_however_they_are_typed() {
    for word in ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"] {
        assert_eq!(classify(word), STOP, "{word}");
    }
    assert_all(&[("START", START), ("UNSTOP", START), ("YES", YES), ("HELP", HELP), ("INFO", HELP)]);
    assert_all(&[
        ("Stop!!", STOP),
        ("\u{201c}stop\u{201d}", STOP),
        ("STOP.", STOP),
        ("  sToP\r\n", STOP),
        ("«Stop»", STOP),
        ("-- stop --", STOP),
        ("(stop)", STOP),
        ("🛑 STOP 🛑", STOP),
        ("STOP\u{fe0f}", STOP),
        ("stop🙏🏽", STOP),
        ("STOP❗️", STOP),
        ("stop👩\u{200d}👩\u{200d}👧", STOP),
        ("\u{feff}STOP\u{200b}", STOP),
        ("\u{202a}stop\u{202c}", STOP),
        ("st\u{200b}op", STOP),
        ("\u{a0}stop\u{3000}", STOP),
        ("ＳＴＯＰ", STOP),
        ("𝐒𝐓𝐎𝐏", STOP),
        ("stop all", STOP),
        ("Opt-out", STOP),
        ("opt out.", STOP),
        ("Help?", HELP),
        ("ℹ️ info", HELP),
        ("yes 👍", YES),
    ]);
}

#[test]
fn a_word_inside_a_sentence_is_no_keyword() {
    let sentences = [
        "stop by at five",
        "can you stop by at five?",
        "cancel my appointment",
        "please cancel my appointment",
        "the end",
        "End of story",
        "I quit my job",
        "Don't stop",
        "non-stop",
        "stop it",
        "yes please",
        "yes I can",
        "help me move",
        "please help",
        "more info",
        "info please",
        "start at five",
        "no",
        "ok",
        "stops",
        "bus stop",
        "stop or start",
        "stop start",
        "stopstop",
        "s t o p",
        "STOP 1",
        "1. STOP 2. HELP",
    ];
    for text in sentences {
        assert_eq!(classify(text), None, "{text}");
    }
    for text in ["", " ", "?", "!!!", "🛑", "\u{200b}", "...", "\u{301}", "ℹ️"] {
        assert_eq!(classify(text), None, "{text:?}");
    }
}

#[test]
fn politeness_and_repetition_stop_where_the_word_says_nothing_else() {
    assert_all(&[
        ("stop please", STOP),
        ("Please stop!", STOP),
        ("pls STOP", STOP),
        ("Please, unsubscribe.", STOP),
        ("stop all please", STOP),
        ("please opt-out", STOP),
        ("STOP STOP STOP", STOP),
        ("Stop. Stop. STOP!!!", STOP),
        ("please cancel", None),
        ("end please", None),
        ("cancel cancel", None),
        ("please", None),
        ("please please", None),
        ("stop please stop", None),
        ("please start", None),
        ("yes yes", None),
        ("pleasestop", None),
    ]);
}

#[test]
fn every_language_has_its_words_as_its_people_type_them() {
    assert_all(&[
        ("Stopp", STOP),
        ("ABMELDEN!", STOP),
        ("Löschen", STOP),
        ("loeschen", STOP),
        ("Ja", YES),
        ("Hilfe", HELP),
        ("ARRET", STOP),
        ("Arrêt", STOP),
        ("arre\u{302}t", STOP),
        ("Désabonner", STOP),
        ("S'abonner", START),
        ("Oui.", YES),
        ("AIDE", HELP),
        ("BAJA", STOP),
        ("¡Baja!", STOP),
        ("parar", STOP),
        ("Cancelar suscripcion", STOP),
        ("ALTA", START),
        ("Sí", YES),
        ("SI", YES),
        ("ayuda", HELP),
        ("SAIR", STOP),
        ("saida", STOP),
        ("Pare", STOP),
        ("Sim", YES),
        ("AJUDA", HELP),
        ("COMEÇAR", START),
        ("FERMA", STOP),
        ("Disiscrivimi", STOP),
        ("annulla", STOP),
        ("sì", YES),
        ("Aiuto", HELP),
        ("AFMELDEN", STOP),
        ("uitschrijven", STOP),
        ("beeindigen", STOP),
        ("Aanmelden", START),
        ("hulp", HELP),
        ("REZYGNUJE", STOP),
        ("rezygnuję", STOP),
        ("Usuń", STOP),
        ("WYLACZ", STOP),
        ("POMOC", HELP),
        ("wznow", START),
        ("ODHLASIT", STOP),
        ("Odhlásit se", STOP),
        ("zrušit", STOP),
        ("Ano", YES),
        ("napoveda", HELP),
        ("STOPPA", STOP),
        ("avsluta", STOP),
        ("SÄG UPP", STOP),
        ("hjalp", HELP),
        ("Återuppta", START),
        ("AFMELD", STOP),
        ("Frameld", STOP),
        ("HJÆLP", HELP),
        ("hjaelp", HELP),
        ("tilmeld", START),
        ("AVMELD", STOP),
        ("Meld av", STOP),
        ("Påmelding", START),
        ("hjelp", HELP),
        ("LOPETA", STOP),
        ("peruuta", STOP),
        ("Kyllä", YES),
        ("APUA", HELP),
        ("aloita", START),
        ("RET", STOP),
        ("İPTAL", STOP),
        ("IPTAL", STOP),
        ("ıptal", STOP),
        ("Çıkış", STOP),
        ("CIKIS", STOP),
        ("ABONELİKTEN ÇIK", STOP),
        ("YARDIM", HELP),
        ("evet", YES),
        ("ΣΤΟΠ", STOP),
        ("Διακοπή", STOP),
        ("ΔΙΑΚΟΠΗ", STOP),
        ("ΤΕΛΟΣ", STOP),
        ("τέλος", STOP),
        ("ναι", YES),
        ("ΒΟΗΘΕΙΑ", HELP),
        ("СТОП", STOP),
        ("Отписаться.", STOP),
        ("отмена", STOP),
        ("Да", YES),
        ("помощь", HELP),
        ("старт", START),
        ("ВІДПИСАТИСЯ", STOP),
        ("Відписка", STOP),
        ("скасувати", STOP),
        ("Допомога", HELP),
        ("إيقاف", STOP),
        ("ايقاف", STOP),
        ("إلغاء", STOP),
        ("الغاء", STOP),
        ("إِيقَاف", STOP),
        ("إيقـــاف", STOP),
        ("مساعدة", HELP),
        ("مساعده", HELP),
        ("کفی", STOP),
        ("نعم", YES),
        ("הסר", STOP),
        ("הסירו אותי", STOP),
        ("הָסֵר", STOP),
        ("עזרה", HELP),
        ("כן", YES),
        ("रोकें", STOP),
        ("बंद करें।", STOP),
        ("बंद", STOP),
        ("हाँ", YES),
        ("मदद", HELP),
        ("शुरू", START),
        ("退订", STOP),
        ("退訂", STOP),
        ("TD", STOP),
        ("Ｔ退订", STOP),
        ("取消", STOP),
        ("停止", STOP),
        ("「退订」", STOP),
        ("帮助", HELP),
        ("是。", YES),
        ("配信停止", STOP),
        ("停止", STOP),
        ("ストップ", STOP),
        ("ｽﾄｯﾌﾟ", STOP),
        ("はい", YES),
        ("ヘルプ", HELP),
        ("再開", START),
        ("수신거부", STOP),
        ("수신 거부", STOP),
        ("중지", STOP),
        ("도움말", HELP),
        ("네", YES),
        ("시작", START),
    ]);
}

#[test]
fn sentences_of_every_language_are_no_keywords() {
    for text in [
        "Ich komme zum Ende der Woche",
        "On se voit à l'arrêt de bus",
        "La marea baja a las seis",
        "Posso sair mais cedo?",
        "Basta così poco",
        "Het einde van de straat",
        "Koniec pracy o piątej",
        "Konec je v pět",
        "Jag slutar fem",
        "Jeg afmelder mig senere",
        "Kan du melde av til sjefen?",
        "Peruutan ajan huomenna",
        "Randevuyu iptal etmek istiyorum",
        "Στο τέλος του δρόμου",
        "В конце недели",
        "Наприкінці тижня",
        "أريد إلغاء الموعد",
        "אפשר לבטל את התור?",
        "दुकान बंद है",
        "我想取消预约",
        "予約をキャンセルしたい",
        "예약을 취소하고 싶어요",
        "Tak",
        "так",
        "Nein",
        "non",
        "no",
        "нет",
        "红",
        "fine",
        "red",
        "seis",
        "dur",
    ] {
        assert_eq!(classify(text), None, "{text}");
    }
}

#[test]
fn every_listed_word_is_found_as_what_its_list_says() {
    for (language, words) in &WORDS {
        let lists =
            [(words.stop, STOP), (words.stop_alone, STOP), (words.start, START), (words.yes, YES), (words.help, HELP)];
        for (list, expected) in lists {
            for word in list {
                for typed in [(*word).to_owned(), word.to_uppercase(), word.to_lowercase(), format!("¡«{word}».")] {
                    assert_eq!(classify(&typed), expected, "{language} {typed}");
                }
            }
        }
        assert!(!words.stop.is_empty() && !words.start.is_empty() && !words.help.is_empty(), "{language}");
    }
}

#[test]
fn a_plain_yes_asks_for_messages_only_after_a_stop() {
    let yes = classify("Yes").unwrap();
    assert!(yes.applies(true) && !yes.applies(false));
    for text in ["STOP", "START", "HELP"] {
        let keyword = classify(text).unwrap();
        assert!(keyword.applies(true) && keyword.applies(false), "{text}");
    }
}

#[test]
fn a_long_message_is_no_keyword_whatever_is_in_it() {
    let padded = |dots: usize| format!("stop{}", ".".repeat(dots));
    assert_eq!(classify(&padded(MAX_CHARS - 4)), STOP);
    assert_eq!(classify(&padded(MAX_CHARS - 3)), None);
    assert_eq!(classify(&format!("{}stop{}", " ".repeat(100_000), "\n".repeat(100_000))), STOP);
    assert_eq!(classify(&"stop ".repeat(1_000_000)), None);
    // One character that decomposes into eighteen, as often as it fits.
    assert_eq!(classify(&"\u{fdfa}".repeat(MAX_CHARS)), None);
}

/// What may stand around a keyword.
const AROUND: &str = "[ \\t\\r\\n\u{a0}\u{3000}.,;:!?¡¿'\"“”‘’«»()\\[\\]{}<>*_~#/\\\\|+=&%$€@^`\u{200b}\u{200d}\u{200e}\u{2060}\
    \u{feff}\u{fe0f}🛑🙏🏽👍❗✋🚫…–—-]{0,20}";

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC*") {
        let _ = classify(&text);
    }

    #[test]
    fn no_unicode_is_too_strange(text in prop::collection::vec(any::<char>(), 0..300)) {
        let _ = classify(&text.into_iter().collect::<String>());
    }

    #[test]
    fn what_stands_around_changes_nothing(before in AROUND, after in AROUND, language in 0..WORDS.len(), pick: prop::sample::Index) {
        let (_, words) = &WORDS[language];
        let all = [words.stop, words.stop_alone, words.start, words.yes, words.help].concat();
        let word = pick.get(&all);
        let (plain, typed) = (classify(word), classify(&format!("{before}{word}{after}")));
        prop_assert!(plain.is_some());
        prop_assert_eq!(plain, typed);
    }

    #[test]
    fn what_stands_around_makes_no_keyword_of_a_sentence(before in AROUND, after in AROUND, text in "[a-zäß あ]{1,30}") {
        prop_assert_eq!(classify(&text), classify(&format!("{before}{text}{after}")));
    }

    #[test]
    fn a_keyword_with_another_word_is_none(word in "[b-df-hj-mq-z]{4,9}", is_first: bool) {
        let text = if is_first { format!("{word} stop") } else { format!("stop {word}") };
        prop_assert_eq!(classify(&text), None);
    }
}
