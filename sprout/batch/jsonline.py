"""One line of JSON: from its bytes to an object that can be stored and sent."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

WANTED = "a line is an object with one of `body`, `messages` and `prompt`"
_HINT = "write one JSON object a line"
_HINTS = {  # of lines that begin a longer text
    "[": f"{_HINT}: jq -c '.[]' FILE makes lines of a list",
    "{": f"{_HINT}: jq -c . FILE makes lines of objects",
}
_SHOWN_CHARS = 60  # of a foreign value inside a reason
_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")


class LineError(Exception):
    """Why a line is rejected.

    Args:
        code: one of those that `sprout.batch.prompts.Rejected` lists.
        reason: one sentence for people: what is wrong, with the key and the value.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def decode(text: bytes) -> dict[str, Any]:
    """Return the object that a line holds; every string in it can be stored and sent.

    Raises:
        LineError: it is not UTF-8, not a JSON object, or a string of it cannot be stored.
        RecursionError: it is nested too deeply.
    """
    if b"\0" in text or text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise LineError(
            "not_utf8", "this looks like UTF-16; convert the file: iconv -f UTF-16 -t UTF-8"
        )
    try:
        line = text.decode().strip(" \t\r\n")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{text[error.start]:02x} at offset {error.start}"
        raise LineError("not_utf8", f"{byte} is not UTF-8; convert the file to UTF-8") from error
    try:
        data = _JSON.decode(line)
    except json.JSONDecodeError as error:
        where = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        raise LineError("invalid_json", f"{where}; {_HINTS.get(line, _HINT)}") from error
    except ValueError as error:
        raise LineError("invalid_json", f"{error}; {_HINT}") from error
    if not isinstance(data, dict):
        raise LineError("invalid_json", f"{shown(data)} is not an object; {WANTED}")
    # Only an escape can bring in what UTF-8 and JSON forbid, so most lines are spared the walk.
    if b"\\u" in text and any(_UNSENDABLE.search(string) for string in _strings(data)):
        raise LineError(
            "invalid_text", "a string holds \\u0000 or half of a surrogate pair; remove it"
        )
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)} appears twice")
    return data


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def shown(value: object) -> str:
    """Return a foreign value as a reason may quote it."""
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return repr(value[:_SHOWN_CHARS])
        case _:
            return json.dumps(value)[:_SHOWN_CHARS]
