"""Last words for llama.cpp, which ends the whole process when a model breaks its assertions.

Structural damage of a GGUF comes back as an error. What does not (no layer, no expert, a token that
stands twice, a vocabulary without its bytes, ...) ends in abort() or in a C++ exception that nobody
catches; so does every fault of a GPU, its full memory included. C code cannot be returned from, so
the process ends here as well: with one sentence instead of a stack trace, and the exit code of an
engine that is not available. Finished lines are on the disk by then, as after any kill.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from sprout.engine.llamacpp import log
from sprout.errors import EngineError

_OF_MODEL = (
    "the file is damaged, or asks for what this build cannot do: download it again, or use another "
    "model"
)
_OF_GPU = (
    "the GPU failed: if its memory is full, use a smaller --ctx or --parallel; else see `dmesg`"
)

_Abort = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_Terminate = ctypes.CFUNCTYPE(None)
_kept: list[object] = []  # what C code may still call must not be collected


def arrange(library: ctypes.CDLL, model: str) -> None:
    """Let llama.cpp say which model it gave up, and why.

    Args:
        library: libllama, through which its own libraries are found.
        model: what is being loaded.
    """
    callbacks = _Abort(lambda why: _give_up(model, why)), _Terminate(lambda: _give_up(model, None))
    names = "ggml_set_abort_callback", "_ZSt13set_terminatePFvvE"  # std::set_terminate
    for name, callback in zip(names, callbacks, strict=True):
        setter: Callable[[object], object] | None = getattr(library, name, None)
        if setter is not None:  # an old or a static build has it not, and aborts as ever
            setter(callback)
    _kept.extend(callbacks)


def _give_up(model: str, why: bytes | None) -> NoReturn:
    words = (why or b"an exception that it does not catch").decode(errors="replace").strip()
    is_of_gpu = words.endswith("CUDA error")  # which, it has logged before
    said = f"{words}: {log.reason()}" if is_of_gpu else words
    printable = "".join(c if c.isprintable() else "?" for c in said)
    advice = _OF_GPU if is_of_gpu else _OF_MODEL
    text = f"sprout: llama.cpp gave up on {model}: {printable}; {advice}\n"
    if sys.__stderr__ is not None:
        os.write(2, text.encode(errors="backslashreplace"))
    os._exit(EngineError.exit_code)
