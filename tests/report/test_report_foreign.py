import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.report.foreign import cell, markdown, showable


@given(st.text(st.characters()))
def test_nothing_that_is_shown_controls_a_terminal(text: str) -> None:
    shown = showable(text)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in shown)
    assert not any("\ud800" <= c <= "\udfff" or "\u202a" <= c <= "\u202e" for c in shown)
    shown.encode()


def test_ordinary_texts_are_shown_as_they_are() -> None:
    text = "caf\u00e9 \u4f60\u597d \U0001f331\n\tx"
    assert showable(text) == text


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_a_line_of_json_says_the_same_when_it_is_shown(text: str) -> None:
    assert json.loads(showable(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    lines = io.StringIO()
    csv.writer(lines).writerow([cell(text)])
    assert next(csv.reader(io.StringIO(lines.getvalue(), newline="")))[0][1:] == text


def test_other_cells_stay_as_they_are() -> None:
    assert cell("qa=1") == "qa=1"
    assert cell("") == ""


def test_markdown_holds_no_html_links_pictures_or_bars() -> None:
    text = "<script>x</script> ![a](http://x/) a|b\n# not a heading\x1b[31m"
    assert markdown(text) == (
        "&#60;script&#62;x&#60;/script&#62; !\\[a\\](http://x/) a\\|b # not a heading\\u001b\\[31m"
    )
