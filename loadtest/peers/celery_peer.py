"""Celery on the work of the comparison: scripts/peers runs it.

    python celery_peer.py burst N LEAD     N tasks with an ETA LEAD seconds after the start, and their execution
    python celery_peer.py single N         the same tasks for tomorrow: how fast they are taken
    python celery_peer.py steady RATE S    RATE tasks a second for S seconds, each due two seconds later
    python celery_peer.py memory N         what N tasks with an ETA take in Redis

Prints one JSON object; REDIS_PORT says where Redis is. Celery has no bulk operation, so two processes add one by one.
The worker is one process with 50 threads and no bound on what it fetches ahead: it holds every task with an ETA in its
own memory until that comes. Results are off; a task is acknowledged when it begins, which is Celery's default.
"""

import datetime as dt
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import redis
from celery import Celery

PORT = os.environ["REDIS_PORT"]
ADDERS = 2
THREADS = 50
WARM_UP = 1_000
AHEAD_S = 2
TICK_S = 0.05
PATIENCE_S = 120
TEXT = ("Your table is ready at eight. We look forward to seeing you. " * 3)[:160]

app = Celery("celery_peer", broker=f"redis://127.0.0.1:{PORT}/0")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=0,
    worker_enable_remote_control=False,
    broker_transport_options={"visibility_timeout": 86_400},
    broker_connection_retry_on_startup=True,
)

late = []


def watch(file):
    """In the worker: writes how many tasks it has run, and when it rests, how late they were."""
    told, rested = 0, True
    while True:
        time.sleep(0.25)
        done = len(late)
        if done == told and rested:
            continue
        state = {"done": done, "at": late[-1][0]}
        rested = done == told
        if rested:
            ordered = sorted(late_ms for _, late_ms in late)
            state |= {"p50_ms": ordered[done // 2], "p99_ms": ordered[done * 99 // 100], "max_ms": ordered[-1]}
        told = done
        new = file.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(file)


if "PEER_FILE" in os.environ:
    threading.Thread(target=watch, args=(pathlib.Path(os.environ["PEER_FILE"]),), daemon=True).start()


@app.task(name="send")
def send(message):
    now = time.time()
    late.append((now, (now - message["due"]) * 1_000))


def add(numbers, due):
    eta = dt.datetime.fromtimestamp(due, dt.timezone.utc)
    for n in numbers:
        message = {"to": f"+1212{2_000_000 + n % 10_000}", "from": "+12125550100", "body": TEXT, "due": due}
        send.apply_async((message,), eta=eta)


def add_all(count, due):
    began = time.monotonic()
    adders = [
        multiprocessing.get_context("spawn").Process(target=add, args=(range(n, count, ADDERS), due)) for n in range(ADDERS)
    ]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    if any(adder.exitcode for adder in adders):
        raise RuntimeError("error: a process that adds tasks failed")
    return count / (time.monotonic() - began)


class Worker:
    def __init__(self, folder, name):
        self.file = pathlib.Path(folder) / name
        words = [sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "-P", "threads", "-c", str(THREADS)]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-O", "fair", "-l", "WARNING"]
        self.process = subprocess.Popen(
            words,
            cwd=pathlib.Path(__file__).parent,
            env=os.environ | {"PEER_FILE": str(self.file), "C_FORCE_ROOT": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def state(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {"done": 0}

    def until(self, count):
        seen, moved = 0, time.monotonic()
        while (state := self.state())["done"] < count:
            if state["done"] > seen:
                seen, moved = state["done"], time.monotonic()
            if time.monotonic() - moved > PATIENCE_S:
                raise TimeoutError(f"{seen} of {count} done, and nothing more")
            time.sleep(0.05)
        return state


def burst(worker, count, lead):
    due = time.time() + lead
    added = add_all(count, due)
    if time.time() > due:
        raise TimeoutError("adding took longer than the lead: give a longer one")
    time.sleep(max(0, due - time.time()))
    state = worker.until(WARM_UP + count)
    return {"single_per_s": added, "drain_per_s": count / (state["at"] - due)}


def steady(worker, rate, seconds):
    began, sent = time.monotonic(), 0
    while sent < rate * seconds:
        time.sleep(TICK_S)
        upto = min(rate * seconds, int((time.monotonic() - began) * rate))
        add(range(sent, upto), time.time() + AHEAD_S)
        sent = upto
    worker.until(WARM_UP + sent)
    while "p50_ms" not in (state := worker.state()):
        time.sleep(TICK_S)
    return {name: state[name] for name in ("p50_ms", "p99_ms", "max_ms")}


def used():
    return redis.Redis(port=int(PORT)).info("memory")["used_memory"]


def main():
    what, *numbers = sys.argv[1:]
    numbers = [int(number) for number in numbers]
    tomorrow = time.time() + 86_400
    if what == "single":
        add(range(WARM_UP), tomorrow)
        return {"single_per_s": add_all(numbers[0], tomorrow)}
    if what == "memory":
        before = used()
        add_all(numbers[0], tomorrow)
        return {"bytes_each": (used() - before) / numbers[0]}
    with tempfile.TemporaryDirectory(prefix="peer-celery-") as folder:
        worker = Worker(folder, "state")
        try:
            add(range(WARM_UP), time.time() + 1)
            worker.until(WARM_UP)
            return {"burst": burst, "steady": steady}[what](worker, *numbers)
        finally:
            worker.process.kill()


if __name__ == "__main__":
    print(json.dumps(main()))
