"""Reads stored texts back; one that Sprout cannot have written means a damaged store.

SQLite finds a damaged page, and columns of a wrong type; that a disk changed one letter inside a
text it cannot know.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sprout import clock
from sprout.state.store import damaged

_SHOWN_CHARS = 60


@contextmanager
def readable(text: object) -> Iterator[None]:
    """Turn what goes wrong when a stored text is read into a damaged store.

    Raises:
        DiskError: the block could not make of the text what Sprout writes there.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise damaged(
            f"it holds {str(text)[:_SHOWN_CHARS]!r} where Sprout writes no such"
        ) from error


def from_text(text: str) -> datetime:
    """Return the time that a column holds.

    Raises:
        DiskError: it is none.
    """
    with readable(text):
        return clock.from_text(text)


def from_json(text: str) -> Any:  # noqa: ANN401 - JSON says of what kind it is
    """Return the value that a column holds as JSON.

    Raises:
        DiskError: it is none.
    """
    with readable(text):
        return json.loads(text)
