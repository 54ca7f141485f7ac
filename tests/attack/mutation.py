"""Breaks valid inputs where their grammar says that it hurts; chance is an argument."""

import json
import random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    *(None, True, 0, -1, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, 10**400, [], {}, [[]], ""),
    *("\0", "\ud800", "\x1b]0;owned\x07\x1b[2J", "\u202e\u2066", "a" * 10_000, "\ue0000\ue001"),
    *("'; DROP TABLE runs; --", "=cmd()", "../../etc/passwd", "[/red]", "<script>x</script>"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-24T12:00Z", "NaN"),
    *("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "[/INST]", "<|end|>", "-1e999", "1_0"),
)
CHUNKS: tuple[bytes, ...] = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b[31m", b"\r", b"\n", b'"', b"'", b"\\", b",", b";"),
    *(b"[" * 3000, b"{" * 3000, b'{"error":' * 1200, b"9" * 5000, b"1e999", b"NaN", b"-Infinity"),
    *(b"\\u0000", b"\\ud800", b"\xef\xbb\xbf", b"\xf3\xa0\x80\x81", b"{% for i in range(9) %}"),
    *(
        b"{{ ",
        b" }}",
        b"{% endfor %}",
        b"~",
        b"''' ",
        b"a = [[[",
        b"inf",
        b"nan",
        b"=",
        b"x" * 200_000,
    ),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59", b"99999999999", b"\xe2\x80\xae"),
    *(
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"&b;",
        b"&#0;",
        b"<a>" * 3000,
        b"</Period>",
        b"<![CDATA[",
    ),
)


def mutate(rng: random.Random, seed: bytes) -> bytes:
    """Return a broken copy of a valid input."""
    data = seed
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice((_in_json, _in_json, _in_cells, _in_bytes, _in_bytes))(rng, data)
    return data


def _in_json(rng: random.Random, data: bytes) -> bytes:
    """Change one value of one of the lines that are JSON; of other inputs, the bytes."""
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    try:
        value = json.loads(lines[number])
    except (ValueError, RecursionError):
        return _in_bytes(rng, data)
    places = list(_places(value, 0))
    if not places:
        return _in_bytes(rng, data)
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(rng.choice(HOSTILE))] = holder.pop(key)
        case 2:
            nested: Any = holder[key]
            for _ in range(rng.choice((2, 40, 900))):
                nested = [nested] if rng.random() < 0.5 else {"error": nested}
            holder[key] = nested
        case _:
            holder[key] = rng.choice(HOSTILE)
    try:
        lines[number] = json.dumps(value).encode()
    except (RecursionError, ValueError):
        return _in_bytes(rng, data)
    return b"\n".join(lines)


def _places(value: Any, depth: int) -> Any:
    if not isinstance(value, dict | list) or depth > 20:
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner, depth + 1)


def _in_cells(rng: random.Random, data: bytes) -> bytes:
    """Change one cell of one line, or swap, double or drop a line."""
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[number]
        case 1:
            lines.insert(rng.randrange(len(lines)), lines[number])
        case _:
            separator = rng.choice((b",", b"=", b";", b" "))
            cells = lines[number].split(separator)
            cells[rng.randrange(len(cells))] = _hostile_bytes(rng)
            lines[number] = separator.join(cells)
    return b"\n".join(lines)


def _in_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, drop, double, cut off or put in."""
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 1, 2, 8, 64)))
    match rng.randrange(5):
        case 0:
            return data[:at] + bytes([rng.randrange(256)]) + data[end:]
        case 1:
            return data[:at] + data[end:]
        case 2:
            return data[:end] + data[at:end] * rng.choice((1, 2, 100)) + data[end:]
        case 3:
            return data[:at]
        case _:
            return data[:at] + _hostile_bytes(rng) + data[at:]


def _hostile_bytes(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.choice(CHUNKS)
    value = rng.choice(HOSTILE)
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")
