"""Whether memory has room for weights and KV caches, asked before any of it is taken.

Linux promises more memory than there is, and then kills who uses it.
"""

from collections.abc import Sequence
from pathlib import Path

from sprout import machine
from sprout.engine import gguf
from sprout.errors import EngineError


def room_beside(paths: Sequence[Path]) -> int:
    """Return the bytes of memory that models leave free.

    Args:
        paths: the model, then its variants; they are used by turns, so that all stay.

    Raises:
        EngineError: their files are larger than what is free.
    """
    size, free = sum(map(gguf.num_bytes, paths)), machine.memory().free
    if size > free:
        alone = len(paths) == 1
        who = f"the model {paths[0]} needs" if alone else "the model and its variants need"
        advice = "use a smaller quantisation, or a GPU with --gpu-layers"
        raise EngineError(
            f"{who} {size / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free: "
            f"{advice if alone else 'name fewer variants'}"
        )
    return free - size


def check_caches(cell_bytes: int, num_cells: int, num_models: int, room: int) -> None:
    """Refuse KV caches that memory has no room for.

    Args:
        cell_bytes: of one token; a variant's are taken to be the model's.
        num_cells: tokens in each cache.
        room: bytes that the weights of all leave free.

    Raises:
        EngineError: together they are larger.
    """
    size = cell_bytes * num_cells * num_models
    if size > room:
        who = "a KV cache" if num_models == 1 else f"{num_models} KV caches"
        raise EngineError(
            f"{who} of {num_cells} tokens need{'s' if num_models == 1 else ''} {size / 1e9:.1f} "
            f"GB, and beside the weights {room / 1e9:.1f} GB of memory are free: use a smaller "
            f"--ctx{'' if num_models == 1 else ', or fewer variants'}"
        )
