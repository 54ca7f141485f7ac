#!/usr/bin/env python3
"""Tests, throughput and energy on the GPU, as JSON; called by scripts/gpu-check.

`sprout run` with all layers on the GPU against a loop over llama_cpp.Llama.create_chat_completion
with the same: the same model file, prompts, limits and threads, whole processes in turn. Energy is
the board's, by NVML, over the whole process; beside it stands what `sprout run` says of itself,
which counts the CPU too. --cpu does the same without a GPU; what no counter has seen is null.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from measure import ROOT, SPROUT, Finished, in_turn, run
from peer_scripts import LOOP
from peers import write_chats

from sprout.config.sources import load, model_path
from sprout.errors import EngineError, SproutError
from sprout.meter.estimate import CPUINFO, read_model_name
from sprout.meter.meter import Meter
from sprout.meter.nvml import open_nvml
from sprout.meter.open import open_meter
from sprout.meter.sampler import Sampler

PACKAGES = ("sprout-llm", "llama-cpp-python", "nvidia-ml-py", "numpy")
GPU_TESTS = ("-m", "gpu", "tests")
CPU_TESTS = ("-m", "not model and not slow and not gpu", "tests/meter")


@dataclass(frozen=True, slots=True)
class Round:
    """One process: new tokens per wall second, the counter's joules, and what it says of itself."""

    tokens_per_s: float
    counted_j_per_token: float | None
    told_j_per_token: float | None = None
    told_method: str | None = None


@dataclass(frozen=True, slots=True)
class Tests:
    """How the tests ended."""

    selection: str
    passed: int
    failed: int
    skipped: int


def machine() -> dict[str, object]:
    return {
        "platform": platform.platform(),
        "processor": read_model_name(CPUINFO),
        "num_threads": os.cpu_count(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def gpus() -> dict[str, object]:
    """Return the driver's versions and the names of the GPUs, by NVML.

    Raises:
        MeterError: there is no NVML.
    """
    import pynvml  # noqa: PLC0415 - for GPUs alone

    watched = open_nvml((), os.environ.get("CUDA_VISIBLE_DEVICES"))
    major, minor = divmod(pynvml.nvmlSystemGetCudaDriverVersion_v2(), 1000)
    return {
        "driver": pynvml.nvmlSystemGetDriverVersion(),
        "cuda_of_driver": f"{major}.{minor // 10}",
        "energy_method": watched.method,
        "gpus": [
            {"uuid": gpu.uuid, "name": pynvml.nvmlDeviceGetName(gpu.handle)} for gpu in watched.gpus
        ],
    }


def check_build() -> None:
    """Refuse a build of llama.cpp that cannot use a GPU.

    Raises:
        EngineError: it cannot.
    """
    script = "from llama_cpp import llama_cpp as l; print(int(l.llama_supports_gpu_offload()))"
    found = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    if found.stdout.strip() != "1":
        raise EngineError(
            f"llama-cpp-python in {sys.prefix} is built without CUDA: remove that folder and run "
            "scripts/gpu-check again"
        )


def tests(words: tuple[str, ...]) -> Tests:
    """Run tests and count how they ended."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *words]
        subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr)
        root = ET.parse(report).getroot() if report.is_file() else None  # noqa: S314 - our own file
        suites = () if root is None else root.iter("testsuite")
        counts = [{name: int(suite.attrib[name]) for name in SUMS} for suite in suites]
    sums = {name: sum(each[name] for each in counts) for name in SUMS}
    failed = sums["failures"] + sums["errors"]
    passed = sums["tests"] - failed - sums["skipped"]
    return Tests(" ".join(words), passed, failed, sums["skipped"])


SUMS = ("tests", "failures", "errors", "skipped")


def counter(*, is_cpu: bool) -> Meter | None:
    """Return what counts the energy of a whole process; None where nothing does.

    Raises:
        MeterError: there is no NVML.
    """
    if not is_cpu:
        return open_nvml((), os.environ.get("CUDA_VISIBLE_DEVICES"))
    meter, _ = open_meter(uses_gpu=False, gpu_uuids=(), cuda_visible=None, watts_per_core=None)
    return None if meter.is_estimated else meter  # an estimate is of this process alone


def counted(
    meter: Meter | None, command: list[str | Path], state: Path
) -> tuple[Finished, float | None]:
    """Run a command; return it with the joules that were counted meanwhile."""
    if meter is None:
        return run(command, state), None
    # read all the while: where the GPU has no counter of energy, its power is integrated
    with Sampler(meter) as sampler:
        done = run(command, state)
    samples = sampler.drain()
    return done, samples[-1][1] - samples[0][1]


def throughput(
    model: Path, gpu_layers: int, meter: Meter | None, options: argparse.Namespace
) -> tuple[list[Round], list[Round]]:
    """Return the rounds of both sides, in turn."""
    settings = load({}).settings
    sides: tuple[list[Round], list[Round]] = ([], [])
    with tempfile.TemporaryDirectory() as folder:
        prompts, state = Path(folder, "prompts.jsonl"), Path(folder, "sprout.db")
        write_chats(prompts, options.chats, None)
        ours: list[str | Path] = [
            *(SPROUT, "run", prompts, "--json", "--model", model),
            *("--max-tokens", str(options.max_tokens), "--gpu-layers", str(gpu_layers)),
        ]
        run([*ours, "--limit", "1"], state)  # measures the levels once
        words = (model, settings.threads, settings.ctx, options.max_tokens, prompts, gpu_layers)
        theirs: list[str | Path] = [sys.executable, "-c", LOOP, *map(str, words)]

        def by_sprout() -> float:
            done, joules = counted(meter, [*ours, "--no-learn"], state)
            data = json.loads(done.stdout.splitlines()[-1])["data"]
            num, told_j = data["new_tokens"], data["energy_j"]
            told = None if told_j is None else told_j / num
            part = None if joules is None else joules / num
            sides[0].append(Round(num / done.wall_s, part, told, data["energy_method"]))
            return sides[0][-1].tokens_per_s

        def by_loop() -> float:
            done, joules = counted(meter, theirs, state)
            num = int(done.stdout)
            part = None if joules is None else joules / num
            sides[1].append(Round(num / done.wall_s, part))
            return sides[1][-1].tokens_per_s

        in_turn(options.rounds, by_sprout, by_loop)
    return sides


def median(rounds: list[Round], value: Callable[[Round], float | None]) -> float | None:
    values = [found for each in rounds if (found := value(each)) is not None]
    return statistics.median(values) if values else None


def side(rounds: list[Round]) -> dict[str, object]:
    return {
        "tokens_per_s": median(rounds, lambda each: each.tokens_per_s),
        "counted_j_per_token": median(rounds, lambda each: each.counted_j_per_token),
        "told_j_per_token": median(rounds, lambda each: each.told_j_per_token),
        "told_method": rounds[0].told_method,
        "rounds": [asdict(each) for each in rounds],
    }


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return all the figures."""
    facts: dict[str, Any] = {
        "device": "cpu" if options.cpu else "gpu",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "nvidia": None if options.cpu else gpus(),
    }
    if not options.cpu:
        check_build()
    meter = counter(is_cpu=options.cpu)
    model = options.model or model_path(load({}).settings)
    facts["tests"] = asdict(tests(CPU_TESTS if options.cpu else GPU_TESTS))
    ours, loop = throughput(model, 0 if options.cpu else -1, meter, options)
    facts["throughput"] = {
        "model": model.name,
        "chats": options.chats,
        "max_tokens": options.max_tokens,
        "counter": None if meter is None else meter.method,
        "sprout_run": side(ours),
        "create_chat_completion_loop": side(loop),
        "ratio": statistics.median(each.tokens_per_s for each in ours)
        / statistics.median(each.tokens_per_s for each in loop),
    }
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="go the same way on the CPU")
    parser.add_argument("--model", type=Path, help="GGUF file; default: the installed one")
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "build" / "gpu-check.json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chats", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    options = parser.parse_args()
    try:
        facts = measured(options)
    except SproutError as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{options.output}: {facts['device']}, ratio {facts['throughput']['ratio']:.2f}")
    sys.exit(1 if facts["tests"]["failed"] or not facts["tests"]["passed"] else 0)


if __name__ == "__main__":
    main()
