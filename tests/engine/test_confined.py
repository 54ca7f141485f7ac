"""A chat template that wants too much is refused: it comes with a downloaded file."""

import resource
import sys
from datetime import UTC, datetime

import pytest

from sprout.chat import Message
from sprout.engine.template import ChatTemplate
from sprout.errors import EngineError, InputError

HI = (Message("user", "Hi"),)


def render(source: str) -> str:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    template = ChatTemplate(source, bos="", eos="", control_tokens=[], now=now)
    return "".join(text for text, _ in template.fragments(HI))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "it does too much work",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        (
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
            "{{ f(60) }}",
            "it does too much work",
        ),
        ("{{ 'a' * 10 ** 10 }}", "too much memory"),
        ("{{ 'a'.center(10 ** 10) }}", "too much memory"),
        ("{{ '%9999999999d' % 1 }}", "too much memory"),
        (
            "{% set ns = namespace(x='a') %}{% for i in range(60) %}"
            "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "too much memory",
        ),
        (
            "{% set ns = namespace(x=9) %}{% for i in range(60) %}"
            "{% set ns.x = ns.x * ns.x %}{% endfor %}",
            r"\* makes too long an integer",
        ),
        ("{{ 10 ** (10 ** 9) }}", r"\*\* makes too long an integer"),
        ("{{ 1.5 | round(10 ** 9, 'ceil') }}", "too many digits"),
        ("{% for i in range(999) %}{{ 'a' * 9999 }}{% endfor %}", "makes 9989001 characters"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ],
)
def test_a_template_that_takes_too_much_is_refused(source: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"template (refuses this chat|makes).*{reason}|{reason}"):
        render(source)


@pytest.mark.parametrize(
    "source", ["{% for a in 'b' %}" * 30 + "{% endfor %}" * 30, "{{" + "(" * 5000]
)
def test_a_template_that_cannot_be_compiled_is_an_engine_error(source: str) -> None:
    with pytest.raises(EngineError, match="does not parse"):
        render(source)


def test_honest_arithmetic_works() -> None:
    assert render("{{ 2 ** 10 }} {{ 3 * 4 }} {{ 'ab' * 2 }} {{ 1.25 | round(1) }}") == (
        "1024 12 abab 1.2"
    )


def test_sentinels_that_a_template_writes_itself_are_text() -> None:
    written = "\ue0007\ue001\ue000" + "9" * 5000 + "\ue001"
    assert render(written + "{{ messages[0].content }}") == f"{written}Hi"


def test_limits_end_with_the_template() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS), sys.gettrace()
    with pytest.raises(InputError):
        render("{{ 'a' * 10 ** 10 }}")
    assert (resource.getrlimit(resource.RLIMIT_AS), sys.gettrace()) == before


def test_a_long_chat_stays_far_below_the_limits() -> None:
    source = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\n{% endfor %}"
    now = datetime(2026, 1, 1, tzinfo=UTC)
    template = ChatTemplate(source, bos="", eos="", control_tokens=[], now=now)
    chat = tuple(Message("user", "Hi \U0001f331" * 100) for _ in range(2000))
    assert sum(len(text) for text, _ in template.fragments(chat)) > 800_000
