"""Texts of others, such as tasks, zones and answers, made harmless where they are shown. Pure."""

import re

_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but newline and tab, what turns the direction of writing, halves of pairs."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"[\\<>\[\]|&]")


def showable(text: str) -> str:
    r"""Return a text whose control characters are spelled out as \u001b and the like.

    Such a spelling is JSON's own: a line of JSON says the same afterwards.
    """
    return _UNSHOWABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def cell(text: str) -> str:
    """Return a text for a cell of CSV, which no spreadsheet takes for a formula.

    One that could be begins with an apostrophe, which spreadsheets leave out; numbers of ours do
    not come here.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown(text: str) -> str:
    """Return a text without HTML, links, pictures and bars of tables, for one line of Markdown."""
    escaped = _MARKDOWN.sub(_entity, text)
    return " ".join(showable(escaped).split("\n"))


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};" if found.group() in "<>&" else f"\\{found.group()}"
