"""Answers a mail as programs of other people do, and delivers the answer over LMTP.

usage: mail_client.py LMTP_SOCKET SHAPE RECEIVED.eml ENVELOPE_SENDER TEXT

SHAPE is `gmail` or `thunderbird`: a reply by the recipient, with the thread headers, the quoted text and the HTML
alternative that these write (TEXT is what the person says); or `postfix`: the report that Postfix makes of a mail that
the next server refused (TEXT is that server's answer), sent to ENVELOPE_SENDER. Prints the answer's Message-ID.
"""

import email
import email.policy
import html
import smtplib
import sys
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

socket, shape, path, envelope_sender, text = sys.argv[1:6]
with open(path, "rb") as file:
    raw = file.read()
mail = email.message_from_bytes(raw, policy=email.policy.default)
recipient = parseaddr(mail["To"])[1]
quoted = mail.get_body(("plain",)).get_content().rstrip("\n")
ours = parseaddr(mail["Reply-To"] or mail["From"])[1]


def reply(message_id, order):
    """The header of a reply, in the order that the program writes it."""
    subject = mail["Subject"]
    references = " ".join(filter(None, [mail["References"], mail["Message-ID"]]))
    fields = {
        "MIME-Version": "1.0",
        "Date": formatdate(localtime=True),
        "From": f"Person <{recipient}>",
        "To": mail["Reply-To"] or mail["From"],
        "Subject": subject if subject.lower().startswith("re:") else f"Re: {subject}",
        "Message-ID": message_id,
        "In-Reply-To": mail["Message-ID"],
        "References": references,
        "User-Agent": "Mozilla Thunderbird",
        "Content-Language": "en-US",
    }
    message = EmailMessage(policy=email.policy.SMTP)
    for name in order.split():
        message[name] = fields[name]
    return message


def gmail():
    message = reply("<CAFx7yQ=h0e2+Jw@mail.gmail.com>", "References In-Reply-To From Date Message-ID Subject To")
    attribution = f"On Fri, Nov 27, 2026 at 9:00 AM {mail['From']} wrote:"
    lines = "".join(f"> {line}\n" for line in quoted.split("\n"))
    message.set_content(f"{text}\n\n{attribution}\n\n{lines}", cte="quoted-printable")
    message.add_alternative(
        f'<div dir="ltr">{html.escape(text)}</div><br><div class="gmail_quote gmail_quote_container">'
        f'<div dir="ltr" class="gmail_attr">{html.escape(attribution)}<br></div>'
        '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid '
        f'rgb(204,204,204);padding-left:1ex">{html.escape(quoted)}</blockquote></div>\n',
        subtype="html",
        cte="quoted-printable",
    )
    return recipient, ours, message


def thunderbird():
    order = "Message-ID Date MIME-Version User-Agent Subject To References Content-Language From In-Reply-To"
    message = reply("<5d2f8a31-7c66-4c55-9a1e-0f1f6f7b1c11@client.example>", order)
    del message["MIME-Version"]
    lines = "".join(f"> {line}\n" for line in quoted.split("\n"))
    message.set_content(f"On 11/27/26 09:00, {parseaddr(mail['From'])[0]} wrote:\n{lines}\n{text}\n", cte="8bit")
    message.replace_header("Content-Type", "text/plain; charset=UTF-8; format=flowed")
    return recipient, ours, message


def postfix():
    boundary = "4WfX2k1QzVz9rxN.1796115600/mx.example.org"
    header = raw.split(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")[0].decode().replace("\r\n", "\n")
    message_id = "<20261127090000.4WfX2k1QzVz9rxN@mx.example.org>"
    report = f"""\
Return-Path: <>
Received: by mx.example.org (Postfix)
	id 4WfX2k1QzVz9rxN; {formatdate()}
Date: {formatdate()}
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {envelope_sender}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="{boundary}"
Content-Transfer-Encoding: 7bit
Message-Id: {message_id}

This is a MIME-encapsulated message.

--{boundary}
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{recipient}>: host mail.example.com[192.0.2.25] said: {text}
    (in reply to RCPT TO command)

--{boundary}
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4WfX2k1QzVz9rxN
X-Postfix-Sender: rfc822; {envelope_sender}
Arrival-Date: {formatdate()}

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: failed
Status: {text.split()[1]}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {text}

--{boundary}
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 7bit

{header}

--{boundary}--
"""
    return "", envelope_sender, report


sender, to, answer = {"gmail": gmail, "thunderbird": thunderbird, "postfix": postfix}[shape]()
content = answer if isinstance(answer, str) else answer.as_bytes()
with smtplib.LMTP(socket) as client:
    refused = client.sendmail(sender, [to], content.replace("\n", "\r\n") if isinstance(content, str) else content)
assert not refused, refused
print(email.message_from_string(answer)["Message-ID"] if isinstance(answer, str) else answer["Message-ID"])
