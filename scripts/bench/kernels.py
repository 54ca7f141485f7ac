#!/usr/bin/env python3
"""What llama.cpp's kernels give on this machine, by type of weights: tokens per second.

Each file is decoded with several sequences of 96 tokens at a time, one new token each, and reads a
prompt of 256 tokens. Nothing of Sprout's runs beside the engine's own calls, so this is the most
that a run can reach; `sprout requantize` makes the files. With --shared the sequences also begin
with the same so many tokens, which are decoded once: what attention to them costs.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from sprout.config.sources import load, model_path
from sprout.engine.llamacpp.context import LlamaContext
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.scheduler import Batch, Chunk, Copy
from sprout.engine.sequence import Sequence

NUM_READ = 96
NUM_PROMPT = 256
NUM_STEPS = 8


def step_s(
    context: LlamaContext,
    rows: list[Sequence],
    position: int,
    num_tokens: int,
    copies: tuple[Copy, ...] = (),
) -> float:
    """Return the seconds of decoding so many tokens of each row, logits included."""
    tokens = np.arange(1000, 1000 + num_tokens, dtype=np.int32)
    chunks = tuple(Chunk(row, tokens, position, wants_logits=True) for row in rows)
    started_s = time.perf_counter()
    context.decode(Batch((), copies, chunks))
    context.logits(rows[0])
    return time.perf_counter() - started_s


def measure(path: Path, parallel: list[int], threads: int, num_shared: int) -> list[float]:
    """Return new tokens per second at each number of rows, and prompt tokens per second."""
    model = LlamaModel(path, 0)
    most = max(parallel)
    context = LlamaContext(
        model,
        num_cells=most * 128 + max(NUM_PROMPT, num_shared),
        num_rows=most + 1,
        num_batch_tokens=512,
        num_threads=threads,
    )
    *rows, prefix = (
        Sequence(str(slot), np.zeros(0, dtype=np.int32), 0, slot=slot) for slot in range(most + 1)
    )
    rates = []
    read = num_shared + NUM_READ
    for num in parallel:
        if num_shared:
            step_s(context, [prefix], 0, num_shared)
        for slot, row in enumerate(rows[:num]):
            copies = (Copy(most, slot, num_shared),) if num_shared else ()
            step_s(context, [row], num_shared, NUM_READ, copies)
        steps = [step_s(context, rows[:num], read + n, 1) for n in range(NUM_STEPS)]
        rates.append(num / statistics.median(steps))
        for row in (*rows[:num], prefix):
            context.forget(row)
    rates.append(NUM_PROMPT / step_s(context, rows[:1], 0, NUM_PROMPT))
    context.close()
    model.close()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", help="GGUF files; default: the model")
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shared", type=int, default=0, help="first tokens of all (up to 512)")
    options = parser.parse_args()
    settings = load({}).settings
    files = options.files or [model_path(settings)]
    rounds: dict[Path, list[list[float]]] = {file: [] for file in files}
    for _ in range(options.rounds):
        for file in files:
            rounds[file].append(measure(file, options.parallel, settings.threads, options.shared))
    print(f"{'tokens/s':<36}", *(f"{num:>6}" for num in options.parallel), "prompt")
    for file, rates in rounds.items():
        medians = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"{file.name:<36}", *(f"{rate:6.0f}" for rate in medians))


if __name__ == "__main__":
    main()
