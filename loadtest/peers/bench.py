"""Runs the programs of the comparison: each with a store of its own, in its own process group, ended whatever happens."""

import atexit
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Beyond this a run is given up.
RUN_SECONDS = 240
START_SECONDS = 30
# With pauses: so much is measured between two of them.
BETWEEN_PAUSES = 100


class Failed(Exception):
    """A contender did not do the work; the reason is for the table's reader."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}")


class Bench:
    def __init__(self, options):
        self.options = options
        self.under = options.under.split()
        self.groups = set()
        self.measured = 0.0
        atexit.register(self.end_all)
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, lambda *_: sys.exit(130))

    def start(self, words, env=None, **streams):
        """Starts a program as the leader of a group of its own."""
        process = subprocess.Popen(
            [*self.under, *map(str, words)], env=os.environ | (env or {}), start_new_session=True, **streams
        )
        self.groups.add(process.pid)
        return process

    def end(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.groups.discard(process.pid)

    def end_all(self):
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    @contextlib.contextmanager
    def serving(self, words, port):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = self.start(words, **quiet)
        try:
            wait_for_port(port, process)
            yield port
        finally:
            self.end(process)

    @contextlib.contextmanager
    def redis(self):
        """A Redis as loadtest starts its own: appended to disk, synced every second."""
        port, folder = free_port(), tempfile.mkdtemp(prefix="peer-redis-")
        words = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
        try:
            with self.serving(words, port):
                yield port
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def smtp_sink(self):
        port = free_port()
        # It refuses to stay root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with self.serving([tool("smtp-sink"), *user, f"127.0.0.1:{port}", 1000], port):
            yield port

    def run(self, words, env=None, within=RUN_SECONDS):
        """What a program prints, and how long it ran."""
        began = time.monotonic()
        process = self.start(words, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said, complained = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {within} s") from None
        finally:
            self.end(process)
            self.measured += time.monotonic() - began
        if process.returncode != 0:
            raise Failed(reason(complained) or f"ended with {process.returncode}")
        return said, time.monotonic() - began

    def peer(self, words, port):
        """The figures that a peer's program prints as its last object."""
        env = {
            "REDIS_PORT": str(port),
            "NODE_PATH": str(self.options.bench / "node/node_modules"),
            "RESTATE_SERVER": str(self.options.bench / "node/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"),
        }
        objects = [line for line in self.run(words, env)[0].splitlines() if line.startswith("{")]
        if not objects:
            raise Failed("it printed no figures")
        return json.loads(objects[-1])

    def loadtest(self, store, scenario, *words, contacts=10_000, within=RUN_SECONDS):
        """The figures of one scenario, by name."""
        file = self.options.bench / "loadtest.json"
        file.unlink(missing_ok=True)
        command = [self.options.release / "loadtest", "--binary", self.options.release / "sendwheel"]
        command += ["--store", store, "--contacts", contacts, "--json", file, scenario, *words]
        self.run(command, within=within)
        (outcome,) = json.loads(file.read_text())
        figures = {figure["name"]: figure["value"] for figure in outcome["figures"]}
        return figures | {"growth": outcome["growth"]} if "growth" in outcome else figures

    def pause(self):
        if self.options.pause and self.measured > BETWEEN_PAUSES:
            time.sleep(self.options.pause)
            self.measured = 0.0

    def repeated(self, name, once, warm_up=None):
        """Medians of several runs; fewer where one takes long. A contender that fails has no figures but the reason."""
        if self.options.of and not any(name.startswith(of) for of in self.options.of):
            return {}
        runs, spent = [], 0.0
        try:
            if warm_up is not None:
                warm_up()
            while len(runs) < self.options.repeat and (not runs or spent < self.options.budget):
                self.pause()
                began = time.monotonic()
                runs.append(once())
                spent += time.monotonic() - began
                print(f"  {name}: {shown(runs[-1])}", file=sys.stderr, flush=True)
        except Failed as failed:
            print(f"  {name}: failed: {failed}", file=sys.stderr, flush=True)
            if not runs:
                return {"failed": str(failed)}
        named = [figure for figure in runs[0] if figure != "growth"]
        medians = {figure: statistics.median(run[figure] for run in runs) for figure in named}
        return medians | {"runs": runs}


def reason(complained):
    """The line of a program's complaints that says most: its error, not where in the code that was."""
    lines = [line.strip() for line in complained.splitlines() if line.strip()]
    first = [line for line in lines if line.startswith("failed: ")]
    telling = [line for line in lines if "rror" in line or "gave up" in line or "failed" in line]
    return (first or telling[-1:] or lines[-1:] or [""])[0].removeprefix("failed: ")[:300]


def shown(figures):
    return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items() if isinstance(value, (int, float)))


def tool(name):
    """A program that Debian keeps out of users' paths."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if found is None:
        raise Failed(f"{name} is not installed")
    return found
