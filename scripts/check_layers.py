#!/usr/bin/env python3
"""Check the one-way roads: who may import what, as the README draws it.

cli -> use cases -> pure core;  adapters -> pure core.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sprout"

STANDARD = set(sys.stdlib_module_names)

# module or package, of others or of ours -> who alone may import it
OWNERS = {
    "typer": {"sprout.cli"},
    "matplotlib": {"sprout.report.pictures"},
    "prometheus_client": {"sprout.report.prometheus"},
    "rich": {
        "sprout.cli",
        "sprout.report.replayed",
        "sprout.report.terminal",
        "sprout.report.terminal_console",
        "sprout.report.terminal_fit",
        "sprout.report.terminal_report",
    },
    "llama_cpp": {"sprout.engine.llamacpp.library"},
    "sprout.engine.llamacpp.library": {"sprout.engine.llamacpp"},
    "ortools": {"sprout.planning.optimizer"},
    "sqlite_utils": {"sprout.state"},
    "sqlite3": {"sprout.state"},
    "jinja2": {"sprout.engine.confined", "sprout.engine.template"},
    "pynvml": {"sprout.meter.nvml"},
    "psutil": {"sprout.machine"},
    "platformdirs": {"sprout.config.sources"},
    "filelock": {"sprout.cli.locking"},
    "sklearn": {"sprout.quality.classes"},
    "pydantic": {"sprout.batch.promptline", "sprout.state.plans"},
    "pydantic_core": {"sprout.batch.promptline"},
    "requests": {"sprout.grid.http", "sprout.quality.http"},
    "urllib3": {"sprout.grid.http", "sprout.grid.patience", "sprout.quality.http"},
    "numpy": {
        "sprout.planning.classes",
        "sprout.engine",
        "sprout.evaluate",
        "sprout.planning.frontier",
        "sprout.grid.backtest",
        "sprout.grid.forecast",
        "sprout.grid.timeline",
        "sprout.planning.margins",
        "sprout.planning.newsvendor",
        "sprout.planning.optimizer",
        "sprout.planning.outlook",
        "sprout.planning.planner",
        "sprout.planning.policies",
        "sprout.cli.replay.history",
        "sprout.cli.replay.intensities",
        "sprout.planning.problem",
        "sprout.planning.spread",
        "sprout.planning.window",
        "sprout.quality",
        "sprout.replay",
        "sprout.report.pictures",
        "sprout.report.replayed",
    },
}

# pure: no files, processes, SQL, network, clock or chance of their own
PURE = {
    "sprout.replay.acting",
    "sprout.accounting",
    "sprout.batch.answers",
    "sprout.carbon",
    "sprout.chat",
    "sprout.planning.backlog",
    "sprout.planning.deferral",
    "sprout.planning.estimate",
    "sprout.planning.classes",
    "sprout.clock",
    "sprout.costs",
    "sprout.directives",
    "sprout.engine.answer",
    "sprout.engine.base",
    "sprout.engine.prefixes",
    "sprout.engine.scheduler",
    "sprout.engine.sequence",
    "sprout.errors",
    "sprout.planning.frontier",
    "sprout.grid.backtest",
    "sprout.grid.answer",
    "sprout.grid.forecast",
    "sprout.grid.granularity",
    "sprout.grid.intensity",
    "sprout.grid.mix",
    "sprout.grid.provider",
    "sprout.grid.range",
    "sprout.grid.reading",
    "sprout.grid.table",
    "sprout.grid.timeline",
    "sprout.meter.curve",
    "sprout.planning.margins",
    "sprout.planning.newsvendor",
    "sprout.planning.notes",
    "sprout.planning.optimizer",
    "sprout.planning.outlook",
    "sprout.planning.plan",
    "sprout.planning.planner",
    "sprout.planning.policies",
    "sprout.planning.problem",
    "sprout.planning.spread",
    "sprout.planning.strict",
    "sprout.planning.wave",
    "sprout.planning.window",
    "sprout.evaluate",
    "sprout.quality.case",
    "sprout.quality.classes",
    "sprout.quality.comparison",
    "sprout.quality.diagnostics",
    "sprout.quality.interval",
    "sprout.quality.invoker",
    "sprout.quality.judge",
    "sprout.quality.pairwise",
    "sprout.quality.preference",
    "sprout.quality.reference",
    "sprout.quality.ruling",
    "sprout.quality.trust",
    "sprout.quality.wording",
    "sprout.replay.exact",
    "sprout.replay.foresight",
    "sprout.replay.replay",
    "sprout.replay.told",
    "sprout.report.baselines",
    "sprout.report.cells",
    "sprout.report.facts",
    "sprout.report.foreign",
    "sprout.report.preferred",
    "sprout.report.group",
    "sprout.report.notes",
    "sprout.report.origins",
    "sprout.report.page",
    "sprout.report.page_markup",
    "sprout.report.page_style",
    "sprout.report.chart_axes",
    "sprout.report.charts",
    "sprout.report.rows",
    "sprout.report.saved",
    "sprout.report.sci",
    "sprout.report.sci_markdown",
    "sprout.report.summary",
    "sprout.report.tables",
    "sprout.report.timeline",
    "sprout.report.units",
    "sprout.report.words",
    "sprout.search",
    "sprout.selector",
    "sprout.replay.stage",
    "sprout.replay.world",
    "sprout.config.template",
}
IMPURE = {
    "asyncio", "ctypes", "glob", "http", "io", "multiprocessing", "os", "pathlib", "random",
    "secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading",
    "time", "urllib",
}  # fmt: skip

# use cases: no adapter, no printing
USE_CASES = {
    "sprout.evaluate",
    "sprout.metering",
    "sprout.profile",
    "sprout.replay.exact",
    "sprout.replay.replay",
    "sprout.fetch",
    "sprout.run",
    "sprout.search",
}
ADAPTERS = {
    "sprout.engine.gguf",
    "sprout.engine.llamacpp",
    "sprout.engine.open",
    "sprout.engine.recorded",
    "sprout.engine.variants",
    "sprout.grid.carbon_aware_sdk",
    "sprout.grid.eia",
    "sprout.grid.electricity_maps",
    "sprout.grid.energy_charts",
    "sprout.grid.entsoe",
    "sprout.grid.http",
    "sprout.grid.neso",
    "sprout.grid.open",
    "sprout.grid.open_electricity",
    "sprout.grid.patience",
    "sprout.grid.watttime",
    "sprout.files.reading",
    "sprout.machine",
    "sprout.meter.estimate",
    "sprout.meter.nvml",
    "sprout.meter.open",
    "sprout.meter.rapl",
    "sprout.meter.sampler",
    "sprout.batch.outfile",
    "sprout.quality.completions",
    "sprout.quality.endpoint",
    "sprout.quality.http",
    "sprout.quality.local",
    "sprout.report.pictures",
    "sprout.report.prometheus",
    "sprout.state",
    "sprout.replay.traces",
    "sprout.files.writing",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the package with its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, imported module) of a file, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            if node.module == "sprout" or node.module.startswith("sprout."):
                yield from ((node.lineno, f"{node.module}.{a.name}") for a in node.names)


def within(name: str, places: set[str]) -> bool:
    """Return whether a module is one of the places or lies inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def faults(name: str, imported: str) -> Iterator[str]:
    """Yield what is wrong with one import."""
    top = imported.split(".", maxsplit=1)[0]
    for owned, owners in OWNERS.items():
        if within(imported, {owned}) and not within(name, owners):
            yield f"{owned} belongs to {', '.join(sorted(owners))}"
    if top not in STANDARD and top not in OWNERS and top != "sprout":
        yield f"{top} has no owner in scripts/check_layers.py"
    if name in PURE and top in IMPURE:
        yield f"a pure module imports {top}"
    if not within(name, {"sprout.cli", "sprout.__main__"}) and within(imported, {"sprout.cli"}):
        yield "only the command line imports the command line"
    if (name in USE_CASES or name in PURE) and within(imported, ADAPTERS):
        yield f"the core imports the adapter {imported}"


def gone() -> Iterator[str]:
    """Yield every name in the tables above that is no module or package of today's tree."""
    named = {*PURE, *USE_CASES, *ADAPTERS}.union(*OWNERS.values())
    for name in named - {name for name, _ in modules()}:
        yield f"{name} is named in scripts/check_layers.py and is not there"


def main() -> None:
    """Print every fault and fail when there is one."""
    found = sorted(
        {*gone()}
        | {
            f"{path.relative_to(ROOT)}:{line}: {fault}"
            for name, path in modules()
            for line, imported in imports(path)
            for fault in faults(name, imported)
        }
    )
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
