"""What the package says of itself agrees everywhere."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from cli.program import RECORDING

from sprout import __version__
from sprout.batch import promptline
from sprout.cli.app import app
from sprout.config.sources import KEY_VARIABLES
from sprout.errors import EXIT_CODES, SproutError

ROOT = Path(__file__).resolve().parents[1]


def test_project_package_and_changelog_name_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert project["version"] == newest.group(1) == __version__


def test_the_readme_names_every_command_and_each_has_a_man_page() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in commands:
        assert f"`sprout {name}" in readme
        assert (ROOT / "man" / f"sprout-{name}.1").is_file()


def test_man_pages_are_those_of_the_help() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "gen_man.py", "--check"], check=True)


def test_the_page_of_settings_lists_the_choices_of_those_that_may_be_left_unset() -> None:
    text = (ROOT / "man" / "sprout.toml.5").read_text().replace("\n", " ")
    for words in ("One of neso, energy_charts,", "One of lifecycle, direct, unknown",
                  "One of average, marginal", "One of base, co2"):  # fmt: skip
        assert words in text


def test_no_name_is_broken_at_a_hyphen() -> None:
    # roff would show "sprout- howto(7)"
    for path in (ROOT / "man").glob("*.[15]"):
        ends = [line for line in path.read_text().splitlines() if re.search(r"\w\\-$", line)]
        assert ends == [], path.name


def test_the_page_of_settings_says_where_keys_are_kept_and_what_numbers_are_taken() -> None:
    _, _, keys = (ROOT / "man" / "sprout.toml.5").read_text().partition(".SH KEYS")
    assert all(f".B {name}\n" in keys for name in KEY_VARIABLES)
    text = (ROOT / "man" / "sprout.toml.5").read_text().replace("\n", " ")
    assert "at least 1, at most 200; default: 8." in text  # parallel


def test_the_page_of_prompts_names_every_key_of_lines_read_and_written() -> None:
    text = (ROOT / "man" / "sprout-prompts.5").read_text().replace("\\-", "-")
    forms = (promptline.PromptLine, promptline.MessagesLine, promptline.BatchLine)
    keys = {name for form in forms for name in form.model_fields}
    keys |= set(json.loads(RECORDING.read_text().splitlines()[0])["sprout"])
    unnamed = [name for name in sorted(keys) if not re.search(rf"\b{name}\b", text)]
    assert unnamed == []


def test_the_pages_of_other_sections_are_there_and_refer_to_pages_that_are() -> None:
    pages = {path.name for path in (ROOT / "man").iterdir()}
    assert {"sprout.toml.5", "sprout-state.5", "sprout-report-data.5", "sprout-cron.7"} <= pages
    assert {"sprout-prompts.5", "sprout-howto.7", "sprout-levels.7", "sprout-carbon.7"} <= pages
    for path in (ROOT / "man").iterdir():
        for name, section in re.findall(r"^\.BR (\S+) \((\d)\)", path.read_text(), re.MULTILINE):
            page = f"{name.replace(chr(92), '')}.{section}"
            assert page in pages | {"crontab.5", "systemd.timer.5"}, (path.name, page)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_no_fault_in_the_pages() -> None:
    subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *sorted((ROOT / "man").iterdir())],  # noqa: S607
        check=True,
    )


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_sets_every_page_without_a_warning() -> None:
    found = subprocess.run(
        ["groff", "-man", "-ww", "-z", *sorted((ROOT / "man").iterdir())],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stderr == ""


def test_every_error_has_a_documented_exit_code() -> None:
    def family(kind: type[SproutError]) -> set[type[SproutError]]:
        return {kind}.union(*(family(sub) for sub in kind.__subclasses__()))

    assert {kind.exit_code for kind in family(SproutError)} <= set(EXIT_CODES)


def test_the_layers_hold() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "check_layers.py"], check=True)


@pytest.mark.parametrize(
    ("module", "imported", "fault"),
    [
        ("sprout.carbon", "pathlib", "a pure module imports pathlib"),
        ("sprout.run", "sqlite3", "sqlite3 belongs to sprout.state"),
        ("sprout.run", "sprout.state.store", "the core imports the adapter sprout.state.store"),
        ("sprout.run", "sprout.cli.output", "only the command line imports the command line"),
        ("sprout.cli.report", "leftpad", "leftpad has no owner in scripts/check_layers.py"),
    ],
)
def test_a_road_the_wrong_way_is_a_fault(
    module: str, imported: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    assert list(importlib.import_module("check_layers").faults(module, imported)) == [fault]


def test_every_script_that_names_its_interpreter_can_be_started() -> None:
    # the README calls them by their paths
    scripts = [path for path in (ROOT / "scripts").rglob("*") if path.is_file()]
    named = [path for path in scripts if path.read_bytes().startswith(b"#!")]
    assert len(named) > 10
    assert [path.name for path in named if not os.access(path, os.X_OK)] == []
