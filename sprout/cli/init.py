"""`sprout init`: a commented sprout.toml."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output


def init(
    zone: options.Zone = None,
    model: options.Model = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            help="neso, energy_charts, ...: `sprout grid sources` lists them [default: nobody].",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", readable=False, metavar="FILE", help="Write this file."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a commented sprout.toml, with every setting and its default.

    On a terminal it asks for what no flag gives: the zone, the model, the provider; an empty answer
    leaves the default. Otherwise it asks nothing. The file is written where Sprout looks for it
    (--config or SPROUT_CONFIG name another), for its owner alone, since it may hold keys.

    Example: sprout init --zone DE --config sprout.toml
    """
    with output.command("init", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli import initialising

        given = {"zone": zone, "model": model, "provider": provider}
        initialising.write(out, given, config, force=force)
