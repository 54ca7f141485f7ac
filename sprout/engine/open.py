"""Opens the engine that a model path asks for."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.engine import recorded
from sprout.engine.base import Chooser, Engine
from sprout.engine.scheduler import Limits
from sprout.errors import EngineError

if TYPE_CHECKING:
    from sprout.engine.batching import BatchingEngine

SPIN_COUNT = "3000"
"""How often an OpenMP thread of llama.cpp looks for work before it sleeps.

GCC's OpenMP spins 300,000 times. Measured on 2 cores, 8 sequences, beside one busy process: 18
tokens/s with that, 56 with this; alone 148 and 141.
"""

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
    _limit_spinning()
    from sprout.engine import llamacpp

    return llamacpp.fingerprint(path)


def open_engine(path: Path, options: EngineOptions, now: datetime) -> Engine:
    """Return an engine, ready to answer."""
    if recorded.is_recording(path):
        return recorded.RecordedEngine(path, options.parallel)
    return _open_llamacpp(path, options, now)


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


def _open_llamacpp(path: Path, options: EngineOptions, now: datetime) -> "BatchingEngine":
    _limit_spinning()
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
        defined_tokens=model.defined_tokens,
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


def _limit_spinning() -> None:
    """Let waiting threads sleep soon, unless the user decides; read when llama.cpp is loaded."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
