"""What llama.cpp says while it works: the reasons that it gives for refusing."""

import ctypes
from collections.abc import Callable

from sprout.engine.llamacpp.library import lib

WARNING, ERROR = 3, 4  # ggml_log_level of ggml.h

_kept: list[object] = []  # what C code may still call must not be collected
_troubles: list[str] = []


def listen(hear: Callable[[int, str], None]) -> None:
    """Let a function hear the level and the text of each line, and nobody else."""

    @lib.llama_log_callback  # type: ignore[untyped-decorator]
    def callback(level: int, text: bytes, _data: object) -> None:
        hear(level, text.decode(errors="replace").strip())

    lib.llama_log_set(callback, ctypes.c_void_p(0))
    _kept[:] = [callback]


def keep_troubles() -> None:
    """Listen to warnings and errors from now on, for `reason`."""
    listen(_keep)


def forget_troubles() -> None:
    """Forget what was heard before: the next call's reasons are its own."""
    _troubles.clear()


def reason() -> str:
    """Return why the call since `forget_troubles` failed, in llama.cpp's last words of it."""
    return "; ".join(_troubles[-3:]) or "no reason given"


def _keep(level: int, text: str) -> None:
    if level in {WARNING, ERROR}:
        _troubles.append(text)
