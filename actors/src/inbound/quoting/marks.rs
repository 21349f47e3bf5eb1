//! The lines that mailers put between a reply and what it quotes, in the languages that most mail is written in.

/// Most lines that a sentence such as "On … wrote:" is wrapped into.
const ATTRIBUTION_LINES: usize = 4;
/// Longest such sentence, in bytes.
const ATTRIBUTION_BYTES: usize = 400;
/// Lines looked at for the fields of a header block.
const BLOCK_LINES: usize = 10;

/// Verbs of sentences that say who wrote what follows, in lowercase.
const WROTE: [&str; 40] = [
    "wrote",
    "writes",
    "schrieb",
    "a écrit",
    "escribió",
    "escribio",
    "ha scritto",
    "escreveu",
    "schreef",
    "skrev",
    "kirjoitti",
    "napisał",
    "napisała",
    "napisał(a)",
    "pisze",
    "napsal",
    "napsala",
    "napsal(a)",
    "napísal",
    "napísala",
    "ezt írta",
    "írta",
    "a scris",
    "şunu yazdı",
    "yazdı",
    "написал",
    "написала",
    "написал(а)",
    "пишет",
    "пише",
    "έγραψε",
    "va escriure",
    "menulis",
    "đã viết",
    "のメール",
    "書きました",
    "写道",
    "寫道",
    "님이 작성",
    "כתב",
];

/// Words of a divider, in lowercase, as they stand between dashes.
const DIVIDERS: [&str; 34] = [
    "original message",
    "forwarded message",
    "original appointment",
    "reply message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "original-nachricht",
    "weitergeleitete nachricht",
    "message d'origine",
    "message original",
    "message transféré",
    "message d’origine",
    "mensaje original",
    "mensaje reenviado",
    "messaggio originale",
    "messaggio inoltrato",
    "messaggio originario",
    "mensagem original",
    "mensagem encaminhada",
    "oorspronkelijk bericht",
    "doorgestuurd bericht",
    "ursprungligt meddelande",
    "vidarebefordrat meddelande",
    "oprindelig meddelelse",
    "opprinnelig melding",
    "alkuperäinen viesti",
    "wiadomość oryginalna",
    "původní zpráva",
    "пересылаемое сообщение",
    "исходное сообщение",
    "orijinal mesaj",
    "元のメッセージ",
    "原始邮件",
    "원본 메시지",
];

/// Whole lines above a forwarded mail, in lowercase.
const FORWARDS: [&str; 8] = [
    "begin forwarded message:",
    "anfang der weitergeleiteten nachricht:",
    "début du message réexpédié :",
    "début du message transféré :",
    "inicio del mensaje reenviado:",
    "inizio messaggio inoltrato:",
    "begin doorgestuurd bericht:",
    "início da mensagem reencaminhada:",
];

/// Names of the field that begins a header block, in lowercase.
const FROM: [&str; 20] = [
    "from",
    "von",
    "de",
    "da",
    "van",
    "från",
    "fra",
    "od",
    "от",
    "від",
    "lähettäjä",
    "feladó",
    "από",
    "kimden",
    "de la",
    "差出人",
    "发件人",
    "寄件者",
    "보낸 사람",
    "מאת",
];
/// Names of the fields below it, in lowercase.
const BELOW: [&str; 66] = [
    "sent",
    "date",
    "to",
    "cc",
    "subject",
    "gesendet",
    "datum",
    "an",
    "betreff",
    "envoyé",
    "à",
    "objet",
    "enviado",
    "enviado el",
    "fecha",
    "para",
    "asunto",
    "inviato",
    "data",
    "a",
    "oggetto",
    "enviada em",
    "assunto",
    "verzonden",
    "aan",
    "onderwerp",
    "skickat",
    "till",
    "ämne",
    "sendt",
    "til",
    "emne",
    "lähetetty",
    "vastaanottaja",
    "aihe",
    "wysłano",
    "do",
    "temat",
    "odesláno",
    "komu",
    "předmět",
    "odoslané",
    "predmet",
    "отправлено",
    "дата",
    "кому",
    "тема",
    "надіслано",
    "elküldve",
    "címzett",
    "tárgy",
    "trimis",
    "către",
    "subiect",
    "gönderildi",
    "kime",
    "konu",
    "送信日時",
    "宛先",
    "件名",
    "发送时间",
    "收件人",
    "主题",
    "보낸 날짜",
    "받는 사람",
    "제목",
];

/// Beginnings of sentences that say who wrote what follows, in lowercase; others begin with a date.
const OPENINGS: [&str; 22] = [
    "on ",
    "am ",
    "le ",
    "el ",
    "il giorno ",
    "il ",
    "em ",
    "a ",
    "op ",
    "den ",
    "på ",
    "dne ",
    "dňa ",
    "dnia ",
    "w dniu ",
    "pe ",
    "în data ",
    "la data ",
    "στις ",
    "vào ",
    "pada ",
    "בתאריך ",
];

/// Beginnings of the line that a mailer on a phone puts below a text, in lowercase.
const SENT_FROM: [&str; 24] = [
    "sent from my ",
    "sent from outlook",
    "sent from yahoo mail",
    "sent from mail for windows",
    "sent via ",
    "get outlook for ",
    "von meinem iphone",
    "von meinem ipad",
    "von meinem samsung",
    "gesendet von meinem ",
    "gesendet von outlook",
    "gesendet von mail für",
    "gesendet mit der ",
    "envoyé de mon ",
    "envoyé depuis ",
    "enviado desde mi ",
    "enviado do meu ",
    "inviato da iphone",
    "inviato dal mio ",
    "inviato da outlook",
    "verzonden vanaf mijn ",
    "verstuurd vanaf mijn ",
    "skickat från min ",
    "отправлено с ",
];

/// Whether everything from here on belongs to the mail that is answered or forwarded.
pub(super) fn is_divider(lines: &[&str]) -> bool {
    let Some(line) = lines.first() else { return false };
    if line.starts_with('>') || line.len() > ATTRIBUTION_BYTES {
        return false;
    }
    let line = line.trim();
    if let Some(words) = between_dashes(line) {
        return DIVIDERS.contains(&words.to_lowercase().as_str());
    }
    let is_rule = line.len() >= 20 && line.bytes().all(|byte| byte == b'_');
    if is_rule {
        return lines.get(1..).is_some_and(is_header_block);
    }
    is_header_block(lines) || FORWARDS.contains(&line.to_lowercase().as_str())
}

/// What stands between two runs of dashes.
fn between_dashes(line: &str) -> Option<&str> {
    let is_dash = |c: char| matches!(c, '-' | '—' | '–');
    let words = line.strip_prefix(is_dash)?.strip_suffix(is_dash)?;
    Some(words.trim_matches(|c| is_dash(c) || c == ' '))
}

/// Whether these lines begin with header fields as Outlook repeats them: an author's, and at least two of the others.
fn is_header_block(lines: &[&str]) -> bool {
    let mut lines = lines.iter().take(BLOCK_LINES).skip_while(|line| line.trim().is_empty());
    let is_author = lines.next().and_then(|line| field_name(line)).is_some_and(|name| FROM.contains(&name.as_str()));
    if !is_author {
        return false;
    }
    let mut names: Vec<String> = Vec::new();
    // A long list of recipients is wrapped: lines between the fields are passed over, empty ones end the block.
    for line in lines.take_while(|line| !line.trim().is_empty()) {
        if let Some(name) = field_name(line).filter(|name| BELOW.contains(&name.as_str()) && !names.contains(name)) {
            names.push(name);
        }
    }
    names.len() >= 2
}

/// What stands before the colon, in lowercase, without the marks of bold text.
fn field_name(line: &str) -> Option<String> {
    let line = line.trim_start_matches(['*', ' ', '\t', '\u{a0}']);
    let end = line.char_indices().take(24).find(|(_, c)| matches!(c, ':' | '：')).map(|(at, _)| at)?;
    Some(line[..end].trim_end_matches(['*', ' ', '\u{a0}']).to_lowercase())
}

/// A sentence that says who wrote what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribution {
    /// The lines that it is wrapped into.
    pub(super) lines: usize,
    /// It can be nothing else: it has an address, or a date with a time. Without, a person may have written it.
    pub(super) is_sure: bool,
}

/// Such a sentence that begins with the first of these lines.
///
/// It ends in a colon, has such a verb as a word of its own, and a date or an address.
pub(super) fn attribution(lines: &[&str]) -> Option<Attribution> {
    let mut sentence = String::new();
    // Where each line begins in it.
    let mut starts = Vec::with_capacity(ATTRIBUTION_LINES);
    for line in lines.iter().take(ATTRIBUTION_LINES) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('>') || sentence.len() + line.len() > ATTRIBUTION_BYTES {
            return None;
        }
        starts.push(sentence.len());
        sentence.push_str(line);
        if line.ends_with([':', '：']) {
            // "Thanks!" above it does not belong to it: unless the first line opens it, a later one may.
            let is_start = says_who_wrote(&sentence)
                && (opens(lines[0]) || !starts[1..].iter().any(|start| says_who_wrote(&sentence[*start..])));
            return is_start.then(|| Attribution { lines: starts.len(), is_sure: is_sure(&sentence) });
        }
        sentence.push(' ');
    }
    None
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// Whether a line can be the first of such a sentence: it begins like one, or with a date.
fn opens(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    let is_opening =
        OPENINGS.iter().any(|word| line.starts_with(word)) || line.starts_with(|c: char| c.is_ascii_digit());
    is_opening && digits(&line) >= 2
}

fn is_sure(sentence: &str) -> bool {
    let mut characters = sentence.as_bytes().windows(3);
    let has_time = characters.any(|around| {
        around[0].is_ascii_digit() && matches!(around[1], b':' | b'.' | b'h') && around[2].is_ascii_digit()
    });
    sentence.contains('@') || (has_time && digits(sentence) >= 5 && opens(sentence))
}

fn says_who_wrote(sentence: &str) -> bool {
    if digits(sentence) < 3 && !sentence.contains('@') {
        return false;
    }
    let sentence = sentence.to_lowercase();
    WROTE.iter().any(|verb| {
        sentence.match_indices(verb).any(|(at, _)| {
            let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphabetic());
            let is_word =
                is_apart(sentence[..at].chars().next_back()) && is_apart(sentence[at + verb.len()..].chars().next());
            is_word || is_unspaced_script(verb)
        })
    })
}

/// Chinese, Japanese, Korean: what stands beside a word is no sign of its borders.
fn is_unspaced_script(verb: &str) -> bool {
    verb.starts_with(|c| c >= '\u{3000}')
}

/// Whether a signature begins with this line: `-- ` (RFC 3676 §4.3; the blank is often lost), or what mailers on
/// phones add.
pub(super) fn begins_signature(line: &str) -> bool {
    let line = line.trim_end_matches(['\r', '\n']);
    if matches!(line, "-- " | "--" | "—") {
        return true;
    }
    line.len() <= 100 && {
        let line = line.trim().to_lowercase();
        SENT_FROM.iter().any(|start| line.starts_with(start))
    }
}
