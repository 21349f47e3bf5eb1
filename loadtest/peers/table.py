"""The tables that a comparison ends with: figures, ratios, and whether each target was met."""

EMBEDDED, REDIS = "Sendwheel, embedded", "Sendwheel, Redis"

# Work, figure, what it is called, digits behind the point.
ROWS = [
    ("burst", "bulk_per_s", "schedule in bulk, messages/s", 0),
    ("single", "single_per_s", "schedule one by one, 64 clients, messages/s", 0),
    ("burst", "drain_per_s", "drain what is due at one instant, messages/s", 0),
    ("cancel", "remove_per_s", "cancel one by one, 64 clients, messages/s", 0),
    ("cancel", "list_per_s", "cancel by lists of 1,000 ids, messages/s", 0),
    ("cancel", "contact_per_s", "delete contacts with 1,000 pending, 64 clients, messages/s until answered", 0),
    ("cancel", "contact_gone_per_s", "the same, messages/s until all are gone", 0),
    ("memory", "bytes_each", "memory a pending SMS of 160 characters, bytes", 0),
    ("email", "email_per_s", "email of 1 KB over 64 connections, mails/s", 0),
    ("sms", "sms_per_s", "SMS posted over 64 connections, requests/s", 0),
]
COLUMNS = [EMBEDDED, REDIS, "BullMQ", "Restate", "Celery", "apalis"]
MAIL = [EMBEDDED, REDIS, "smtp-source", "Nodemailer", "wrk"]

# Work, figure, whose, how, how much, and against whose figure (and which, if another) or nothing.
TARGETS = [
    ("burst", "bulk_per_s", EMBEDDED, "at least", 40_000, None),
    ("burst", "bulk_per_s", EMBEDDED, "at least", 3, ("BullMQ", "bulk_per_s")),
    ("burst", "bulk_per_s", EMBEDDED, "at least", 10, ("Restate", "single_per_s")),
    ("burst", "bulk_per_s", REDIS, "at least", 40_000, None),
    ("burst", "bulk_per_s", REDIS, "at least", 3, ("BullMQ", "bulk_per_s")),
    ("burst", "bulk_per_s", REDIS, "at least", 10, ("Restate", "single_per_s")),
    ("burst", "drain_per_s", EMBEDDED, "at least", 2.5, ("BullMQ", "drain_per_s")),
    ("burst", "drain_per_s", EMBEDDED, "at least", 12, ("Restate", "drain_per_s")),
    ("burst", "drain_per_s", REDIS, "at least", 3.5, ("BullMQ", "drain_per_s")),
    ("burst", "drain_per_s", REDIS, "at least", 12, ("Restate", "drain_per_s")),
    *(
        ("steady", figure, f"{store} at 5,000/s", "at most", limit, None)
        for store, limits in ((EMBEDDED, (3, 60, 400)), (REDIS, (3, 20, 250)))
        for figure, limit in zip(("p50_ms", "p99_ms", "max_ms"), limits)
    ),
    *(
        target
        for store in (EMBEDDED, REDIS)
        for target in (
            ("email", "email_per_s", store, "at least", 0.4, ("smtp-source", "email_per_s")),
            ("email", "email_per_s", store, "at least", 4, ("Nodemailer", "email_per_s")),
            ("sms", "sms_per_s", store, "at least", 0.3, ("wrk", "sms_per_s")),
            ("cancel", "remove_per_s", store, "at least", 5, ("BullMQ", "remove_per_s")),
            ("cancel", "contact_per_s", store, "at least", 5, ("BullMQ", "remove_per_s")),
        )
    ),
    ("memory", "bytes_each", EMBEDDED, "at most", 64, None),
    ("memory", "bytes_each", REDIS, "at most", 720, None),
]

NAMES = {(work, figure): name.split(", messages/s")[0] for work, figure, name, _ in ROWS} | {
    ("steady", "p50_ms"): "lateness at a steady rate, p50 (ms)",
    ("steady", "p99_ms"): "lateness at a steady rate, p99 (ms)",
    ("steady", "max_ms"): "lateness at a steady rate, max (ms)",
}

NOTES = """\
What differs. Sendwheel takes its work over HTTP, checks it, keeps contact, order, limits and idempotency of every
message, and answers when it is durable: embedded, synced to the disk; Redis, appended to its file, which is synced every
second. BullMQ, Celery and apalis have their own Redis with the same setting and are driven by their libraries, without
HTTP. Restate runs with its defaults on its own disk and is driven over HTTP; it and Celery have no bulk operation, so
their one-by-one rate stands in both rows. Of the burst Restate gets half and Celery a quarter, so that a run ends in time,
and apalis a twentieth, since its script fails when 8,000 are due at once. Every handler does nothing. Peers warm up in the process that is measured;
figures are medians. wrk posts to the same sink without scheduling anything; smtp-source hands mails to the same smtp-sink.
Lateness: Sendwheel's from its own histogram (max: the bound of the highest bucket), the peers' to the millisecond; apalis
keeps whole seconds. Memory: Redis' used_memory, or what the embedded node's resident memory grew by."""


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def of(results, work, contender, figure):
    return results.get(work, {}).get(contender, {}).get(figure)


def cell(results, work, contender, figure, digits):
    found = results.get(work, {}).get(contender)
    if found is None:
        return ""
    if "failed" in found:
        return "failed"
    value = found.get(figure)
    if value is None and figure == "bulk_per_s":
        value = found.get("single_per_s")
    if value is None and figure == "single_per_s":
        value = of(results, "burst", contender, figure)
    return "" if value is None else number(value, digits)


def grid(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows if any(row[1:])]) + "\n"


def figures_table(results):
    # Celery and Restate add one by one in the burst already.
    for peer in ("Celery", "Restate"):
        if "single" in results and (rate := of(results, "burst", peer, "single_per_s")):
            results["single"].setdefault(peer, {"single_per_s": rate})
    main = [row for row in ROWS if row[0] not in ("email", "sms")]
    text = grid(["work", *COLUMNS], [[name, *(cell(results, work, c, figure, d) for c in COLUMNS)] for work, figure, name, d in main])
    mail = [row for row in ROWS if row[0] in ("email", "sms") and row[0] in results]
    if mail:
        text += "\n" + grid(["work", *MAIL], [[name, *(cell(results, work, c, figure, d) for c in MAIL)] for work, figure, name, d in mail])
    return text


def steady_table(results):
    late = results.get("steady", {})
    rows = [[name, *(cell(results, "steady", name, figure, 1) for figure in ("p50_ms", "p99_ms", "max_ms"))] for name in late]
    return grid(["steady rate, lateness in ms", "p50", "p99", "max"], rows) if rows else ""


def growth_table(results):
    rows = []
    for name, found in results.get("growth", {}).items():
        first = None
        for step in found.get("steps", []):
            cost = step["node_us"] + (step["redis_us"] or 0)
            first = first or cost
            late = (number(step[figure], 1) for figure in ("p50_ms", "p99_ms", "max_ms"))
            start = number(step["first_hand_over_s"], 2)
            rows.append([name, number(step["pending"]), number(cost, 1), f"{cost / first - 1:+.0%}", *late, start])
    head = ["store", "pending", "processor time a message, µs", "against the first", "p50", "p99", "max (ms)", "start to first hand-over, s"]
    return grid(head, rows) if rows else ""


def verdicts(results):
    """Each target with what was reached."""
    rows = []
    for work, figure, whose, how, limit, against in TARGETS:
        value = of(results, work, whose, figure)
        base = of(results, work, *against) if against else 1
        if value is None or base is None:
            continue
        reached = value / base
        is_met = reached >= limit if how == "at least" else reached <= limit
        unit = f" × {against[0]}" if against else ""
        digits = 2 if against else 0
        wanted = f"{how} {limit:,}{unit}"
        verdict = "met" if is_met else f"missed: {reached / limit:.0%} of it"
        rows.append([NAMES[work, figure], whose, wanted, number(reached, digits) + unit, verdict])
    for name, found in results.get("growth", {}).items():
        if steps := found.get("steps"):
            first = steps[-1]["first_hand_over_s"]
            verdict = "met" if first <= 10 else f"missed: {first / 10:.0%} of it"
            rows.append([f"{steps[-1]['pending']:,} pending, start to first hand-over (s)", name, "at most 10", number(first, 2), verdict])
    return grid(["target", "of", "wanted", "reached", ""], rows) if rows else ""


def failures(results):
    lines = [
        f"- {work}, {contender}: {found['failed']}"
        for work, contenders in results.items()
        for contender, found in contenders.items()
        if "failed" in found
    ]
    return "Failed:\n\n" + "\n".join(lines) + "\n" if lines else ""


def markdown(results):
    parts = [figures_table(results), steady_table(results), growth_table(results), verdicts(results), failures(results), NOTES]
    return "\n".join(part for part in parts if part)
