"""Verifies every DKIM signature of a mail with dkimpy, asking no network.

usage: dkim_verify.py MAIL RECORDS

RECORDS is a JSON object from DNS names (`selector._domainkey.domain.`) to TXT records. Prints a JSON list with
one true or false per signature, in the order of the headers.
"""

import json
import sys

import dkim

mail = open(sys.argv[1], "rb").read()
records = json.load(open(sys.argv[2]))


def txt(name, timeout=5):
    record = records.get(name.decode() if isinstance(name, bytes) else name)
    return record.encode() if record else None


verifier = dkim.DKIM(mail)
count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
results = []
for index in range(count):
    try:
        results.append(bool(dkim.DKIM(mail).verify(idx=index, dnsfunc=txt)))
    except dkim.DKIMException as error:
        print(error, file=sys.stderr)
        results.append(False)
print(json.dumps(results))
