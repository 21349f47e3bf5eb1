//! The keywords of each language.
//!
//! English is what US carriers and CTIA's Messaging Principles name; the others are what carriers and providers
//! announce there ("STOP au 36180", "RET yaz", "回TD退订", "수신거부", "הסר"), with the imperatives and verbs that people
//! answer with instead. Accents, case and the like do not matter (see `fold`), so each word stands here once.
//!
//! Left out on purpose, because somebody else's everyday answer reads the same: Italian *fine* (English), Turkish
//! *red* (English) and *dur* (French), Finnish *seis* (Spanish six) and *peru* (the country), Polish *tak* (Danish
//! thanks), Ukrainian *так* (Russian so), Turkish *kabul* (the city), every "no". A start is chosen more carefully than a stop: it makes somebody receive messages.

/// The keywords of one language.
pub(super) struct Words {
    /// Opt-outs that hardly mean anything else.
    pub(super) stop: &'static [&'static str],
    /// Opt-outs that are ordinary words too: they count as the whole message only, without a "please".
    pub(super) stop_alone: &'static [&'static str],
    /// Requests for messages.
    pub(super) start: &'static [&'static str],
    /// A plain "yes": it answers a question far more often than it asks for messages.
    pub(super) yes: &'static [&'static str],
    /// Requests for help.
    pub(super) help: &'static [&'static str],
}

/// All of them, under the language's English name. A word that stands in many languages means the same in each.
pub(super) const WORDS: [(&str, Words); 23] = [
    (
        "English",
        Words {
            stop: &["stop", "stopall", "stop all", "unsubscribe", "optout", "opt out", "revoke", "quit"],
            stop_alone: &["cancel", "end", "remove", "remove me"],
            start: &["start", "unstop", "subscribe", "resubscribe", "optin", "opt in"],
            yes: &["yes"],
            help: &["help", "info"],
        },
    ),
    (
        "German",
        Words {
            stop: &[
                "stopp",
                "stoppen",
                "abmelden",
                "abmeldung",
                "abbestellen",
                "abbestellung",
                "austragen",
                "stop alle",
                "alle stoppen",
            ],
            stop_alone: &[
                "ende",
                "beenden",
                "löschen",
                "loeschen",
                "kündigen",
                "kuendigen",
                "widerruf",
                "widerrufen",
                "stornieren",
            ],
            start: &["starten", "anmelden", "anmeldung", "abonnieren"],
            yes: &["ja"],
            help: &["hilfe"],
        },
    ),
    (
        "French",
        Words {
            stop: &[
                "arrêt",
                "arrêter",
                "arrêtez",
                "stop sms",
                "désabonner",
                "désabonnement",
                "désinscrire",
                "désinscription",
                "désinscrivez moi",
                "me désabonner",
                "me désinscrire",
                "résilier",
                "stop tout",
            ],
            stop_alone: &["fin", "annuler", "supprimer", "quitter", "retirer"],
            start: &["démarrer", "réabonner", "s abonner", "abonner", "reprendre"],
            yes: &["oui"],
            help: &["aide"],
        },
    ),
    (
        "Spanish",
        Words {
            stop: &[
                "baja",
                "darse de baja",
                "darme de baja",
                "dar de baja",
                "parar",
                "pare",
                "detener",
                "desuscribir",
                "desuscribirse",
                "desuscribirme",
                "cancelar suscripción",
                "anular suscripción",
            ],
            stop_alone: &["cancelar", "anular", "alto", "fin", "terminar", "salir", "basta", "eliminar", "borrar"],
            start: &["alta", "iniciar", "suscribir", "suscribirse", "suscribirme", "reanudar", "empezar", "comenzar"],
            yes: &["sí"],
            help: &["ayuda", "información"],
        },
    ),
    (
        "Portuguese",
        Words {
            stop: &[
                "parar",
                "pare",
                "descadastrar",
                "descadastre",
                "cancelar inscrição",
                "cancelar assinatura",
                "remover inscrição",
            ],
            stop_alone: &["sair", "saída", "cancelar", "cancela", "fim", "encerrar", "terminar", "remover", "anular"],
            start: &["iniciar", "começar", "inscrever", "retomar"],
            yes: &["sim"],
            help: &["ajuda", "informação"],
        },
    ),
    (
        "Italian",
        Words {
            stop: &[
                "ferma",
                "fermare",
                "fermate",
                "disiscrivi",
                "disiscrivimi",
                "disiscriviti",
                "disiscrizione",
                "annulla iscrizione",
                "cancella iscrizione",
                "cancellami",
            ],
            stop_alone: &[
                "annulla", "cancella", "basta", "esci", "revoca", "disdici", "disdetta", "rimuovi", "termina",
            ],
            start: &["inizia", "avvia", "iscrivi", "iscrivimi", "iscriviti", "riprendi"],
            yes: &["sì"],
            help: &["aiuto", "informazioni"],
        },
    ),
    (
        "Dutch",
        Words {
            stop: &["afmelden", "afmelding", "uitschrijven", "uitschrijving", "stoppen", "stop alles"],
            stop_alone: &["einde", "opzeggen", "annuleren", "annuleer", "beëindigen", "verwijderen"],
            start: &["starten", "aanmelden", "inschrijven", "hervatten"],
            yes: &["ja"],
            help: &["hulp"],
        },
    ),
    (
        "Polish",
        Words {
            stop: &["rezygnuję", "rezygnacja", "wypisz", "wypisz mnie", "wypisuję się", "zatrzymaj", "wyrejestruj"],
            stop_alone: &["koniec", "anuluj", "usuń", "zakończ", "wyłącz"],
            start: &["zapisz mnie", "wznów", "rozpocznij"],
            yes: &[],
            help: &["pomoc"],
        },
    ),
    (
        "Czech",
        Words {
            stop: &["odhlásit", "odhlásit se", "odhlaste", "odhlášení", "zastavit", "nezasílat"],
            stop_alone: &["konec", "zrušit", "ukončit", "storno"],
            start: &["přihlásit", "přihlásit se", "obnovit", "zasílat"],
            yes: &["ano"],
            help: &["pomoc", "nápověda"],
        },
    ),
    (
        "Swedish",
        Words {
            stop: &["stopp", "stoppa", "avregistrera", "avprenumerera", "avanmäl", "avanmäla"],
            stop_alone: &["avsluta", "sluta", "avbryt", "säg upp", "ta bort"],
            start: &["starta", "prenumerera", "återuppta"],
            yes: &["ja"],
            help: &["hjälp"],
        },
    ),
    (
        "Danish",
        Words {
            stop: &["stop alle", "afmeld", "frameld", "framelding", "afmelding"],
            stop_alone: &["afslut", "annuller", "slet", "opsig"],
            start: &["tilmeld", "genoptag"],
            yes: &["ja"],
            help: &["hjælp"],
        },
    ),
    (
        "Norwegian",
        Words {
            stop: &["stopp", "stopp alle", "avmeld", "avmelding", "meld av", "meld meg av", "avregistrer"],
            stop_alone: &["avslutt", "avbryt", "slutt", "slett", "si opp"],
            start: &["påmelding", "meld på", "gjenoppta", "abonner"],
            yes: &["ja"],
            help: &["hjelp"],
        },
    ),
    (
        "Finnish",
        Words {
            stop: &["lopeta", "lopettaa", "peru tilaus", "peruuta tilaus", "estä", "poista listalta"],
            stop_alone: &["peruuta", "poista", "loppu"],
            start: &["aloita", "jatka tilausta"],
            yes: &["kyllä"],
            help: &["apua", "ohje", "ohjeet", "tietoa"],
        },
    ),
    (
        "Turkish",
        Words {
            stop: &["durdur", "abonelikten çık", "abonelik iptal", "üyelikten çık", "listeden çık"],
            stop_alone: &["ret", "iptal", "iptal et", "çık", "çıkış", "sil", "bitir"],
            start: &["başlat", "başla", "abone ol"],
            yes: &["evet"],
            help: &["yardım", "bilgi"],
        },
    ),
    (
        "Greek",
        Words {
            stop: &["στοπ", "διακοπή", "διαγραφή", "απεγγραφή", "κατάργηση εγγραφής", "diakopi", "diagrafi"],
            stop_alone: &["τέλος", "ακύρωση", "σταμάτα", "σταματήστε", "telos", "akyrosi"],
            start: &["έναρξη", "εγγραφή", "enarxi", "eggrafi"],
            yes: &["ναι"],
            help: &["βοήθεια", "πληροφορίες", "voitheia"],
        },
    ),
    (
        "Russian",
        Words {
            stop: &["стоп", "отписаться", "отписка", "отпишите", "отпишите меня", "отпиши", "прекратить рассылку"],
            stop_alone: &["отмена", "отменить", "отказ", "конец", "хватит", "прекратить", "прекратите", "удалить"],
            start: &["старт", "подписаться", "подписка", "возобновить"],
            yes: &["да"],
            help: &["помощь", "справка", "инфо"],
        },
    ),
    (
        "Ukrainian",
        Words {
            stop: &["стоп", "відписатися", "відписка", "відпишіть", "відпишіть мене", "припинити розсилку"],
            stop_alone: &["скасувати", "відміна", "відмова", "кінець", "досить", "припинити", "видалити"],
            start: &["старт", "підписатися", "підписка", "відновити"],
            yes: &[],
            help: &["допомога", "довідка", "інфо"],
        },
    ),
    (
        "Arabic",
        Words {
            stop: &["إيقاف", "أوقف", "قف", "إلغاء الاشتراك", "الغ الاشتراك", "إيقاف الرسائل", "ستوب"],
            stop_alone: &["إلغاء", "توقف", "إنهاء", "كفى", "حذف"],
            start: &["ابدأ", "بدء", "اشتراك", "اشترك", "تفعيل"],
            yes: &["نعم"],
            help: &["مساعدة", "معلومات"],
        },
    ),
    (
        "Hebrew",
        Words {
            stop: &["הסר", "הסרה", "הסירו", "הסירו אותי", "הסר אותי", "להסרה", "עצור", "סטופ", "ביטול מנוי"],
            stop_alone: &["בטל", "ביטול", "הפסק", "הפסיקו", "סיום", "די"],
            start: &["התחל", "הצטרף", "הרשמה", "הירשם"],
            yes: &["כן"],
            help: &["עזרה", "מידע"],
        },
    ),
    (
        "Hindi",
        Words {
            stop: &["रोकें", "रोको", "बंद करें", "बंद करो", "स्टॉप", "सदस्यता समाप्त", "अनसब्सक्राइब"],
            stop_alone: &["बंद", "बन्द", "रद्द", "रद्द करें", "समाप्त", "रुको", "रुकें"],
            start: &["शुरू", "शुरू करें", "स्टार्ट"],
            yes: &["हाँ", "हां"],
            help: &["मदद", "सहायता", "जानकारी"],
        },
    ),
    (
        "Chinese",
        Words {
            stop: &[
                "退订",
                "退訂",
                "t退订",
                "td退订",
                "退訂簡訊",
                "取消订阅",
                "取消訂閱",
                "停止订阅",
                "停止訂閱",
                "拒收",
                "停发",
                "停發",
            ],
            stop_alone: &["td", "停止", "取消", "停", "结束", "結束", "终止", "終止"],
            start: &["开始", "開始", "订阅", "訂閱", "恢复", "恢復"],
            yes: &["是", "是的"],
            help: &["帮助", "幫助", "说明", "說明"],
        },
    ),
    (
        "Japanese",
        Words {
            stop: &["停止", "配信停止", "解除", "登録解除", "配信解除", "ストップ", "オプトアウト", "配信不要"],
            stop_alone: &["中止", "終了", "キャンセル", "退会", "やめて", "取消", "解約"],
            start: &["開始", "再開", "配信再開", "スタート"],
            yes: &["はい"],
            help: &["ヘルプ", "助け"],
        },
    ),
    (
        "Korean",
        Words {
            stop: &["수신거부", "수신 거부", "구독취소", "구독 취소", "구독해지", "구독 해지", "거부", "스톱", "스탑"],
            stop_alone: &["중지", "정지", "취소", "해지", "종료", "그만"],
            start: &["시작", "재개", "수신동의", "수신 동의", "구독"],
            yes: &["네", "예"],
            help: &["도움말", "도움", "안내"],
        },
    ),
];
