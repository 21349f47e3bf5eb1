"""The works of the comparison: what each contender is told to do, and which of its figures count.

Every work gives `{contender: figures}`. Sizes are those of a whole run, and of `--quick`.
"""

import json
import re
import subprocess
import sys

from bench import HERE, Failed, tool

STORES = {"Sendwheel, embedded": "embedded", "Sendwheel, Redis": "redis"}
# The slower ones get a part of the burst, so that a run ends in two minutes, and so many seconds to take it in. Of
# apalis-redis 1.0 the script that fetches fails when 8,000 are due at once ("too many results to unpack").
PARTS = {"BullMQ": 1, "apalis": 20, "Restate": 2, "Celery": 4}
MEMORY_PARTS = {"BullMQ": 2, "apalis": 2, "Celery": 8}
LEADS = {"BullMQ": (20, 8), "apalis": (20, 8), "Restate": (35, 12), "Celery": (35, 12)}
# Ten million take their time to come in.
GROWTH_SECONDS = 3_600


def programs(bench):
    """How each peer's program is run."""
    return {
        "BullMQ": ["node", HERE / "bullmq.js"],
        "Celery": [bench.options.bench / "venv/bin/python", HERE / "celery_peer.py"],
        "Restate": ["node", HERE / "restate.js"],
        "apalis": [bench.options.bench / "cargo/release/apalis-peer"],
    }


def on_redis(bench, peer, *words):
    with bench.redis() as port:
        return bench.peer([*programs(bench)[peer], *words], port)


def size(bench, whole, quick):
    return quick if bench.options.quick else whole


def burst(bench):
    """Adds what is all due at one instant, and drains it."""
    count = size(bench, 100_000, 10_000)

    def ours(store):
        added = bench.loadtest(store, "schedule-batch", "--messages", count)
        bench.pause()
        drained = bench.loadtest(store, "drain", "--messages", count)
        return {"bulk_per_s": added["rate"], "drain_per_s": drained["rate"]}

    def warm_up(store):
        bench.loadtest(store, "drain", "--messages", 5_000)

    found = {
        name: bench.repeated(name, lambda: ours(store), lambda: warm_up(store)) for name, store in STORES.items()
    }
    for peer, part in PARTS.items():
        lead = LEADS[peer][bench.options.quick]
        found[peer] = bench.repeated(peer, lambda: on_redis(bench, peer, "burst", count // part, lead))
        if found[peer]:
            found[peer]["messages"] = count // part
    return found


def single(bench):
    """Adds one by one, 64 at a time."""
    count = size(bench, 20_000, 3_000)

    def ours(store):
        figures = bench.loadtest(store, "schedule-single", "--messages", count)
        return {"single_per_s": figures["rate"]}

    found = {name: bench.repeated(name, lambda: ours(store)) for name, store in STORES.items()}
    for peer in ("BullMQ", "apalis"):
        found[peer] = bench.repeated(peer, lambda: on_redis(bench, peer, "single", count))
    return found


def steady(bench):
    """A steady rate, each message due two seconds after it is scheduled: how late it begins."""
    seconds = size(bench, 20, 5)
    found = {}
    for rate, suffix in ((5_000, " at 5,000/s"), (1_000, " at 1,000/s")):

        def ours(store):
            figures = bench.loadtest(store, "steady", "--rate", rate, "--seconds", seconds)
            return {of: figures[f"lateness {of[:3]}"] for of in ("p50_ms", "p99_ms", "max_ms")}

        for name, store in STORES.items():
            found[name + suffix] = bench.repeated(name + suffix, lambda: ours(store))
    for peer in PARTS:
        name = f"{peer} at 1,000/s"
        found[name] = bench.repeated(name, lambda: on_redis(bench, peer, "steady", 1_000, seconds))
    return found


def cancel(bench):
    """Takes back: one by one, and contacts with a thousand pending."""
    count, contacts = size(bench, 20_000, 2_000), size(bench, 20, 3)

    def ours(store):
        figures = bench.loadtest(store, "cancel", "--messages", count, "--leaving", contacts)
        answered, gone = figures["with their contact, answered"], figures["with their contact, all gone"]
        return {
            "remove_per_s": figures["one by one"],
            "list_per_s": figures["by lists of 1,000"],
            "contact_per_s": answered,
            "contact_gone_per_s": gone,
        }

    found = {name: bench.repeated(name, lambda: ours(store)) for name, store in STORES.items()}
    found["BullMQ"] = bench.repeated("BullMQ", lambda: on_redis(bench, "BullMQ", "remove", count))
    return found


def memory(bench):
    """What a pending message takes."""
    count = size(bench, 200_000, 20_000)

    def ours(store):
        figures = bench.loadtest(store, "pending", "--messages", count)
        each = "redis memory a message" if store == "redis" else "resident memory a message"
        first = figures["start to first hand-over after kill -9"]
        return {"bytes_each": figures[each], "first_hand_over_s": first}

    found = {name: bench.repeated(name, lambda: ours(store)) for name, store in STORES.items()}
    for peer, part in MEMORY_PARTS.items():
        found[peer] = bench.repeated(peer, lambda: on_redis(bench, peer, "memory", count // part))
    return found


def email(bench):
    """Mails of 1 KB over 64 connections to Postfix's smtp-sink."""
    count = size(bench, 40_000, 4_000)
    found = {}
    with bench.smtp_sink() as port:

        def ours(store):
            words = ["--smtp", f"127.0.0.1:{port}", "--connections", 64, "--messages", count]
            return {"email_per_s": bench.loadtest(store, "email", *words)["rate"]}

        def source():
            words = [tool("smtp-source"), "-d", "-s", 64, "-l", 1024, "-m", count, f"127.0.0.1:{port}"]
            return {"email_per_s": count / bench.run(words)[1]}

        def nodemailer():
            return bench.peer(["node", HERE / "nodemailer.js", count // 4, port, 64], 0)

        found = {name: bench.repeated(name, lambda: ours(store)) for name, store in STORES.items()}
        found["smtp-source"] = bench.repeated("smtp-source", source, source)
        found["Nodemailer"] = bench.repeated("Nodemailer", nodemailer)
    return found


def sms(bench):
    """SMS posted to a provider's HTTP API over 64 kept-open connections, and the same posts by wrk."""
    count, seconds = size(bench, 50_000, 5_000), size(bench, 8, 2)
    sink = bench.start([bench.options.release / "loadtest", "sink"], stdout=subprocess.PIPE, text=True)
    try:
        url = sink.stdout.readline().strip()

        def ours(store):
            figures = bench.loadtest(store, "sms", "--sink", url, "--connections", 64, "--messages", count)
            return {"sms_per_s": figures["rate"]}

        def wrk():
            said, _ = bench.run([tool("wrk"), "-t", 2, "-c", 64, "-d", seconds, "-s", HERE / "post.lua", url])
            rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
            if rate is None or "Non-2xx" in said:
                raise Failed("wrk: the sink refused what it posted")
            return {"sms_per_s": float(rate[1])}

        found = {name: bench.repeated(name, lambda: ours(store)) for name, store in STORES.items()}
        found["wrk"] = bench.repeated("wrk", wrk, wrk)
        return found
    finally:
        bench.end(sink)


def growth(bench):
    """The same steady load while more and more wait: processor time a message, lateness, restart."""
    sizes = size(bench, "10000,100000,1000000,10000000", "1000,10000")
    found = {}
    for name, store in STORES.items():
        bench.pause()
        try:
            words = ["--sizes", sizes, "--rate", 2_000, "--seconds", size(bench, 20, 5), "--limit", GROWTH_SECONDS]
            figures = bench.loadtest(store, "growth", *words, contacts=100_000, within=GROWTH_SECONDS)
            found[name] = {"steps": figures["growth"]}
        except Failed as failed:
            found[name] = {"failed": str(failed)}
        print(f"  {name}: {json.dumps(found[name])}", file=sys.stderr, flush=True)
    return found


WORKS = {work.__name__: work for work in (burst, single, steady, cancel, memory, email, sms, growth)}
