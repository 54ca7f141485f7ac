"""Opens the engine that a model path asks for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.engine import gguf, recorded
from sprout.engine.base import Chooser, Engine
from sprout.engine.scheduler import Limits
from sprout.engine.variants import VariantEngine
from sprout.errors import EngineError, InputError

if TYPE_CHECKING:
    from sprout.engine.batching import BatchingEngine

NUM_BATCH_TOKENS = 512
NUM_PREFIXES = 8


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model.

    Args:
        parallel: requests decoded at the same time.
        threads: CPU threads.
        ctx: KV cells, shared by the running requests.
        gpu_layers: layers to put on the GPU; -1 for all.
        shares_prefixes: decode common token prefixes once.
        variants: other files of the model, by name, which answer the levels that name them.
    """

    parallel: int
    threads: int
    ctx: int
    gpu_layers: int
    shares_prefixes: bool
    variants: Mapping[str, Path] = field(default_factory=dict)


def fingerprint(path: Path) -> str:
    """Return 16 hex digits that identify what answers."""
    if recorded.is_recording(path):
        return recorded.fingerprint(path)
    return gguf.fingerprint(path)


def open_engine(path: Path, options: EngineOptions, now: datetime) -> Engine:
    """Return an engine, ready to answer; variants are loaded when they are first asked.

    Raises:
        InputError: a variant is of another model.
        EngineError: the model cannot be loaded, or not all variants fit into memory beside it.
    """
    check_variants(path, options.variants)
    model = _open_one(path, options, now, beside=tuple(options.variants.values()))
    if not options.variants:
        return model

    def opener(variant: Path) -> Callable[[], Engine]:
        return lambda: _open_one(variant, options, now)

    variants = {name: opener(variant) for name, variant in options.variants.items()}
    return VariantEngine(model, variants, options.parallel)


def check_variants(path: Path, variants: Mapping[str, Path]) -> None:
    """Refuse variants that do not read chats as the model does.

    Sizes may differ: what a level costs is measured, and what its answers are worth is judged. But
    a chat must be the same tokens to all of them, or a directive would not be the same.

    Raises:
        InputError: naming the first that does not, and why.
    """
    if not variants:
        return
    if recorded.is_recording(path):
        for name, variant in variants.items():
            if not recorded.is_recording(variant):
                raise InputError(f"variant {name}: {variant} is no recording, as the model is")
        return
    from sprout.engine.llamacpp.model import dialect

    expected = dialect(path)
    for name, variant in variants.items():
        if recorded.is_recording(variant):
            raise InputError(f"variant {name}: {variant} is a recording, and the model is none")
        found = dialect(variant)
        if found.vocabulary != expected.vocabulary:
            differs = f"another vocabulary ({found.num_tokens} tokens) than"
        elif found.template != expected.template:
            differs = "another chat template than"
        else:
            continue
        raise InputError(
            f"variant {name}: {variant} has {differs} {path}: variants are files of one model, or "
            "of one family, such as quantisations of the same GGUF"
        )


def _open_one(
    path: Path, options: EngineOptions, now: datetime, beside: tuple[Path, ...] = ()
) -> Engine:
    if recorded.is_recording(path):
        return recorded.RecordedEngine(path, options.parallel)
    return _open_llamacpp(path, options, now, beside)


def open_chooser(path: Path, options: EngineOptions, now: datetime) -> Chooser:
    """Return a model that chooses among options.

    Raises:
        EngineError: the model cannot be loaded, or has no chat template to be asked in.
    """
    if recorded.is_recording(path):
        raise EngineError(f"{path} is a recording and cannot judge: name a GGUF model")
    try:
        return _open_llamacpp(path, options, now)
    except EngineError as error:
        raise EngineError(f"the judge {path.name}: {error}") from error


def _open_llamacpp(
    path: Path, options: EngineOptions, now: datetime, beside: tuple[Path, ...] = ()
) -> "BatchingEngine":
    """Return an engine on llama.cpp; `beside` are variants that memory must have room for too."""
    # here, so that a recording is replayed without loading llama.cpp
    from sprout.engine.batching import BatchingEngine
    from sprout.engine.llamacpp import memory
    from sprout.engine.llamacpp.context import LlamaContext
    from sprout.engine.llamacpp.model import LlamaModel
    from sprout.engine.template import ChatTemplate

    gguf.check(path)
    room = memory.room_beside((path, *beside)) if options.gpu_layers == 0 else None
    model = LlamaModel(path, options.gpu_layers)
    if room is not None:
        memory.check_caches(model.cell_bytes, options.ctx, 1 + len(beside), room)
    words = model.vocabulary
    template = ChatTemplate(
        model.template,
        bos=words.bos,
        eos=words.eos,
        control_tokens=list(words.control),
        defined_tokens=list(words.defined),
        now=now,
    )
    num_prefixes = NUM_PREFIXES if options.shares_prefixes else 0
    num_batch_tokens = max(NUM_BATCH_TOKENS, options.parallel)
    context = LlamaContext(
        model,
        num_cells=options.ctx,
        num_rows=options.parallel + num_prefixes,
        num_batch_tokens=num_batch_tokens,
        num_threads=options.threads,
    )
    limits = Limits(options.parallel, options.ctx, num_batch_tokens, num_prefixes)
    return BatchingEngine(model, context, template, limits)
