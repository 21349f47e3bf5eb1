"""Writes mails of many shapes, and what the standard library's email package reads from them.

usage: mail_corpus.py FOLDER SEED COUNT

Each mail is FOLDER/NNNN.eml; FOLDER/expected.json holds one object a mail, in order. What is expected is read back
from the bytes with `email.policy.default`, not remembered from writing them.
"""

import base64
import email
import email.policy
import hashlib
import json
import pathlib
import random
import sys
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
import datetime

TEXTS = {
    "utf-8": ["Grüße aus Köln\n", "日本語のメール。\nはい。\n", "Emoji 🎉 and ümläuts\n\n> quoted\n", "plain ascii\n"],
    "us-ascii": ["plain ascii\n", "From the start\n.\n..dots\n", "a = b; =3D stays\n", "long " + "word " * 300 + "\n"],
    "iso-8859-1": ["Grüße, señor\n", "Æther ½\n"],
    "windows-1252": ["“Grüße” – 5 €\n"],
    "koi8-r": ["Привет, мир\n"],
    "windows-1251": ["Привет, мир\n"],
    "iso-8859-2": ["Zażółć gęślą jaźń\n"],
    "iso-8859-15": ["5 € für Œuvre\n"],
    "shift_jis": ["日本語のメール\n"],
    "iso-2022-jp": ["日本語のメール\nはい\n"],
    "euc-kr": ["안녕하세요\n"],
    "gb2312": ["你好，世界\n"],
    "big5": ["你好，世界\n"],
}
NAMES = ["", "Jane Doe", "Doe, Jane", "Jürgen Müller", "O'Brien \"Bob\"", "山田太郎", "Иван Петров", "a.b (c)"]
SUBJECTS = [
    "Hello", "Re: Angebot für März", "日本語の件名" * 6, "A subject that is long enough to be folded over a line or two, or three",
    "émoji 🎉 in the middle of it all, and more text behind it so that it is folded", "  spaces  inside  ", "=?not an encoded word?=",
]
FILES = ["report.pdf", "Übersicht über alles.pdf", "very " * 20 + "long name.txt", "写真.jpg", "semi;colon \"quoted\".bin"]


def address(rng):
    local = rng.choice(["jane", "john.doe", "reply+abc123", "a_b-c", "x" * 40])
    return Address(display_name=rng.choice(NAMES), username=local, domain=rng.choice(["example.com", "mail.example.org"]))


def message_id(rng):
    return f"<{rng.getrandbits(64):x}.{rng.randrange(10**6)}@{rng.choice(['example.com', 'mail.example.org'])}>"


def with_header(message, rng):
    message["Message-ID"] = message_id(rng)
    message["From"] = address(rng)
    message["To"] = [address(rng) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.4:
        message["Cc"] = [address(rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.6:
        parents = [message_id(rng) for _ in range(rng.randint(1, 6))]
        message["In-Reply-To"] = parents[-1]
        message["References"] = " ".join(parents)
    message["Subject"] = rng.choice(SUBJECTS)
    zone = datetime.timezone(datetime.timedelta(minutes=rng.choice([0, 60, -300, 330, 845])))
    when = datetime.datetime.fromtimestamp(rng.randrange(10**8, 4 * 10**9), zone)
    message["Date"] = format_datetime(when)


def text_part(rng, subtype="plain"):
    charset = rng.choice(list(TEXTS))
    text = rng.choice(TEXTS[charset])
    if subtype == "html":
        text = f"<p>{text.strip()}</p>\n"
    part = EmailMessage()
    cte = rng.choice(["quoted-printable", "base64"]) if charset != "iso-2022-jp" else rng.choice(["7bit", "base64"])
    data = text.encode(charset)
    part["Content-Type"] = f"text/{subtype}; charset=\"{charset}\""
    if all(byte < 128 for byte in data) and max(len(line) for line in data.split(b"\n")) < 900 and rng.random() < 0.5:
        cte = "7bit"
    elif charset != "iso-2022-jp" and rng.random() < 0.2 and max(len(line) for line in data.split(b"\n")) < 900:
        cte = "8bit"
    part["Content-Transfer-Encoding"] = cte
    if cte == "base64":
        part.set_payload(base64.encodebytes(data).decode("ascii"))
    elif cte == "quoted-printable":
        import quopri

        part.set_payload(quopri.encodestring(data).decode("ascii"))
    else:
        part.set_payload(data.decode("ascii", "surrogateescape"))
    return part


def file_part(rng):
    part = EmailMessage()
    kind = rng.choice(["pdf", "octet-stream", "zip", "png"])
    data = rng.randbytes(rng.randrange(0, 3000))
    maintype = "image" if kind == "png" else "application"
    cid = message_id(rng) if kind == "png" and rng.random() < 0.5 else None
    part.set_content(
        data, maintype=maintype, subtype=kind, filename=rng.choice(FILES), disposition=rng.choice(["attachment", "inline"]), cid=cid
    )
    return part


def attached_message(rng):
    inner = EmailMessage()
    with_header(inner, rng)
    inner.set_content("the inner message\n")
    part = EmailMessage()
    part.set_content(inner)
    return part


def container(subtype, parts, rng):
    message = EmailMessage()
    message["Content-Type"] = f"multipart/{subtype}"
    message.set_boundary(rng.choice(["b", "=_Part_1.2", "----=_Next (x)", "0000000000001c"]) + f"{rng.randrange(10**6)}")
    message.set_payload(parts)
    if rng.random() < 0.3:
        message.preamble = "This is a message in MIME format.\n"
    return message


def report(rng):
    status = EmailMessage()
    status["Content-Type"] = "message/delivery-status"
    groups = ["Reporting-MTA: dns; mx.example.com\nArrival-Date: Mon, 23 Nov 2026 18:00:00 +0100\n"]
    for _ in range(rng.randint(1, 4)):
        action, code = rng.choice([("failed", "5.1.1"), ("failed", "4.2.2"), ("delayed", "4.4.1"), ("delivered", "2.0.0")])
        groups.append(
            f"Final-Recipient: rfc822; {address(rng).addr_spec}\nAction: {action}\nStatus: {code}\n"
            f"Diagnostic-Code: smtp; 550 {code} no such\n    user here\n"
        )
    parsed = email.message_from_string("Content-Type: message/delivery-status\n\n" + "\n".join(groups))
    status.set_payload(parsed.get_payload())
    return container("report", [text_part(rng), status, attached_message(rng)], rng)


def shape(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return text_part(rng)
    if kind == 1:
        return text_part(rng, "html")
    alternative = container("alternative", [text_part(rng), text_part(rng, "html")], rng)
    if kind == 2:
        return alternative
    if kind == 3:
        return container("mixed", [alternative] + [file_part(rng) for _ in range(rng.randint(1, 3))], rng)
    if kind == 4:
        return container("mixed", [text_part(rng), file_part(rng), attached_message(rng)], rng)
    if kind == 5:
        related = container("related", [text_part(rng, "html"), file_part(rng)], rng)
        return container("alternative", [text_part(rng), related], rng)
    if kind == 6:
        return report(rng)
    return file_part(rng)


def damaged(data, rng):
    """What happens to mails on their way, and hurts nobody."""
    if rng.random() < 0.3:
        data = data.replace(b"\n", b"\r\n")
    if rng.random() < 0.1:
        data = data.rstrip()
        if data.endswith(b"--"):
            data = data[: data.rindex(b"\n--")] + (b"\r\n" if b"\r\n" in data else b"\n")
    if rng.random() < 0.1:
        data = data.replace(b"\nSubject:", b"\nsubject:").replace(b"\nFrom:", b"\nFROM:")
    return data


def leaves(part):
    if part.get_content_maintype() == "multipart":
        for child in part.iter_parts():
            yield from leaves(child)
    else:
        yield part


def readable(value):
    """Header fields in UTF-8 (RFC 6532) come as escaped bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8")
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return value


def expected(data):
    mail = email.message_from_bytes(data, policy=email.policy.default)
    addresses = lambda name: [
        address.addr_spec for field in mail.get_all(name, []) for address in field.addresses if address.domain
    ]
    author = mail["From"].addresses[0]
    texts = []
    files = []
    has_html = False
    for part in leaves(mail):
        is_text = part.get_content_type() in ("text/plain", "text/html")
        name = part.get_filename()
        if is_text and part.get_content_disposition() != "attachment" and not name:
            if part.get_content_type() == "text/plain":
                payload = part.get_payload(decode=True)
                texts.append(payload.decode(part.get_content_charset("utf-8"), "replace"))
            else:
                has_html = True
            continue
        content = None
        if part.get_content_maintype() != "message":
            content = part.get_payload(decode=True)
        files.append(
            {
                "filename": name or "",
                "content_type": part.get_content_type(),
                "size": None if content is None else len(content),
                "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
            }
        )
    recipients = []
    for part in leaves(mail):
        if part.get_content_type() == "message/delivery-status":
            for group in part.get_payload():
                if group["Final-Recipient"]:
                    recipient = group["Final-Recipient"].split(";", 1)[1].strip()
                    recipients.append([recipient, group["Action"].strip(), group["Status"].strip()])
    return {
        "message_id": mail["Message-ID"].strip(),
        "in_reply_to": (mail["In-Reply-To"] or "").split(),
        "references": (mail["References"] or "").split(),
        "from": [author.display_name, author.addr_spec],
        "to": addresses("To"),
        "cc": addresses("Cc"),
        "subject": " ".join(mail["Subject"].split()),
        "timestamp": int(mail["Date"].datetime.timestamp()),
        "text": "".join(texts).replace("\r\n", "\n"),
        "has_plain": bool(texts),
        "has_html": has_html,
        "files": files,
        "recipients": recipients,
    }


def main():
    folder, seed, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    found = []
    for number in range(count):
        mail = shape(rng)
        with_header(mail, rng)
        policy = rng.choice([email.policy.SMTP, email.policy.default, email.policy.SMTPUTF8])
        data = mail.as_bytes(policy=policy.clone(max_line_length=rng.choice([60, 78, 200])))
        data = damaged(data.replace(b"\r\n", b"\n"), rng)
        (folder / f"{number:04}.eml").write_bytes(data)
        found.append(readable(expected(data)))
    (folder / "expected.json").write_text(json.dumps(found))


main()
