"""The pages of section 5: settings, the store's schema, and the keys of reports."""

import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from roff import escape, example, filled, head, paragraphs, see_also

from sprout.config.setting import Limits, description, limits
from sprout.config.settings import SETTINGS
from sprout.config.sources import KEY_VARIABLES, PREFIX, defaults
from sprout.config.template import UNSET, literal
from sprout.report.prometheus import METRICS
from sprout.report.tables import COLUMNS
from sprout.state.store import Store

MACHINE_DEFAULTS = {"state", "threads"}
INT32_MAX = 2**31 - 1

KEYS = (
    "Keys of grid providers and of a judge's endpoint are no settings: nothing shows, logs or "
    "stores them. Each is looked for in the environment, in the systemd credential of its name, "
    "and here; a file with keys should be its owner's alone (mode 0600).",
)
KEY_OWNERS = {
    "electricity_maps_key": "token of Electricity Maps",
    "watttime_user": "user of WattTime",
    "watttime_password": "password of WattTime",
    "eia_key": "key of the EIA",
    "entsoe_key": "security token of ENTSO-E's platform",
    "open_electricity_key": "key of OpenElectricity",
    "judge_key": "key of the judge's endpoint",
}
STATE_EXAMPLE = """\
sqlite3 -readonly ~/.local/state/sprout/sprout.db "
  SELECT task, level, count(*), sum(energy_j), sum(operational_g + embodied_g) AS carbon_g
  FROM completions WHERE finished_at IS NOT NULL AND error IS NULL GROUP BY task, level\""""

JSON_KEYS = {
    "schema_version": "grows when a name changes its meaning or goes",
    "made_at, since, until": "times; since and until (exclusive) are null where the period is open",
    "first, last": "first and last stretch with requests; null when there are none",
    "step": "hour, day or month: how long a stretch of the timeline is",
    "total, groups, timeline": "see above",
    "provenance": "energy, intensity, embodied, pue: for each source its name, mark (measured, "
    "estimated, modelled, forecast, stale, fixed, set, or an average: yearly, monthly, daily, of "
    "hours), detail, num_answered, energy_j, carbon_g, mean, and of an intensity kind "
    "and factor; preference: for each model and each task that has its own (null: all tasks), "
    "fingerprint, source, is_prior, kept (1 is all-L0's), half_width; counterfactual, "
    "interval and method in words",
    "runs": "num_runs, metered_j, idle_j, lost_j and operational_g: energy beside the requests'",
    "evaluating": "num_evaluations, metered_j, busy_s, operational_g, embodied_g; energy: for each "
    "energy method its name, mark (measured, estimated), energy_j and operational_g; intensity: "
    "for each source its name, mark (as above, or mixed), kind, factor and operational_g; null: "
    "none is recorded",
    "waited": "num_runs, moved_g: what waiting for greener hours saved; null: no run may wait",
    "num_open": "prompts that were begun and are not finished",
    "num_ahead": "requests that finished later than made_at: a clock was set back",
    "num_rejected": "lines that could not be served, of runs that began in the period; null: none "
    "recorded it",
    "notes": "sentences that must be known to read the numbers rightly",
}


def toml_page() -> str:
    """Return sprout.toml(5): every setting."""
    lines = head("sprout.toml", "5", "settings of Sprout")
    lines += [
        ".SH SYNOPSIS",
        ".I ~/.config/sprout/sprout.toml",
        ".SH DESCRIPTION",
        *paragraphs(
            [
                "A TOML file of settings, all of them optional. A flag beats the environment "
                "variable SPROUT_NAME, which beats this file. SPROUT_CONFIG or --config name "
                "another file. Paths are relative to the file's folder.",
                "`sprout init` writes the file with every setting and its default; `sprout status` "
                "shows what is in force, and which file, variable or flag set it.",
            ]
        ),
        ".SH SETTINGS",
    ]
    values = defaults()
    for name, field in SETTINGS.items():
        default = "depends on the machine" if name in MACHINE_DEFAULTS else _shown(values[name])
        told = f"{description(field)}. {_kind(field.type)}{_range(limits(field))}"
        said = "" if "default:" in told else f"; default: {default}"
        lines += [".TP", f".B {escape(name)}", *filled(f"{told}{said}.")]
    lines += [".SH KEYS", *paragraphs(list(KEYS))]
    for name, others in KEY_VARIABLES.items():
        lines += [".TP", f".B {name}", *filled(_told_of_key(name, others))]
    lines += [".SH EXAMPLES", *example('zone = "DE"\nparallel = 16\nkeep_text = false')]
    lines += see_also([("sprout", "1"), ("sprout-init", "1"), ("sprout-status", "1")])
    return "\n".join(lines) + "\n"


def _told_of_key(name: str, others: tuple[str, ...]) -> str:
    return f"{KEY_OWNERS[name]}; or {', '.join((PREFIX + name.upper(), *others))}"


def _range(found: Limits) -> str:
    """Return in words what numbers a setting takes; llama.cpp's own limit is none to tell of."""
    ends = (
        ("at least", found.ge),
        ("above", found.gt),
        ("at most", found.le if found.le != INT32_MAX else None),
        ("below", found.lt),
    )
    told = ", ".join(f"{word} {end:.10g}" for word, end in ends if end is not None)
    return f", {told}" if told else ""


def _kind(annotation: Any) -> str:
    """Return in words what values a setting takes."""
    if get_origin(annotation) in {Union, UnionType}:  # it may be left unset
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return "One of " + ", ".join(get_args(annotation))
    names = {int: "Whole number", float: "Number", bool: "true or false", str: "Text"}
    if str(annotation).startswith("tuple"):
        return "List of texts"
    if get_origin(annotation) is Mapping:
        return "Table of paths; in the environment NAME=FILE,NAME=FILE"
    return names.get(annotation, "Path")


def _shown(value: object) -> str:
    return UNSET if value is None else literal(str(value) if isinstance(value, Path) else value)


def state_page() -> str:
    """Return sprout-state(5): the schema of a fresh store, with its comments."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "s.db") as store,
        store.read() as connection,
    ):
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
            " AND name NOT LIKE '%sqlite_%' ORDER BY type DESC, name"
        ).fetchall()
    lines = head("sprout-state", "5", "the store of Sprout")
    lines += [
        ".SH SYNOPSIS",
        ".I ~/.local/state/sprout/sprout.db",
        ".SH DESCRIPTION",
        *paragraphs(
            [
                "One SQLite file in WAL mode, shared by all commands, safe for many processes on "
                "one machine. Units stand in the column names; times are UTC, ISO 8601, ending in "
                "Z; NULL means not known, never zero. Read it with any SQLite tool; write to it "
                "only through sprout.",
                "The schema grows by migrations; a store that is newer than the program is "
                "refused. `sprout prune` deletes old runs.",
            ]
        ),
        ".SH SCHEMA",
    ]
    for number, row in enumerate(rows):
        lines += [".PP"] if number else []
        lines += example(textwrap.dedent(f"    {row['sql'].strip()}"))
    lines += [".SH EXAMPLES", *example(STATE_EXAMPLE)]
    lines += see_also([("sprout", "1"), ("sprout-status", "1"), ("sprout-report", "1")])
    return "\n".join(lines) + "\n"


def data_page() -> str:
    """Return sprout-report-data(5): the columns, keys and metrics of reports."""
    lines = head("sprout-report-data", "5", "columns, keys and metrics of reports")
    lines += [
        ".SH DESCRIPTION",
        *paragraphs(
            [
                "The names below stay what they are; new ones may be added. Numbers are full "
                "floats in the unit that the name says. What is not known is empty in CSV, null in "
                "JSON, and has no sample in Prometheus' format: never a zero.",
            ]
        ),
        ".SH CSV AND GROUPS",
        *paragraphs(
            [
                "`sprout report --format csv` prints a header, one row for the total and one for "
                "each group of each grouping (of one, with --by). In JSON the same names are keys "
                "of `total`, of each list in `groups` and of `timeline`; there "
                "intensity_marks and levels are objects.",
            ]
        ),
    ]
    for name, meaning in COLUMNS.items():
        lines += [".TP", f".B {escape(name)}", *filled(meaning)]
    lines += [".SH JSON"]
    for name, meaning in JSON_KEYS.items():
        lines += [".TP", f".B {escape(name)}", *filled(meaning)]
    lines += [".SH PROMETHEUS"]
    for name, (meaning, labels) in METRICS.items():
        told = f" Labels: {', '.join(labels)}." if labels else ""
        lines += [".TP", f".B {escape(name)}", *filled(meaning + told)]
    lines += see_also([("sprout-report", "1"), ("sprout-export-prometheus", "1")])
    return "\n".join(lines) + "\n"
