#!/usr/bin/env python3
"""Everything but the model: `sprout run` on a recording, for 2,000 and for 200,000 prompts.

Goals: at least 2,000 prompts a second, and peak memory for the long file within 60 MB of the short.
"""

import argparse
import json
import tempfile
from pathlib import Path

from measure import RECORDING, SPROUT, Finished, run


def serve(folder: Path, count: int) -> Finished:
    """Serve so many prompts and return what it took."""
    prompts = folder / f"prompts-{count}.jsonl"
    with prompts.open("w") as file:
        for number in range(count):
            prompt = f"What is {number} plus {number * 7 % 1000}?"
            file.write(json.dumps({"id": f"p{number}", "prompt": prompt, "task": "math"}) + "\n")
    output = folder / f"answers-{count}.jsonl"
    state = folder / "sprout.db"
    return run([SPROUT, "run", prompts, "-o", output, "--model", RECORDING], state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=200_000)
    count = parser.parse_args().prompts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve(folder, 10)  # measures the levels once
        short, long = serve(folder, 2_000), serve(folder, count)
        store_mb = (folder / "sprout.db").stat().st_size / 2**20
    rate = (count - 2_000) / (long.wall_s - short.wall_s)
    print(f"{rate:.0f} prompts/s (goal: at least 2000)")
    print(
        f"peak {short.peak_mb:.0f} MB for 2000 prompts, {long.peak_mb:.0f} MB for {count}: "
        f"{long.peak_mb - short.peak_mb:+.0f} MB (goal: at most +60)"
    )
    print(f"store {store_mb:.0f} MB")


if __name__ == "__main__":
    main()
