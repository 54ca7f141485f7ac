"""Help: light, complete, with examples that parse; and shell completion."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.program import REPLAY, run_process, sprout
from local.grid_server import refused_url

from sprout.cli.app import app
from sprout.config.settings import SETTINGS
from sprout.config.sources import defaults
from sprout.grid.open import NAMES
from sprout.state.grid_log import Asked, GridLog
from sprout.state.store import Store

HEAVY = [
    *("llama_cpp", "ortools", "sqlite_utils", "requests", "urllib3", "numpy", "pandas", "jinja2"),
    *("psutil", "rich", "filelock", "importlib.metadata"),
]
IMPORTED = f"""
import json, sys
names = {[*HEAVY, "pydantic"]!r}
from sprout.cli.app import main
sys.argv = ["sprout", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(json.dumps([name for name in names if name in sys.modules]), file=sys.stderr)
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        children = getattr(command, "commands", {})
        waiting += [(f"{name} {child}".strip(), children[child]) for child in children]
        if not children:
            yield name, command


COMMANDS = dict(sorted(commands()))


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words], check=True, capture_output=True, text=True
    )
    assert found.stdout
    assert json.loads(found.stderr) == []


def test_a_fetch_with_a_fresh_cache_imports_nothing_heavy(tmp_path: Path) -> None:
    state = tmp_path / "sprout.db"
    with Store.open(state) as store:
        GridLog(store).succeeded(Asked("neso", "GB", "direct"), datetime.now(UTC))
    environment = os.environ | {
        "SPROUT_STATE": str(state),
        "SPROUT_PROVIDER": "neso",
        "SPROUT_NESO_URL": refused_url(),
    }
    words = ("grid", "fetch", "--zone", "GB", "--max-age", "1h", "--verbose")
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    note, imported = found.stderr.splitlines()
    assert "nothing to ask" in note
    # psutil counts the cores for a default; the rest is for commands that do more
    assert set(json.loads(imported)) <= {"psutil"}


def test_status_loads_no_solver() -> None:
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED, "status"], check=True, capture_output=True, text=True
    )
    assert "grid  " in found.stdout
    assert set(json.loads(found.stderr)).isdisjoint({"ortools", "llama_cpp", "requests"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    found = sprout(*name.split(), "--help")
    assert found.code == 0
    assert f"Usage: sprout {name}" in found.stdout.replace("root ", "sprout ")
    assert "--json" in found.stdout
    assert "Example: sprout" in found.stdout
    command = COMMANDS[name]
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_parses(name: str, prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prompts.name == "prompts.jsonl"
    monkeypatch.setenv("SPROUT_MODEL", REPLAY[1])
    monkeypatch.setenv("SPROUT_GRID_RETRIES", "0")
    for provider in NAMES:
        monkeypatch.setenv(f"SPROUT_{provider.upper()}_URL", refused_url())
    (example,) = (
        line.strip().removeprefix("Example: sprout ")
        for line in COMMANDS[name].help.splitlines()
        if line.strip().startswith("Example: ")
    )
    assert sprout(*shlex.split(example), *(("--idle", 0) if name == "profile" else ())).code != 2


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_of_a_setting_tells_the_default(name: str) -> None:
    values = defaults()
    for parameter in COMMANDS[name].params:
        value = values.get(parameter.name)
        if parameter.name not in SETTINGS or not isinstance(value, int | float | str):
            continue
        if parameter.name != "threads":  # the machine's
            told = f"{value:g}" if isinstance(value, float) else value
            assert f"[default: {told}]" in parameter.help, parameter.name


@pytest.mark.parametrize("name", ["", "run", "grid", "grid use"])
def test_help_has_a_short_name_too(name: str) -> None:
    found = sprout(*name.split(), "-h")
    assert found.code == 0
    assert found.stdout == sprout(*name.split(), "--help").stdout
    assert "-h, --help" in found.stdout


def test_usage_names_what_must_be_given_as_manual_pages_do() -> None:
    usage = {name: sprout(*name.split(), "--help").stdout.splitlines()[0] for name in COMMANDS}
    assert usage["run"].endswith("[OPTIONS] FILE")
    assert usage["profile"].endswith("[OPTIONS] [FILE]")
    assert usage["grid import"].endswith("[OPTIONS] FILE...")
    assert "{" not in "".join(usage.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_values_in_capitals_and_defaults_in_brackets(name: str) -> None:
    text = " ".join(sprout(*name.split(), "--help").stdout.split())
    assert not re.search(r"<(int|float|str|path|list)|; default", text, re.IGNORECASE)
    context = typer.Context(COMMANDS[name])
    for parameter in COMMANDS[name].get_params(context):
        names, _ = parameter.get_help_record(context)
        if parameter.param_type_name == "option" and not parameter.is_flag:
            assert re.fullmatch(r"-.* [A-Z0-9_=,.a-z]*[A-Z]+[A-Z0-9_=,.a-z]*", names), names


def test_version_is_one_line_of_standard_output() -> None:
    found = run_process("--version")
    assert found.code == 0
    assert found.stdout.startswith("sprout ")
    assert found.stdout.count("\n") == 1
    assert found.stderr == ""


def test_shell_completion_can_be_installed() -> None:
    found = sprout("--help")
    assert "--install-completion" in found.stdout
    assert "--show-completion" in found.stdout


def test_a_shell_is_told_which_commands_begin_so() -> None:
    program = Path(sys.executable).with_name("sprout")
    if not program.exists():
        pytest.skip("sprout is not installed beside this Python")
    shell = {"_SPROUT_COMPLETE": "complete_bash", "COMP_WORDS": "sprout pr", "COMP_CWORD": "1"}
    found = subprocess.run(
        [program], env=os.environ | shell, check=False, capture_output=True, text=True
    )
    assert sorted(found.stdout.split()) == ["profile", "prune"]
