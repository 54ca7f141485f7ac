"""Identifies model files, without llama.cpp: what cannot be loaded can still be named."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sprout.errors import EngineError, InputError, NoInputError, PermissionDeniedError

_SAMPLED_BYTES = 1 << 20  # read at each of the sampled places of a model file
_NUM_SAMPLED_PLACES = 64
_FIRST_OF_MANY = re.compile(r"(.+)-00001-of-(\d{5})\.gguf")  # what llama-gguf-split names it


def check(path: Path) -> None:
    """Refuse what is no GGUF file.

    Raises:
        NoInputError: there is no such file, or not all that it was split into.
        PermissionDeniedError: it may not be read.
        InputError: it is not a GGUF file.
    """
    for part in parts(path):
        with _opened(part):
            pass


def parts(path: Path) -> tuple[Path, ...]:
    """Return the files of a model: more than one where `path` is the first that it was split into.

    llama.cpp is given the first and finds the others beside it, by their names.
    """
    found = _FIRST_OF_MANY.fullmatch(path.name)
    if found is None:
        return (path,)
    name, total = found.groups()
    others = (path.with_name(f"{name}-{n:05}-of-{total}.gguf") for n in range(2, int(total) + 1))
    return path, *others


def num_bytes(path: Path) -> int:
    """Return the size of a model, all its files together."""
    return sum(part.stat().st_size for part in parts(path))


def fingerprint(path: Path) -> str:
    """Return 16 hex digits that identify a model by the size and 64 even samples of each file.

    Reading 64 MiB takes the same fraction of a second for a file of 0.1 and of 100 GB. Raises what
    `check` does.
    """
    digest = hashlib.sha256()
    for part in parts(path):
        with _opened(part) as file:
            size = part.stat().st_size
            digest.update(str(size).encode())
            for place in range(_NUM_SAMPLED_PLACES):
                file.seek(max(0, size - _SAMPLED_BYTES) * place // (_NUM_SAMPLED_PLACES - 1))
                digest.update(file.read(_SAMPLED_BYTES))
    return digest.hexdigest()[:16]


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"{path} is not a GGUF file: convert the model for llama.cpp")
            yield file
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NoInputError(f"no model file at {path}: set `model` or --model") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"the model file {path} may not be read") from error
    except OSError as error:
        raise EngineError(f"the model file {path} cannot be read: {error.strerror}") from error
