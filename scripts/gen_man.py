#!/usr/bin/env python3
"""Write man/*.1 from the command line's own help, man/*.5 from settings, schema and report keys.

--check only compares. Pages without the first line of these, such as man/*.7, are written by hand.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from file_pages import KEY_OWNERS, data_page, state_page, toml_page
from roff import GENERATED, escape, example, filled, head, paragraphs, see_also

from sprout.cli.app import app
from sprout.config.setting import description
from sprout.config.settings import SETTINGS
from sprout.config.sources import KEY_VARIABLES, PREFIX
from sprout.errors import EXIT_CODES

MAN = Path(__file__).resolve().parents[1] / "man"

FILES = (
    ("~/.config/sprout/sprout.toml", "settings; SPROUT_CONFIG or --config name another file"),
    ("~/.local/state/sprout/sprout.db", "the store; SPROUT_STATE or --state name another file"),
    ("~/.local/state/sprout/locks/", "one lock for each output file, and one for evaluations"),
    ("OUT.errors.jsonl", "the lines of a run that failed"),
)

OTHER_PAGES = [
    ("sprout.toml", "5"),
    ("sprout-prompts", "5"),
    ("sprout-state", "5"),
    ("sprout-report-data", "5"),
    ("sprout-howto", "7"),
    ("sprout-levels", "7"),
    ("sprout-carbon", "7"),
    ("sprout-cron", "7"),
    ("sprout-replay", "7"),
    ("sprout-reliability", "7"),
]
VARIABLES = {
    "CREDENTIALS_DIRECTORY": "systemd credentials, files named as the keys",
    "SPROUT_CONFIG": "the configuration file",
    "CUDA_VISIBLE_DEVICES": "the GPUs that are used, and metered",
    "CUDA_DEVICE_ORDER": "how their numbers count; Sprout sets it to PCI_BUS_ID, the order "
    "of nvidia-smi, unless it is set",
    "GOMP_SPINCOUNT, OMP_WAIT_POLICY": "how long llama.cpp's threads spin while they wait; Sprout "
    "sets the first to 3000 unless one of them is set",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE": "the way to grid providers and to a "
    "judge's endpoint, as other programs take it",
    "NO_COLOR": "no colours",
}


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, groups included."""
    yield name, command
    for child, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {child}")


def page(name: str, command: Any, names: list[str]) -> str:
    """Return one page."""
    title = name.replace(" ", "-")
    context = command.make_context(name, [], resilient_parsing=True)
    first, *rest = (command.help or "").split("\n\n")
    body = [part for part in rest if not part.startswith("Example:")]
    examples = [
        part.removeprefix("Example:").strip() for part in rest if part.startswith("Example:")
    ]
    lines = [
        *head(title, "1", first.rstrip(".")),
        ".SH SYNOPSIS",
        f".B {escape(name)}",
        escape(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *paragraphs([first, *body]),
    ]
    lines += [*_commands(command, name), *_parameters(command, context)]
    if examples:
        lines += [".SH EXAMPLES", *(line for text in examples for line in example(text))]
    lines += _shared(title)
    lines += see_also([*_relatives(name, names), *OTHER_PAGES])
    return "\n".join(lines) + "\n"


def _relatives(name: str, names: list[str]) -> list[tuple[str, str]]:
    """Return the pages of the commands above and below, and of those in the same group."""
    group = name.rpartition(" ")[0]
    near = [
        other
        for other in names
        if other != name
        and (other == "sprout" or other.startswith(f"{name} ") or other.rpartition(" ")[0] == group)
    ]
    return [(other.replace(" ", "-"), "1") for other in near]


def _commands(command: Any, name: str) -> list[str]:
    children = getattr(command, "commands", {})
    if not children:
        return []
    lines = [".SH COMMANDS"]
    for child, sub in children.items():
        summary = (sub.help or "").split("\n\n")[0]
        lines += [".TP", f".B {escape(f'{name} {child}')}", *filled(summary)]
    return lines


def _parameters(command: Any, context: Any) -> list[str]:
    records = [(p.param_type_name, p.get_help_record(context)) for p in command.params]
    lines: list[str] = []
    for kind, heading in (("argument", "ARGUMENTS"), ("option", "OPTIONS")):
        shown = [record for found, record in records if found == kind and record is not None]
        if shown:
            lines.append(f".SH {heading}")
        for names, text in shown:
            lines += [".TP", f".B {escape(names)}", *filled(text)]
    return lines


def _shared(title: str) -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES.items():
        lines += [".TP", f".B {code}", *filled(meaning)]
    lines += [".SH ENVIRONMENT"]
    if title == "sprout":
        for name, field in SETTINGS.items():
            lines += [".TP", f".B {PREFIX}{name.upper()}", escape(description(field))]
        for name, others in KEY_VARIABLES.items():
            names = ", ".join((f"{PREFIX}{name.upper()}", *others))
            lines += [".TP", f".B {escape(names)}", f"{KEY_OWNERS[name]}, never shown"]
        for name, meaning in VARIABLES.items():
            lines += [".TP", f".B {name}", *filled(meaning)]
    else:
        lines += filled(
            "Every setting can be given as SPROUT_NAME, see sprout(1), or in sprout.toml(5). The "
            "defaults of options hold where neither says otherwise."
        )
    lines += [".SH FILES"]
    for file, meaning in FILES:
        lines += [".TP", f".I {escape(file)}", escape(meaning)]
    return lines


def main() -> None:
    """Write the pages, or say which of them differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    found = list(commands(typer.main.get_command(app), "sprout"))
    names = [name for name, _ in found]
    pages = {f"{name.replace(' ', '-')}.1": page(name, command, names) for name, command in found}
    pages |= {
        "sprout.toml.5": toml_page(),
        "sprout-state.5": state_page(),
        "sprout-report-data.5": data_page(),
    }
    present = {path.name: path.read_text() for path in MAN.glob("*.[15]")}
    present = {name: text for name, text in present.items() if text.startswith(GENERATED)}
    if check:
        stale = sorted(n for n in pages.keys() | present.keys() if pages.get(n) != present.get(n))
        if stale:
            sys.exit(f"man pages differ from the help: {', '.join(stale)}; run scripts/gen_man.py")
        return
    MAN.mkdir(exist_ok=True)
    for name in present.keys() - pages.keys():
        (MAN / name).unlink()
    for name, text in pages.items():
        (MAN / name).write_text(text)


if __name__ == "__main__":
    main()
