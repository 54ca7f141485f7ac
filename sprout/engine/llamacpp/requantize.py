"""Writes a model's weights in another type, by llama.cpp's own quantiser.

Written against llama-cpp-python 0.3.36: llama_model_quantize and the lines that it logs.
"""

import re
import threading
from collections.abc import Callable
from pathlib import Path

from sprout.engine.llamacpp import log
from sprout.engine.llamacpp.library import lib
from sprout.errors import DiskError, EngineError, PermissionDeniedError

TYPES: dict[str, int] = {
    "bf16": lib.LLAMA_FTYPE_MOSTLY_BF16,
    "f16": lib.LLAMA_FTYPE_MOSTLY_F16,
    "q8_0": lib.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": lib.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q5_k_m": lib.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q5_0": lib.LLAMA_FTYPE_MOSTLY_Q5_0,
    "q4_k_m": lib.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "iq4_nl": lib.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "q4_0": lib.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q3_k_m": lib.LLAMA_FTYPE_MOSTLY_Q3_K_M,
}
"""llama.cpp's types of weights that need no importance matrix, the most exact first."""

_TENSOR = re.compile(r"\[ *(\d+)/ *(\d+)\]")


def requantize(
    source: Path,
    target: Path,
    type_name: str,
    num_threads: int,
    on_tensor: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> int | None:
    """Write a model with its weights in another type; the target is there whole or not at all.

    Args:
        source: a GGUF file, as `gguf.check` has it.
        type_name: one of TYPES.
        on_tensor: called with the number of the tensor that is being written, and that of all.
        should_stop: asked ten times a second.

    Returns:
        How many tensors do not fit the type and were written in the next larger one; None when it
        was stopped.

    Raises:
        DiskError, PermissionDeniedError: the target cannot be written.
        EngineError: llama.cpp cannot convert it.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.touch()
        done = _quantize(source, partial, type_name, num_threads, on_tensor, should_stop)
        if done is None:
            return None
        status, num_fallbacks, reason = done
        if "iostream error" in reason:  # all that llama.cpp says when a write fails
            raise DiskError(f"{target} cannot be written: make room, then run the command again")
        if status != 0:
            raise EngineError(f"llama.cpp cannot convert {source} to {type_name}: {reason}")
        partial.replace(target)
    except PermissionError as error:
        raise PermissionDeniedError(f"{target} may not be written: {error.strerror}") from error
    except OSError as error:
        raise DiskError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return num_fallbacks


def _quantize(
    source: Path,
    target: Path,
    type_name: str,
    num_threads: int,
    on_tensor: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> tuple[int, int, str] | None:
    """Return llama.cpp's status, how many tensors fell back, and what it said went wrong."""
    errors: list[str] = []
    num_fallbacks = 0

    def hear(level: int, said: str) -> None:
        nonlocal num_fallbacks
        found = _TENSOR.match(said)
        if found:
            on_tensor(int(found.group(1)), int(found.group(2)))
        elif level == log.ERROR:
            errors.append(said)
        elif level == log.WARNING and said.startswith("-> falling back"):
            num_fallbacks += 1

    params = lib.llama_model_quantize_default_params()
    params.ftype = TYPES[type_name]
    params.allow_requantize = True
    params.nthread = num_threads
    statuses: list[int] = []

    def work() -> None:
        log.listen(hear)
        statuses.append(lib.llama_model_quantize(bytes(source), bytes(target), params))

    # Not in the main thread: a signal would be handled when C returns, after minutes.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        if should_stop():
            return None  # the thread ends with the process
    return statuses[0], num_fallbacks, "; ".join(errors[-3:]) or "no reason given"
