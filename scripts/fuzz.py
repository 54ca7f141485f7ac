#!/usr/bin/env python3
"""Send broken inputs through every way that foreign bytes come in; print counts per target.

    scripts/fuzz.py --inputs 20000 --seed 1 [--target prompts --target csv] [--keep FOLDER]

A finding is whatever is none of Sprout's own errors, or takes more than --limit seconds. Findings
are written into the folder, one file each, with the traceback on standard error; exit status 1. The
same seed makes the same inputs. `--target gguf` loads broken models, each in a process of its own;
it is slow, so it runs only when it is named, or with --all. With `--atheris` (pip install atheris)
one target is driven by coverage, for --seconds.
"""

import argparse
import faulthandler
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from attack.mutation import mutate  # noqa: E402
from attack.targets import Target, targets  # noqa: E402
from local.tiny_gguf import ARRAY, F32, I32, STRING, U32, tiny_gguf  # noqa: E402

from sprout.errors import SproutError  # noqa: E402

INTEGERS = (0, 1, 2, 3, 7, 8, 9, 255, 256, 2**31 - 1, 2**31, 2**32 - 1)
KEYS = (
    *("llama.context_length", "llama.embedding_length", "llama.block_count"),
    *("llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"),
    *("llama.rope.dimension_count", "llama.attention.key_length", "llama.expert_count"),
    *("llama.expert_used_count", "llama.vocab_size", "general.alignment", "split.count"),
    *("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"),
    *("tokenizer.ggml.eot_token_id", "tokenizer.ggml.padding_token_id"),
)


class TooSlowError(Exception):
    """An input took longer than --limit."""


@contextmanager
def limited(limit_s: float) -> Iterator[None]:
    """Raise TooSlowError in the block after so long; a C function that hangs ends the program."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {limit_s:g} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    faulthandler.dump_traceback_later(6 * limit_s, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def fuzz(name: str, target: Target, options: argparse.Namespace) -> int:
    """Run one target; return how many kinds of findings there were."""
    rng = random.Random(f"{options.seed} {name}")  # noqa: S311 - to be repeatable
    counts: Counter[str] = Counter()
    kinds: set[str] = set()
    start_s, slowest_s = time.perf_counter(), 0.0
    for _ in range(options.inputs):
        data = mutate(rng, rng.choice(target.seeds))
        begin_s = time.perf_counter()
        try:
            with limited(options.limit):
                target.run(data)
            counts["taken"] += 1
        except SproutError:
            counts["refused"] += 1
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            counts["findings"] += 1
            kind = "".join(traceback.format_tb(error.__traceback__)[-1:]) + type(error).__name__
            if kind not in kinds:
                kinds.add(kind)
                keep(options.keep, f"{name}-{len(kinds)}", data)
                traceback.print_exc()
        slowest_s = max(slowest_s, time.perf_counter() - begin_s)
    show(name, options.inputs, counts, time.perf_counter() - start_s, slowest_s)
    return len(kinds)


def keep(folder: Path | None, name: str, data: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def show(name: str, num: int, counts: Counter[str], seconds: float, slowest_s: float) -> None:
    parts = ", ".join(f"{counts[kind]} {kind}" for kind in ("taken", "refused", "findings"))
    told = f"{parts}; {seconds:.1f} s, slowest {slowest_s:.2f} s"
    print(f"{name:18} {num:8} inputs: {told}", flush=True)


# models, each in a process of its own


def broken_weights(rng: random.Random) -> bytes:
    """Return a model some of whose weights are no numbers, huge, or any bytes."""
    data = bytearray(tiny_gguf())
    end = len(data) - 4
    begin = data.index(b"blk.0.ffn_down.weight") + 64
    for _ in range(rng.choice((1, 1, 4, 64))):
        at = rng.randrange(begin, end) & ~3
        number = rng.choice((float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e-45, 0.0))
        spoilt = struct.pack("<f", number) if rng.random() < 0.7 else rng.randbytes(4)  # noqa: PLR2004
        num = rng.choice((1, 1, 32, 1024))
        data[at : at + 4 * num] = spoilt * min(num, (end + 4 - at) // 4)
    return bytes(data)


def broken_model(rng: random.Random) -> bytes:
    """Return a model with a broken header, vocabulary or metadata, or with spoilt weights."""
    if rng.random() < 0.3:  # noqa: PLR2004
        return broken_weights(rng)
    base = tiny_gguf()
    if rng.random() < 0.5:  # noqa: PLR2004
        changes: dict[str, tuple[int, Any]] = {
            key: (U32, rng.choice(INTEGERS)) for key in rng.sample(KEYS, rng.choice((1, 1, 2)))
        }
        if rng.random() < 0.2:  # noqa: PLR2004
            epsilon = rng.choice((0.0, float("nan"), float("inf"), -1.0))
            changes["llama.attention.layer_norm_rms_epsilon"] = (F32, epsilon)
        if rng.random() < 0.2:  # noqa: PLR2004
            changes["tokenizer.ggml.model"] = (STRING, rng.choice(("llama", "bert", "t5", "no")))
        if rng.random() < 0.2:  # noqa: PLR2004
            texts = [
                rng.choice(("", "a", "b", "\0", "\u20ac")) for _ in range(rng.choice((0, 2, 300)))
            ]
            changes["tokenizer.ggml.tokens"] = (ARRAY, (STRING, texts))
            kinds = [rng.choice((0, 1, 3, 4, -1)) for _ in range(rng.choice((0, 260)))]
            changes["tokenizer.ggml.token_type"] = (ARRAY, (I32, kinds))
        return tiny_gguf(changes=changes)
    data = bytearray(base)
    end = base.index(b"blk.0.ffn_down.weight") + 60
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(4, end)
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at : at + 8] = struct.pack(
                    "<Q", rng.choice((*INTEGERS, 2**40, 2**63, 2**64 - 1))
                )
            case 2:
                del data[rng.randrange(4, len(data)) :]
                break
            case _:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


def fuzz_models(folder: Path, options: argparse.Namespace) -> int:
    from sprout.chat import Message, Sampling  # noqa: PLC0415
    from sprout.engine import batching  # noqa: F401, PLC0415 - before the forks
    from sprout.engine import open as opening  # noqa: PLC0415
    from sprout.engine.base import Request  # noqa: PLC0415

    rng = random.Random(f"{options.seed} gguf")  # noqa: S311 - to be repeatable
    path, counts, num = folder / "broken.gguf", Counter[str](), min(options.inputs, options.models)
    start_s, slowest_s = time.perf_counter(), 0.0
    engine_options = opening.EngineOptions(2, 1, 256, 0, shares_prefixes=True)
    for _ in range(num):
        path.write_bytes(broken_model(rng))
        begin_s = time.perf_counter()
        child = os.fork()
        if child == 0:
            signal.alarm(int(6 * options.limit))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                engine = opening.open_engine(path, engine_options, datetime.now(UTC))
                engine.submit(Request("a", (Message("user", "Hi"),), Sampling(max_tokens=4), "L0"))
                while engine.is_busy:
                    engine.step()
                os._exit(0)
            except SproutError:
                os._exit(10)
            except BaseException:  # noqa: BLE001 - that is what is looked for
                os._exit(11)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        kind = {0: "taken", 10: "refused", 69: "last words"}.get(code, "findings")
        counts[kind] += 1
        if kind == "findings":
            keep(options.keep, f"gguf-{code}-{counts[kind]}", path.read_bytes())
        slowest_s = max(slowest_s, time.perf_counter() - begin_s)
    show("gguf", num, counts, time.perf_counter() - start_s, slowest_s)
    print(f"{'':18} of them {counts['last words']} in which llama.cpp gave up with last words")
    return counts["findings"]


def drive_by_coverage(target: Target, options: argparse.Namespace) -> None:
    """Let atheris choose the inputs; it ends the program."""
    import atheris  # noqa: PLC0415 - an optional tool

    def run(data: bytes) -> None:
        try:
            target.run(data)
        except SproutError:
            return

    def change(data: bytes, _max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)  # noqa: S311 - atheris chose the seed
        return mutate(rng, data or rng.choice(target.seeds))

    arguments = [sys.argv[0], f"-max_total_time={options.seconds}", f"-seed={options.seed}"]
    atheris.Setup(arguments, run, custom_mutator=change)
    atheris.instrument_all()
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=2000, help="for each target")
    parser.add_argument("--models", type=int, default=1000, help="at most so many inputs of gguf")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", default=[], help="again for more; else most")
    parser.add_argument("--all", action="store_true", help="gguf too")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds for one input")
    parser.add_argument("--keep", type=Path, help="folder for inputs that found something")
    parser.add_argument("--atheris", action="store_true", help="one target, driven by coverage")
    parser.add_argument("--seconds", type=int, default=60, help="for --atheris")
    options = parser.parse_args()
    num_kinds = 0
    with tempfile.TemporaryDirectory() as name, targets(Path(name)) as known:
        wanted = options.target or [*known, *(["gguf"] if options.all else [])]
        if options.atheris:
            drive_by_coverage(known[wanted[0]], options)
        for target in wanted:
            if target == "gguf":
                num_kinds += fuzz_models(Path(name), options)
            else:
                num_kinds += fuzz(target, known[target], options)
    return 1 if num_kinds else 0


if __name__ == "__main__":
    sys.exit(main())
