#!/usr/bin/env python3
"""`sprout run`, everything on, against its peers: throughput at several parallelisms.

The peers: a loop over llama_cpp.Llama.create_chat_completion; llama.cpp's own C++ server, in its
process through xllamacpp (pip install --group bench), fed by as many threads; and, with
--llama-server, that server built by hand. The same model file, chats, token limit, KV cells and
threads; whole processes, start-up and model load included, sides in turn. Prints new tokens per
second, and our best against each peer's best, as ratios of medians.

With --system-tokens every chat carries the same system prompt of about that length; our side is run
without it too, to see what it costs, and the C++ server also with a cache split among its slots.
With --record the rounds are added to a file, and medians are of all that it holds: a busy machine
can be measured in several quiet moments. The loop runs beside parallel 1.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psutil
from measure import SPROUT, in_turn, run, show
from peer_scripts import LLAMA_SERVER, LOOP, SERVER

from sprout.config.sources import load, model_path
from sprout.samples import lines

PARAGRAPH = (
    "You help the staff of a mountain railway. Trains run from the valley to the summit, with "
    "stops at the mill, the chapel and the lake. Tickets are sold at every stop; dogs travel free. "
    "In winter the last train leaves the summit at half past four, in summer at seven. "
)
PARAGRAPH_TOKENS = 62  # of SmolLM2's

Rates = dict[str, list[float]]
PEERS = ("C++ server", "llama-server", "loop", "without it")


def write_chats(path: Path, count: int, system: str | None) -> None:
    """Write the packaged prompts again and again, each a little different, all at L0."""
    found = [json.loads(line)["prompt"] for line in lines("quickstart")]
    with path.open("w") as file:
        for number in range(count):
            user = f"({number + 1}) {found[number % len(found)]}"
            messages = [{"role": "system", "content": system}] if system else []
            messages.append({"role": "user", "content": user})
            chat = {"id": str(number), "messages": messages, "directive": "L0"}
            file.write(json.dumps(chat) + "\n")


def sides(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], float]]:
    """Return what is measured: each gives new tokens per second of one whole process."""
    settings = load({}).settings
    chats, bare = folder / "chats.jsonl", folder / "bare.jsonl"
    system = PARAGRAPH * round(options.system_tokens / PARAGRAPH_TOKENS)
    write_chats(chats, options.chats, system or None)
    write_chats(bare, options.chats, None)
    limits = ["--max-tokens", str(options.max_tokens), "--ctx", str(options.ctx)]
    same = [model_path(settings), settings.threads, options.ctx, options.max_tokens, chats]

    def ours(path: Path, parallel: int) -> float:
        state = folder / f"{parallel}.db"
        common: list[str | Path] = [
            SPROUT,
            "run",
            path,
            "--no-learn",
            "--parallel",
            str(parallel),
            *limits,
        ]
        if not state.exists():  # measures the levels once
            run([*common, "--limit", "1"], state)
        done = run([*common, "--json"], state)
        tokens = json.loads(done.stdout.splitlines()[-1])["data"]["new_tokens"]
        return float(tokens / done.wall_s)

    def peer(script: str, *more: object) -> float:
        done = run([sys.executable, "-c", script, *map(str, (*same, *more))])
        return float(int(done.stdout.splitlines()[-1]) / done.wall_s)

    found: dict[str, Callable[[], float]] = {}
    for parallel in options.parallel:
        found[f"sprout run, parallel {parallel}"] = partial(ours, chats, parallel)
        found[f"C++ server, parallel {parallel}"] = partial(peer, SERVER, parallel)
        if options.llama_server:
            built = partial(peer, LLAMA_SERVER, parallel, options.llama_server)
            found[f"llama-server, parallel {parallel}"] = built
        if options.system_tokens:
            split = partial(peer, SERVER, parallel, "split")
            found[f"C++ server, split cache, parallel {parallel}"] = split
            found[f"without it, parallel {parallel}"] = partial(ours, bare, parallel)
    if 1 in options.parallel:
        found["loop over create_chat_completion"] = partial(peer, LOOP)
    return found


def report(rates: Rates) -> None:
    """Print every side, and our best against each peer's best."""
    medians = {name: show(name, values, "tok/s") for name, values in rates.items()}

    def best(beginning: str) -> float | None:
        return max((v for name, v in medians.items() if name.startswith(beginning)), default=None)

    ours = best("sprout run")
    for peer in PEERS:
        theirs = best(peer)
        if ours and theirs:
            print(f"sprout run / {peer}: {ours / theirs:.2f}")


def earlier(record: Path | None) -> Rates:
    """Return the rounds that the file holds."""
    found: Rates = json.loads(record.read_text()) if record and record.exists() else {}
    return found


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chats", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--ctx", type=int, default=16384)
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--system-tokens", type=int, default=0)
    parser.add_argument("--llama-server", type=Path, help="a llama-server binary, as one more peer")
    parser.add_argument("--record", type=Path, help="a JSON file that rounds are added to")
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs; llama-cpp-python "
        f"{version('llama-cpp-python')}, xllamacpp {version('xllamacpp')}"
    )
    rates = earlier(options.record)
    with tempfile.TemporaryDirectory() as folder:
        measured = sides(options, Path(folder))
        for _ in range(options.rounds):
            for name, (value,) in zip(measured, in_turn(1, *measured.values()), strict=True):
                rates.setdefault(name, []).append(value)
            if options.record:  # each round, since the next may be interrupted
                options.record.write_text(json.dumps(rates, indent=1) + "\n")
    report(rates)


if __name__ == "__main__":
    main()
