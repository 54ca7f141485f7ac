"""scripts/gpu-check where no GPU is: what it refuses, and the same way on the CPU."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "gpu-check"
TOOLS = ("bash", "dirname", "env")


def tools(folder: Path, **programs: str) -> dict[str, str]:
    """Return an environment whose PATH has a shell's tools and these programs alone."""
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, text in programs.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return {"PATH": str(folder), "SPROUT_GPU_VENV": str(folder / "venv")}


def check(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
    )


def test_without_a_driver_and_a_compiler_it_says_what_is_missing(tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin")
    found = check(environment)
    assert found.returncode == 69
    assert "missing nvidia-smi, and with it NVML" in found.stderr
    assert "missing nvcc" in found.stderr
    assert found.stdout == ""
    assert not Path(environment["SPROUT_GPU_VENV"]).exists()


@pytest.mark.parametrize(
    ("nvidia_smi", "message"),
    [("exit 9", "nvidia-smi lists none"), ("exit 0", "nvidia-smi lists none")],
)
def test_a_driver_without_a_gpu_is_told_apart(
    nvidia_smi: str, message: str, tmp_path: Path
) -> None:
    found = check(tools(tmp_path / "bin", nvidia_smi=nvidia_smi, nvcc="exit 0"))
    assert found.returncode == 69
    assert message in found.stderr
    assert "nvcc" not in found.stderr


def test_a_gpu_without_the_compiler_is_told_apart(tmp_path: Path) -> None:
    lists = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'"
    found = check(tools(tmp_path / "bin", nvidia_smi=lists))
    assert found.returncode == 69
    assert found.stderr.startswith("gpu-check: missing nvcc")


def test_a_compiler_without_the_headers_of_cublas_is_told_before_anything_is_built(
    tmp_path: Path,
) -> None:
    lists = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'"
    lacks = "while read -r line; do case $line in *cublas_v2.h*) exit 1 ;; esac; done"
    environment = tools(tmp_path / "bin", nvidia_smi=lists, nvcc=lacks)
    found = check(environment)
    assert found.returncode == 69
    assert found.stderr.startswith("gpu-check: missing cublas_v2.h")
    assert not Path(environment["SPROUT_GPU_VENV"]).exists()


@pytest.mark.slow
def test_without_nvml_the_measuring_part_ends_with_69_too(tmp_path: Path) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    out = tmp_path / "figures.json"
    found = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bench" / "gpu.py", "-o", out],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 69
    assert found.stderr.startswith("gpu-check: ")
    assert "Traceback" not in found.stderr
    assert not out.exists()


class PowerMeter:
    """Integrates 100 W by the trapezes between its reads, and the 300 W of a burst in between."""

    method = "nvml_power"
    is_estimated = False

    def __init__(self) -> None:
        self.start_s = self.last_s = time.perf_counter()
        self.last_w, self.total_j, self.num_reads = 100.0, 0.0, 0

    def read_j(self) -> float:
        now_s = time.perf_counter()
        now_w = 300.0 if 0.2 < now_s - self.start_s < 0.8 else 100.0
        self.total_j += (self.last_w + now_w) / 2 * (now_s - self.last_s)
        self.last_s, self.last_w = now_s, now_w
        self.num_reads += 1
        return self.total_j


def test_power_is_read_all_the_while_a_process_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent / "bench"))
    gpu = importlib.import_module("gpu")
    meter = PowerMeter()
    words = [sys.executable, "-c", "import time; time.sleep(1)"]
    _, joules = gpu.counted(meter, words, tmp_path / "sprout.db")
    assert meter.num_reads > 5
    # 1 s of 100 W and 0.6 s of 200 W more; two reads would see 100 W alone
    assert joules >= 100 + 0.4 * 200
    assert gpu.counted(None, ["true"], tmp_path / "sprout.db")[1] is None


@pytest.mark.model
def test_the_same_way_on_the_cpu_writes_figures_that_say_so(
    model_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    environment = os.environ | {"SPROUT_VENV": sys.prefix, "SPROUT_MODEL": str(model_path)}
    few = ("--rounds", "1", "--chats", "3", "--max-tokens", "12", "-o", str(out))
    found = check(environment, "--cpu", *few)
    assert found.returncode == 0, found.stderr
    facts = json.loads(out.read_text())
    assert facts["device"] == "cpu"
    assert facts["nvidia"] is None
    assert facts["versions"]["llama-cpp-python"]
    assert facts["tests"]["failed"] == 0
    assert facts["tests"]["passed"] > 50
    figures = facts["throughput"]
    for name in ("sprout_run", "create_chat_completion_loop"):
        assert figures[name]["tokens_per_s"] > 0
        counted = figures[name]["counted_j_per_token"]
        assert (counted is None) == (figures["counter"] is None)
    assert figures["sprout_run"]["told_j_per_token"] > 0
    assert figures["sprout_run"]["told_method"]
    assert figures["ratio"] > 0
