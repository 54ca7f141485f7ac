"""The body of `sprout init`."""

import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from sprout.cli.output import Out
from sprout.config import template
from sprout.config.setting import description
from sprout.config.settings import SETTINGS
from sprout.config.sources import check, defaults, file_path
from sprout.errors import NoInputError, OutputExistsError
from sprout.files.writing import write_whole
from sprout.grid import yearly

QUESTIONS = {
    "zone": "Grid zone, such as DE or US-CAL-CISO (empty: the world's yearly average)",
    "model": "GGUF file (empty: the installed default model)",
    "provider": "Grid provider, such as neso or energy_charts (empty: ask nobody)",
}
_OWNER_ONLY = 0o600


def write(out: Out, given: Mapping[str, object], config: Path | None, *, force: bool) -> None:
    """Ask what is to be asked, then write the file."""
    path = file_path(config)
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists: edit it, or --force replaces it")
    values = {name: value for name, value in given.items() if value is not None}
    if not out.is_json and not out.is_quiet and sys.stdin.isatty() and sys.stderr.isatty():
        values |= _asked(values)
    check(values)
    _look(out, values)
    descriptions = {name: description(each) for name, each in SETTINGS.items()}
    write_whole(
        path,
        template.render(descriptions, _plain(defaults()), _plain(values)),
        mode=_OWNER_ONLY,
        keeps_mode=False,
    )
    out.data |= {"file": str(path), "settings": {name: str(each) for name, each in values.items()}}
    out.text(f"{path} written; `sprout doctor` checks the setup, `sprout run` serves a batch")


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in values.items()
    }


def _asked(given: Mapping[str, object]) -> dict[str, str]:
    """Return the answers to what no flag gave."""
    found = {}
    for name, question in QUESTIONS.items():
        if name in given:
            continue
        try:
            answer = typer.prompt(question, default="", show_default=False, err=True).strip()
        except typer.Abort as error:
            raise KeyboardInterrupt from error
        if answer:
            found[name] = answer
    return found


def _look(out: Out, values: dict[str, object]) -> None:
    """Refuse a model that is not there, and say when a zone has no yearly average."""
    if "model" in values:
        model = Path(str(values["model"])).expanduser().absolute()
        if not model.is_file():
            raise NoInputError(f"there is no model {model}")
        values["model"] = model
    zone = values.get("zone")
    if zone is not None and yearly.look_up(str(zone)) is None:
        out.warning(f"no yearly average is known for {zone}: a provider or an import is needed")
