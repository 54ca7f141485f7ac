"""What the package says of itself agrees everywhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import typer

from sprout import __version__
from sprout.cli.app import app
from sprout.errors import EXIT_CODES, SproutError

ROOT = Path(__file__).resolve().parents[1]


def test_project_package_and_changelog_name_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[([^\]]+)\] - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
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


def test_every_error_has_a_documented_exit_code() -> None:
    def family(kind: type[SproutError]) -> set[type[SproutError]]:
        return {kind}.union(*(family(sub) for sub in kind.__subclasses__()))

    assert {kind.exit_code for kind in family(SproutError)} <= set(EXIT_CODES)


def test_the_layers_hold() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "check_layers.py"], check=True)
