"""`sprout status`: what is known, how old it is and where it comes from."""

from sprout.cli import options, output


def status(
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Show what is known, how old it is, and which setting came from where.

    Example: sprout status
    """
    with output.command("status", json=json, quiet=quiet) as out:
        from sprout.cli import standing
        from sprout.config.sources import load

        standing.show(out, load({"state": state}, config))
