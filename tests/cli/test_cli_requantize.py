"""requantize: a model in another type of weights, whole or not at all."""

import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli.program import sprout

from sprout.chat import Message, Sampling
from sprout.engine.base import Completion, Request
from sprout.engine.open import EngineOptions, open_engine


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.model
def test_a_requantised_model_answers(tmp_path: Path) -> None:
    target = tmp_path / "coarse.gguf"
    data = sprout("requantize", "Q4_0", "-o", target, "--json").data
    assert data["written_bytes"] == target.stat().st_size < data["model_bytes"]
    assert names(tmp_path) == ["coarse.gguf"]
    options = EngineOptions(parallel=1, threads=2, ctx=256, gpu_layers=0, shares_prefixes=False)
    engine = open_engine(target, options, datetime(2026, 1, 1, tzinfo=UTC))
    chat, sampling = (Message("user", "Name a river."),), Sampling(max_tokens=4, temperature=0)
    engine.submit(Request("a", chat, sampling, "L0"))
    answered: list[Completion] = []
    while engine.is_busy:
        answered += engine.step().completions
    engine.close()
    assert [found.num_new_tokens for found in answered] == [4]


@pytest.mark.model
def test_a_file_that_is_there_is_replaced_on_demand_only(tmp_path: Path) -> None:
    target = tmp_path / "mine.gguf"
    target.write_text("mine")
    refused = sprout("requantize", "q8_0", "-o", target)
    assert (refused.code, target.read_text()) == (73, "mine")
    assert "--force" in refused.stderr
    assert sprout("requantize", "q8_0", "-o", target, "--force").code == 0
    assert target.read_bytes()[:4] == b"GGUF"


@pytest.mark.model
def test_a_device_and_the_model_itself_are_never_replaced(tmp_path: Path, model_path: Path) -> None:
    first, second = (tmp_path / f"m-{n:05}-of-00002.gguf" for n in (1, 2))
    for part in (first, second):
        part.write_bytes(b"GGUF")
    for model, target in ((model_path, "/dev/null"), (model_path, model_path), (first, second)):
        found = sprout("requantize", "q8_0", "-o", target, "--force", "--model", model)
        assert (found.code, "--force" in found.stderr) == (73, False)
    assert not Path("/dev/null").is_file()
    assert {path.read_bytes()[:4] for path in (model_path, second)} == {b"GGUF"}


def test_a_type_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    found = sprout("requantize", "q9_9", "-o", tmp_path / "new.gguf")
    assert found.code == 2
    assert "q8_0" in found.stderr


def test_a_model_that_is_not_there_is_told_also_where_the_target_is(tmp_path: Path) -> None:
    target = tmp_path / "there.gguf"
    target.touch()
    found = sprout("requantize", "q8_0", "-o", target, "--model", tmp_path / "nothing.gguf")
    assert found.code == 66
    assert "no model file at" in found.stderr


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    found = sprout("requantize", "q8_0", "-o", tmp_path / "new.gguf", "--model", broken)
    assert found.code == 69
    assert str(broken) in found.stderr
    assert names(tmp_path) == ["broken.gguf"]


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path, model_path: Path) -> None:
    found = sprout("requantize", "q8_0", "-o", tmp_path / "no" / "new.gguf", "-m", model_path)
    assert found.code == 74
    assert str(tmp_path / "no" / "new.gguf") in found.stderr


@pytest.mark.model
def test_a_full_disk_and_an_interrupt_leave_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "new.gguf"
    command = [sys.executable, "-m", "sprout", "requantize", "f16", "-o", str(target)]
    full = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (full.returncode, names(tmp_path)) == (74, []), full.stderr
    assert "make room" in full.stderr
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline_s = time.monotonic() + 30
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, names(tmp_path)) == (130, []), said
    assert "Traceback" not in said
