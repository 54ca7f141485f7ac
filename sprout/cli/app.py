"""The `sprout` command. Heavy imports stay inside the commands: --help needs none of them."""

import sys
from functools import partial
from typing import Annotated

import typer

from sprout import __version__
from sprout.cli import (
    doctor,
    export,
    init,
    optimize,
    output,
    profile,
    prune,
    report,
    requantize,
    status,
)
from sprout.cli.evaluate import command as evaluate
from sprout.cli.grid import command as grid
from sprout.cli.lazy import LazyCommand, LazyGroup
from sprout.cli.replay import command as replay
from sprout.cli.run import command as run
from sprout.errors import UsageError

app = typer.Typer(
    name="sprout",
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},  # of every command below it
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        with output.command("--version") as out:
            out.line(f"sprout {__version__}")


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Serve LLM batches with less carbon, and account for what is left.

    A directive ("Answer briefly.") makes a model write less. L0 is the bare prompt, the levels L1,
    L2, ... add a directive. A plan gives each level its share of the prompts: the mix with the
    least carbon whose answers are still preferred as often as asked. It rests on the grid's carbon
    intensity (`sprout grid`), the energy and time of each level (`sprout profile`) and how often
    its answers are preferred (`sprout evaluate`). What is not measured yet is stood in for, and
    marked.

    To begin: `sprout doctor`, `sprout run prompts.jsonl -o answers.jsonl`, `sprout report`. Answers
    to questions: sprout-howto(7).

    Example: sprout run prompts.jsonl -o answers.jsonl --zone DE
    """


command = partial(app.command, cls=LazyCommand)
command("init", short_help="Write a commented sprout.toml.")(init.init)
command("doctor", short_help="Check the setup; say how to fix what is missing.")(doctor.doctor)
command("run", short_help="Serve a batch of prompts, accounting for its carbon.")(run.run)
command("report", short_help="Show energy, carbon and what was saved.")(report.report)
command("status", short_help="Show what is known, how old, from where.")(status.status)
command("profile", short_help="Measure what each level costs on this machine.")(profile.profile)
command("evaluate", short_help="Let a judge compare the levels' answers.")(evaluate.evaluate)
command("optimize", short_help="Solve for the mix of levels, and show why.")(optimize.optimize)
command("replay", short_help="Replay recorded hours under any policy.")(replay.replay)
app.add_typer(grid.app, name="grid")
app.add_typer(export.app, name="export")
command("requantize", short_help="Write the model in another type of weights.")(
    requantize.requantize
)
command("prune", short_help="Delete old runs with all that belongs to them.")(prune.prune)


def main() -> None:
    """Run the command line; with --json a wrong usage is one JSON object too."""
    try:
        app()
    except output.ReportedExit:
        raise
    except SystemExit as error:
        if error.code == UsageError.exit_code and "--json" in sys.argv:
            name = _command_name(sys.argv[1:])
            message = "wrong usage; standard error says more"
            output.Out(name).line(
                output.envelope(name, "error", {}, UsageError.exit_code, (message,))
            )
        raise


def _command_name(words: list[str]) -> str:
    """Return the command that a command line names, such as "grid import"."""
    names, known = [], _commands_of(typer.main.get_command(app))
    for word in words:
        if word not in known:
            break
        names.append(word)
        known = _commands_of(known[word])
    return " ".join(names)


def _commands_of(command: object) -> dict[str, object]:
    # typer does not say which of its classes are groups
    return getattr(command, "commands", {})
