"""Compares Sendwheel with its peers: scripts/peers prepares what it needs and runs it."""

import argparse
import json
import pathlib
import sys

from bench import Bench
from table import markdown
from works import WORKS


def options():
    parser = argparse.ArgumentParser(prog="scripts/peers", description=__doc__)
    parser.add_argument("--bench", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--release", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work, not how fast")
    parser.add_argument("--only", action="append", choices=WORKS, metavar="NAME", help=f"one of: {', '.join(WORKS)}")
    parser.add_argument("--of", action="append", metavar="CONTENDER", help="only these; of others stays what is there")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--budget", type=int, default=180, help="seconds after which no further run of one begins")
    parser.add_argument("--under", default="", help="what every program is run under, such as 'chrt -r 5'")
    parser.add_argument("--pause", type=int, default=0, help="seconds of rest after every 100 that are measured, for others on the machine")
    return parser.parse_args()


def main():
    chosen = options()
    bench = Bench(chosen)
    file = chosen.bench / ("quick.json" if chosen.quick else "peers.json")
    # What was measured before stays, so that one work can be measured again.
    results = json.loads(file.read_text()) if file.exists() and (chosen.only or chosen.of) else {}
    for name in chosen.only or WORKS:
        print(f"{name}: {WORKS[name].__doc__}", file=sys.stderr, flush=True)
        found = {contender: figures for contender, figures in WORKS[name](bench).items() if figures}
        results[name] = (results.get(name, {}) if chosen.of else {}) | found
        file.write_text(json.dumps(results, indent=1))
    text = markdown(results)
    file.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
