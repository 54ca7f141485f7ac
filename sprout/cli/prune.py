"""`sprout prune`: forget old runs."""

from typing import Annotated

import typer

from sprout.cli import options, output


def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Such as 90d, 12w or 24h; 0d: all.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Say nothing but errors; what --dry-run counts stays."),
    ] = False,
) -> None:
    """Delete runs and evaluations older than an age, with their texts, plans and verdicts.

    Sampled prompts go when they were not served since. Profiles, intensities and judges stay: they
    are small, and plans need them. Files that runs wrote are yours, and stay.

    Example: sprout prune --older-than 90d
    """
    with output.command("prune", json=json, quiet=quiet, shows=dry_run) as out:
        from sprout.cli.present import utc_now
        from sprout.clock import parse_age, to_text
        from sprout.config.sources import load
        from sprout.state.retention import prune as forget
        from sprout.state.store import Store

        before = utc_now() - parse_age(older_than)
        with Store.open(load({"state": state}, config).settings.state) as store:
            counts = forget(store, before, dry_run=dry_run)
        out.data |= {"before": to_text(before), "dry_run": dry_run, **counts}
        verb = "would delete" if dry_run else "deleted"
        names = {"reservoir": "sampled prompts"}
        what = ", ".join(f"{count} {names.get(table, table)}" for table, count in counts.items())
        out.text(f"{verb} {what} from before {before:%Y-%m-%d %H:%M} UTC")
