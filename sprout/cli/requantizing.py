"""The body of `sprout requantize`."""

from pathlib import Path

from sprout.cli import interrupt, output
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.config.settings import Settings
from sprout.config.sources import model_path
from sprout.engine import gguf
from sprout.engine.llamacpp.requantize import TYPES, requantize
from sprout.errors import OutputExistsError, UsageError


def write(out: Out, settings: Settings, type_name: str, target: Path, *, force: bool) -> None:
    """Write the configured model with its weights in another type."""
    if type_name not in TYPES:
        raise UsageError(f"there is no type {type_name!r}: one of {', '.join(TYPES)}")
    source = model_path(settings)
    gguf.check(source)
    if target.exists():
        is_model = any(map(target.samefile, gguf.parts(source)))
        is_ours_to_replace = target.is_file() and not is_model
        if not (force and is_ours_to_replace):
            advice = "--force replaces it" if is_ours_to_replace else "choose another -o file"
            raise OutputExistsError(f"{target} is there already: {advice}")
    with interrupt.catching() as stop, progress(out, f"to {type_name}") as bar:
        num_fallbacks = requantize(
            source,
            target,
            type_name,
            settings.threads,
            lambda number, total: bar.update(number, total, "tensors"),
            stop.came,
        )
    if num_fallbacks is None:
        out.error("stopped; nothing was written")
        out.finish(stop.exit_code or output.INTERRUPTED)
    before, after = gguf.num_bytes(source), target.stat().st_size
    out.data |= {
        "model": str(source),
        "written": str(target),
        "type": type_name,
        "model_bytes": before,
        "written_bytes": after,
        "fallback_tensors": num_fallbacks,
    }
    out.text(f"{target}: {after / 1e6:.0f} MB, from {source.name} of {before / 1e6:.0f} MB")
    if num_fallbacks:
        out.note(f"{num_fallbacks} tensors do not fit {type_name} and are in the next larger type")
    out.note(f"try it: sprout profile --variants {type_name}={target}")
