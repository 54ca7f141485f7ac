"""Opens the engine that a model path asks for."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sprout.engine import recorded
from sprout.engine.base import Engine
from sprout.engine.scheduler import Limits

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
    """

    parallel: int
    threads: int
    ctx: int
    gpu_layers: int
    shares_prefixes: bool


def fingerprint(path: Path) -> str:
    """Return 16 hex digits that identify what answers."""
    if recorded.is_recording(path):
        return recorded.fingerprint(path)
    from sprout.engine import llamacpp

    return llamacpp.fingerprint(path)


def open_engine(path: Path, options: EngineOptions, now: datetime) -> Engine:
    """Return an engine, ready to answer."""
    if recorded.is_recording(path):
        return recorded.RecordedEngine(path, options.parallel)
    return _open_llamacpp(path, options, now)


def _open_llamacpp(path: Path, options: EngineOptions, now: datetime) -> Engine:
    # here, so that a recording is replayed without loading llama.cpp
    from sprout.engine.batching import BatchingEngine
    from sprout.engine.llamacpp import LlamaContext, LlamaModel
    from sprout.engine.template import ChatTemplate

    model = LlamaModel(path, options.gpu_layers)
    template = ChatTemplate(
        model.template,
        bos=model.bos,
        eos=model.eos,
        control_tokens=model.control_tokens,
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
