"""Checks and makes signatures with the official libraries of Twilio and of Standard Webhooks.

usage: signatures.py < CASES

CASES is a JSON list. A case with `url` is a request of Twilio's: `token`, `url`, `form` (a list of pairs) or `body`
(a text), `signature`. A case with `secret` is a webhook: `secret`, `id`, `timestamp`, `body`, `signature`. Prints a
JSON list with an object for each: `valid`, and `signature`, which is what the library makes of the same case.
"""

import datetime
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twilio.request_validator import RequestValidator


class Pairs(list):
    """A form as web frameworks give it: a name may come more than once."""

    def __iter__(self):
        return (name for name, _ in list.__iter__(self))

    def getall(self, name):
        return [value for other, value in list.__iter__(self) if other == name]


def twilio(case):
    validator = RequestValidator(case["token"])
    params = case["body"] if "body" in case else Pairs(case["form"])
    signed = {} if "body" in case else params
    return {
        "valid": validator.validate(case["url"], params, case["signature"]),
        "signature": validator.compute_signature(case["url"], signed),
    }


def webhook(case):
    library = Webhook(case["secret"])
    headers = {"webhook-id": case["id"], "webhook-timestamp": case["timestamp"], "webhook-signature": case["signature"]}
    try:
        library.verify(case["body"], headers, json_parse=False)
        valid = True
    except WebhookVerificationError:
        valid = False
    sent = datetime.datetime.fromtimestamp(int(case["timestamp"]), tz=datetime.timezone.utc)
    return {"valid": valid, "signature": library.sign(case["id"], sent, case["body"])}


print(json.dumps([twilio(case) if "url" in case else webhook(case) for case in json.load(sys.stdin)]))
