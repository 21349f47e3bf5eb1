"""A real SMTP server for the transport tests: aiosmtpd with scripted answers.

usage: smtp_peer.py FOLDER [--cert PEM --key PEM [--implicit]] [--user NAME --password WORD] [--no-pipelining]

Prints `port N` once it listens. Each mail it takes is written as FOLDER/NNNN.eml and, read back with the
standard library's email package, as FOLDER/NNNN.json (written last). The recipient's local part scripts the
answer: `rcpt-550` `rcpt-450` `rcpt-421` refuse the recipient, `data-554` the content, and `cut-after-data`
closes the connection instead of answering the final dot. FOLDER/commands holds one line per command received.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

REFUSED_RECIPIENTS = {
    "rcpt-550": "550 5.1.1 <{address}>: user {local} unknown",
    "rcpt-450": "450 4.2.1 <{address}>: mailbox busy",
    "rcpt-421": "421 4.3.2 shutting down",
}


class Handler:
    def __init__(self, folder, pipelining):
        self.folder = folder
        self.pipelining = pipelining
        self.count = 0

    def note(self, line):
        with open(self.folder / "commands", "a") as file:
            file.write(line + "\n")

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if not self.pipelining:
            return responses
        # aiosmtpd reads commands from a buffered stream, so it can do what it does not offer by itself.
        return responses[:-1] + ["250-PIPELINING", responses[-1]]

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.note(f"MAIL tls={is_encrypted(server)} auth={bool(session.authenticated)} peer={session.peer[1]}")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.rsplit("@", 1)[0]
        refusal = REFUSED_RECIPIENTS.get(local)
        if refusal:
            return refusal.format(address=address, local=local)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_RSET(self, server, session, envelope):
        self.note("RSET")
        return "250 2.0.0 Ok"

    async def handle_QUIT(self, server, session, envelope):
        self.note("QUIT")
        return "221 2.0.0 Bye"

    async def handle_DATA(self, server, session, envelope):
        local = envelope.rcpt_tos[0].rsplit("@", 1)[0]
        if local == "data-554":
            return "554 5.7.1 looks like spam"
        self.count += 1
        raw = envelope.content
        (self.folder / f"{self.count:04}.eml").write_bytes(raw)
        target = self.folder / f"{self.count:04}.json"
        partial = target.with_suffix(".tmp")
        partial.write_text(json.dumps(describe(raw, server, session, envelope)))
        partial.rename(target)
        if local == "cut-after-data":
            server.transport.abort()
            await asyncio.sleep(3600)
        return f"250 2.0.0 Ok: queued as PEER{self.count:04}"


def is_encrypted(server):
    return server.transport.get_extra_info("ssl_object") is not None


def describe(raw, server, session, envelope):
    """What the standard library reads from a mail."""
    message = email.message_from_bytes(raw, policy=email.policy.default)

    def body(kind):
        part = message.get_body((kind,))
        return None if part is None else part.get_content()

    return {
        "mail_from": envelope.mail_from,
        "rcpt_tos": envelope.rcpt_tos,
        "tls": is_encrypted(server),
        "authenticated": bool(session.authenticated),
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": body("plain"),
        "html": body("html"),
        "attachments": [
            {"filename": part.get_filename(), "type": part.get_content_type(), "hex": part.get_content().hex()}
            for part in message.iter_attachments()
        ],
    }


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--no-pipelining", action="store_true")
    options = parser.parse_args()

    tls = None
    if options.cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.cert, options.key)

    def authenticate(server, session, envelope, mechanism, data):
        wanted = (options.user, options.password)
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == wanted, handled=False)

    handler = Handler(options.folder, not options.no_pipelining)

    def session():
        return SMTP(
            handler,
            hostname="peer.test",
            tls_context=None if options.implicit else tls,
            require_starttls=bool(tls) and not options.implicit,
            authenticator=authenticate if options.user else None,
            auth_required=bool(options.user),
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )

    listener = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=tls if options.implicit else None
    )
    print(f"port {listener.sockets[0].getsockname()[1]}", flush=True)
    # The test holds our standard input open: when it ends, however it ends, so do we.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)


asyncio.run(main())
