"""Options are converted as Typer converts them, except where there is nothing to convert."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from sprout.cli.lazy import LazyCommand, LazyGroup


def shouted(value: str | None) -> str | None:
    return value if value is None else value.upper()


app = typer.Typer(cls=LazyGroup, rich_markup_mode=None)


@app.callback()
def root(
    version: Annotated[bool, typer.Option(help="Unused.")] = False,  # noqa: FBT002
) -> None:
    """Stand for a group."""


@app.command("try", cls=LazyCommand)
def try_out(  # noqa: PLR0917 - as Typer calls it
    word: Annotated[str, typer.Option()],
    name: Annotated[str | None, typer.Option(callback=shouted)] = None,
    count: Annotated[int | None, typer.Option(min=1)] = None,
    path: Annotated[Path | None, typer.Option()] = None,
    names: Annotated[list[str] | None, typer.Option()] = None,
    pair: Annotated[tuple[str, int] | None, typer.Option()] = None,
    is_on: Annotated[bool, typer.Option()] = False,  # noqa: FBT002
    later: Annotated[str, typer.Option()] = "30m",
) -> None:
    typer.echo(repr((word, name, count, path, names, pair, is_on, later)))


def run(*words: str) -> str:
    found = CliRunner().invoke(app, ["try", *words])
    assert found.exit_code in {0, 2}, found.exception
    return found.output.strip()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ("w", None, None, None, None, None, False, "30m")),
        (("--name", "ada", "--later", "1h"), ("w", "ADA", None, None, None, None, False, "1h")),
        (("--count", "3", "--is-on"), ("w", None, 3, None, None, None, True, "30m")),
        (("--path", "a/b"), ("w", None, None, Path("a/b"), None, None, False, "30m")),
        (("--names", "a", "--names", "b"), ("w", None, None, None, ["a", "b"], None, False, "30m")),
        (("--pair", "a", "2"), ("w", None, None, None, None, ("a", 2), False, "30m")),
    ],
)
def test_every_option_has_the_value_that_was_given(
    words: tuple[str, ...], expected: tuple[object, ...]
) -> None:
    assert run("--word", "w", *words) == repr(expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing option '--word'"),
        (("--word", "w", "--count", "0"), "--count"),
        (("--word", "w", "--count", "many"), "--count"),
        (("--word", "w", "--nobody", "x"), "No such option"),
    ],
)
def test_what_is_wrong_is_refused(words: tuple[str, ...], message: str) -> None:
    assert message in run(*words)


def test_help_stays() -> None:
    assert "--later" in run("--help")
    assert "30m" in run("--help")
