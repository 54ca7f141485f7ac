"""Where llama.cpp cannot be loaded: commands say so in a line, and doctor how to mend it."""

import json
import os
from pathlib import Path

import pytest
from cli.program import REPLAY, Result, run_process
from local.tiny_gguf import tiny_gguf

FAULTS = {
    "RuntimeError": "Failed to load shared library '/x/libllama.so': libcuda.so.1: cannot open",
    "FileNotFoundError": "Shared library with base name 'llama' not found",
    "ImportError": "No module named\\n'diskcache'",
    "AttributeError": "libllama.so: undefined symbol: llama_new",
}


def broken(fault: str) -> dict[str, str]:
    """Return where importing llama_cpp fails, as the package itself or its shared library does."""
    package = Path("broken", "llama_cpp").absolute()
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'raise {fault}("{FAULTS[fault]}")\n')
    Path("m.gguf").write_bytes(tiny_gguf())
    paths = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def environment() -> dict[str, str]:
    return broken("RuntimeError")


def assert_unavailable(found: Result, name: str) -> None:
    assert found.code == 69, found.stderr
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"sprout {name}: llama.cpp cannot be loaded: ")
    assert "install what is missing" in line


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_its_import_raises_is_said_so(fault: str, prompts: Path, out: Path) -> None:
    found = run_process("run", prompts, "-o", out, "--model", "m.gguf", env=broken(fault))
    assert_unavailable(found, "run")
    assert not out.exists()


def test_commands_that_need_it_say_so_and_end_with_69(environment: dict[str, str]) -> None:
    for name, *words in (
        ("profile", "--model", "m.gguf"),
        ("evaluate", "--model", "m.gguf"),
        ("requantize", "q8_0", "-o", "n.gguf", "--model", "m.gguf"),
    ):
        assert_unavailable(run_process(name, *words, env=environment), name)


def test_commands_that_need_it_not_work(environment: dict[str, str], prompts: Path) -> None:
    assert run_process("run", prompts, *REPLAY, env=environment).code == 0
    for words in (("status",), ("run", prompts, "--model", "m.gguf", "--dry-run")):
        assert run_process(*words, env=environment).code == 0


def test_doctor_looks_at_all_the_rest_and_says_how_to_mend_it(environment: dict[str, str]) -> None:
    found = run_process("doctor", "--model", "m.gguf", "--json", env=environment)
    assert found.code == 78
    assert "`sprout run` cannot work yet: llama.cpp\n" in found.stderr
    checks = {check["name"]: check for check in json.loads(found.stdout)["data"]["checks"]}
    assert {"model", "llama.cpp", "energy: nvml", "energy: rapl", "store", "grid"} <= checks.keys()
    assert checks["llama.cpp"]["status"] == "missing"
    assert "llama.cpp cannot be loaded: " in checks["llama.cpp"]["detail"]
    assert "pip install" in checks["llama.cpp"]["fix"]
    assert checks["model"]["status"] == checks["store"]["status"] == "ok"


def test_doctor_gives_no_advice_on_variants_that_it_could_not_compare(
    environment: dict[str, str],
) -> None:
    Path("v.gguf").write_bytes(tiny_gguf())
    words = ("--model", "m.gguf", "--variant", "a=v.gguf", "--variant", "b=none.gguf", "--json")
    found = run_process("doctor", *words, env=environment)
    assert found.code == 78
    assert "`sprout run` cannot work yet: llama.cpp, variant b\n" in found.stderr
    checks = {check["name"]: check for check in json.loads(found.stdout)["data"]["checks"]}
    assert checks["variant a"]["status"] == "unchecked"
    assert "not compared with the model" in checks["variant a"]["detail"]
    assert checks["variant a"]["fix"] is None
    assert checks["variant b"]["status"] == "failed"
    assert "none.gguf" in checks["variant b"]["detail"]
    assert "model: weights" not in checks
