#!/usr/bin/env python3
"""`sprout run`, everything on, against a loop over llama_cpp.Llama.create_chat_completion.

64 chats, at most 128 new tokens, greedy, the same model file and threads; whole processes with
start-up and model load on both sides, in turn. Prints new tokens per second and their ratio, and
the peak memory of `sprout run` against model file + KV cache.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import SPROUT, in_turn, run, show
from peer_scripts import LOOP
from peers import write_chats

from sprout.config.sources import load, model_path


def kv_cache_mb(model: Path, ctx: int) -> float:
    """Return the size of an f16 KV cache, in MB, from the model's own figures."""
    script = (
        "import sys; from llama_cpp import llama_cpp as l; "
        "p = l.llama_model_default_params(); p.use_extra_bufts = False; "
        "m = l.llama_model_load_from_file(sys.argv[1].encode(), p); "
        "print(l.llama_model_n_layer(m) * l.llama_model_n_head_kv(m) * 2 * 2 * "
        "l.llama_model_n_embd(m) // l.llama_model_n_head(m))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(model)], capture_output=True, text=True, check=True
    )
    return int(found.stdout) * ctx / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chats", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    options = parser.parse_args()
    settings = load({}).settings
    model = model_path(settings)
    with tempfile.TemporaryDirectory() as folder:
        prompts, state = Path(folder, "prompts.jsonl"), Path(folder, "sprout.db")
        write_chats(prompts, options.chats, None)
        limit = ["--max-tokens", str(options.max_tokens)]
        run([SPROUT, "run", prompts, "--limit", "1", *limit], state)  # measures the levels once
        peaks: list[float] = []

        def ours() -> float:
            done = run([SPROUT, "run", prompts, "--json", "--no-learn", *limit], state)
            peaks.append(done.peak_mb)
            tokens = json.loads(done.stdout.splitlines()[-1])["data"]["new_tokens"]
            return float(tokens / done.wall_s)

        def loop() -> float:
            words = [model, settings.threads, settings.ctx, options.max_tokens, prompts]
            done = run([sys.executable, "-c", LOOP, *map(str, words)])
            return float(int(done.stdout) / done.wall_s)

        rates = in_turn(options.rounds, ours, loop)
    ratio = show("sprout run", rates[0], "tok/s") / show(
        "create_chat_completion loop", rates[1], "tok/s"
    )
    print(f"ratio {ratio:.2f} (goal: at least 1.5)")
    file_mb = model.stat().st_size / 2**20
    beyond = max(peaks) - file_mb - kv_cache_mb(model, settings.ctx)
    print(
        f"peak {max(peaks):.0f} MB = model file {file_mb:.0f} + KV cache "
        f"{kv_cache_mb(model, settings.ctx):.0f} + {beyond:.0f} (goal: at most 450)"
    )


if __name__ == "__main__":
    main()
