"""Asks a Twilio-compatible API with Twilio's official library, whose base URL alone is changed.

usage: twilio_client.py BASE_URL USER PASSWORD [ACCOUNT_SID]

Each line of the input is a JSON list: an operation and its arguments, by the names that Twilio's documentation has for
them in snake case. Each line of the output is a JSON object: `ok` with what the library made of the answer, or `error`
with what it raised.
"""

import datetime
import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

client = Client(*sys.argv[2:])
client.api.base_url = sys.argv[1]

FIELDS = (
    "account_sid api_version body date_created date_sent date_updated direction error_code error_message from_ "
    "messaging_service_sid num_media num_segments price price_unit sid status subresource_uris to uri"
).split()
TIMES = {"send_at", "date_sent", "date_sent_before", "date_sent_after"}


def arguments(given):
    out = {}
    for name, value in given.items():
        if name in TIMES:
            value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        out["from_" if name == "from" else name] = value
    return out


def shown(message):
    out = {}
    for name in FIELDS:
        value = getattr(message, name)
        if isinstance(value, datetime.datetime):
            value = value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        out[name.rstrip("_")] = value
    return out


def answer(operation, given):
    if operation == "validate":
        validator = RequestValidator(given["token"])
        return validator.validate(given["url"], given["params"], given["signature"])
    messages = client.messages
    if operation == "create":
        return shown(messages.create(**arguments(given)))
    if operation == "list":
        return [shown(message) for message in messages.list(**arguments(given))]
    message = messages(given.pop("sid"))
    if operation == "fetch":
        return shown(message.fetch())
    if operation == "update":
        return shown(message.update(**arguments(given)))
    if operation == "delete":
        return message.delete()
    raise ValueError(operation)


for line in sys.stdin:
    try:
        said = {"ok": answer(*json.loads(line))}
    except TwilioRestException as error:
        said = {"error": {"status": error.status, "code": error.code, "message": error.msg}}
    print(json.dumps(said), flush=True)
