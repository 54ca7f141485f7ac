"""TOML that somebody wrote: read, or refused in one message."""

import tomllib
from typing import Any

from sprout.errors import InputError


def parse(data: bytes | str, where: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Args:
        where: the file's name, for messages.

    Raises:
        InputError: it is not TOML, or not UTF-8.
    """
    try:
        return tomllib.loads(data if isinstance(data, str) else data.decode())
    except RecursionError as error:
        raise InputError(f"{where}: not TOML of ours: it is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, no UTF-8, a number of thousands of digits
        raise InputError(f"{where}: not TOML: {error}") from error
