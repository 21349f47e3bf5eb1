"""Threads a folder of mails with threadweave's implementation of JWZ's algorithm.

usage: threads.py FOLDER

Reads FOLDER/*.eml in order of their names with the standard library's email package. Prints a JSON object from the
Message-ID of each mail (without brackets) to: `parent`, the id of the mail that it was put under, or null; `thread`,
a number that is the same for all mails of one tree; and what the email package read: `in_reply_to`, `references`
(a list), `subject`, `defects`.
"""

import email
import email.policy
import json
import pathlib
import sys

from threadweave import Message, extract_reference_ids, normalize_message_id, thread_messages

read = {}
messages = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.eml")):
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    own = normalize_message_id(mail["Message-ID"])
    references = extract_reference_ids(mail["References"])
    in_reply_to = normalize_message_id(mail["In-Reply-To"])
    messages.append(Message(message_id=own, in_reply_to=in_reply_to, references=references, subject=mail["Subject"]))
    read[own] = {
        "in_reply_to": in_reply_to,
        "references": references,
        "subject": mail["Subject"],
        "defects": [str(defect) for part in mail.walk() for defect in part.defects]
        + [str(defect) for header in mail.values() for defect in header.defects],
    }

for number, root in enumerate(thread_messages(messages)):
    pending = [(root, None)]
    while pending:
        container, parent = pending.pop()
        own = container.message and normalize_message_id(container.message.message_id)
        if own:
            read[own].update(parent=parent, thread=number)
        pending.extend((child, own) for child in container.children)

print(json.dumps(read))
