import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout import samples
from sprout.batch import prompts
from sprout.batch.prompts import MAX_LINE_BYTES, Prompt, Rejected
from sprout.chat import Message, Sampling

URL = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
DEFAULTS = Sampling(max_tokens=64)
LEVELS = ("L0", "L1")


def new_ids() -> Callable[[str], bool]:
    taken: set[str] = set()

    def is_new(name: str) -> bool:
        fresh = name not in taken
        taken.add(name)
        return fresh

    return is_new


def read(lines: Iterable[bytes]) -> list[Prompt | Rejected]:
    rows = prompts.read(lines, defaults=DEFAULTS, levels=LEVELS, is_new_id=new_ids())
    return [row for row in rows if row is not None]


def one(line: bytes) -> Prompt | Rejected:
    (row,) = read([line])
    return row


def accepted(data: dict[str, Any]) -> Prompt:
    row = one(json.dumps(data).encode())
    assert isinstance(row, Prompt), row
    return row


def refused(data: object) -> Rejected:
    row = one(json.dumps(data).encode())
    assert isinstance(row, Rejected), row
    return row


def batch(**body: Any) -> dict[str, Any]:
    return {"custom_id": "a", "method": "POST", "url": URL, "body": {"messages": [USER], **body}}


# the three forms


def test_a_prompt_line_becomes_a_chat_with_its_system_message() -> None:
    row = accepted({"id": "a", "prompt": "Hi", "system": "Be kind.", "task": "qa"})
    assert row.chat == (Message("system", "Be kind."), Message("user", "Hi"))
    assert (row.id, row.line_no, row.task, row.directive, row.model) == ("a", 1, "qa", None, None)
    assert row.sampling == DEFAULTS


def test_a_batch_line_carries_its_options_task_and_directive() -> None:
    line = batch(
        model="m", max_tokens=9, temperature=1, top_p=0.9, top_k=40, min_p=0.1, seed=7, stop="END"
    )
    row = accepted({**line, "task": "math", "directive": "L1", "reference": "42"})
    assert row.reference == "42"
    assert row.sampling == Sampling(9, 1.0, 0.9, 40, 0.1, 7, ("END",))
    assert (row.id, row.model, row.task, row.directive) == ("a", "m", "math", "L1")


def test_a_messages_line_takes_id_or_custom_id() -> None:
    assert accepted({"id": "a", "messages": [USER]}).id == "a"
    assert accepted({"custom_id": "b", "messages": [USER]}).id == "b"
    assert refused({"id": "a", "custom_id": "b", "messages": [USER]}).code == "invalid_request"


def test_a_line_of_no_form_is_told_what_it_has_instead() -> None:
    row = refused({"promt": "Hi", "id": "a"})
    assert row.reason.startswith("found 'promt', 'id'; a line is an object with one of `body`")


def test_the_forms_may_be_mixed_in_a_file() -> None:
    lines = [batch(), {"id": "b", "messages": [USER]}, {"id": "c", "prompt": "Hi"}]
    rows = read(json.dumps(line).encode() + b"\n" for line in lines)
    assert [row.id for row in rows if isinstance(row, Prompt)] == ["a", "b", "c"]


@pytest.mark.parametrize("data", [{}, {"id": "a"}, {"prompt": "Hi", "messages": [USER]}])
def test_a_line_has_exactly_one_of_body_messages_and_prompt(data: dict[str, Any]) -> None:
    row = refused(data)
    assert row.code == "invalid_request"
    assert "`body`, `messages` and `prompt`" in row.reason


def test_equivalent_lines_of_the_three_forms_have_one_content_hash() -> None:
    chat = [{"role": "system", "content": "S"}, USER]
    rows = [
        accepted(batch(messages=chat, max_tokens=9)),
        accepted({"id": "b", "messages": chat, "max_completion_tokens": 9}),
        accepted({"prompt": "Hi", "system": "S", "max_tokens": 9, "model": "m"}),
    ]
    assert len({row.content_hash for row in rows}) == 1
    assert len(rows[0].content_hash) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Ho"},
        {"system": ""},
        {"task": "qa"},
        {"directive": "L0"},
        {"temperature": 1},
        {"seed": 1},
        {"stop": ["a"]},
        {"max_tokens": 65},
    ],
)
def test_the_content_hash_changes_with_what_decides_the_answer(change: dict[str, Any]) -> None:
    plain = {"prompt": "Hi"}
    assert accepted(plain).content_hash != accepted({**plain, **change}).content_hash


# sampling


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"max_tokens": -3}, "body.max_tokens: should be greater than 0, got -3"),
        ({"max_tokens": True}, "body.max_tokens: should be a valid integer, got true"),
        ({"max_tokens": 2**31}, "body.max_tokens: should be less than"),
        ({"max_tokens": "9"}, "body.max_tokens: should be a valid integer, got '9'"),
        ({"temperature": 2.5}, "body.temperature: should be less than or equal to 2, got 2.5"),
        ({"temperature": True}, "body.temperature: should be a valid number, got true"),
        ({"top_p": 0}, "body.top_p: should be greater than 0"),
        ({"top_k": -1}, "body.top_k: should be greater than or equal to 0"),
        ({"min_p": 1.1}, "body.min_p: should be less than or equal to 1"),
        ({"seed": -1}, "body.seed: should be greater than or equal to 0"),
        ({"seed": 2**32 - 1}, "body.seed: should be less than or equal to 4294967294"),
        ({"stop": ""}, "body.stop[0]: should not be empty"),
        ({"stop": ["x"] * 17}, "body.stop: is too long; at most 16 fit"),
        ({"stop": [1]}, "body.stop[0]: should be a valid string, got 1"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_completion_tokens is 2; give one"),
    ],
)
def test_an_impossible_option_is_named_with_its_value(
    options: dict[str, Any], fragment: str
) -> None:
    row = refused(batch(**options))
    assert (row.id, row.code) == ("a", "invalid_request")
    assert fragment in row.reason


def test_an_infinite_temperature_is_refused() -> None:
    row = one(b'{"prompt": "Hi", "temperature": 1e999}')
    assert isinstance(row, Rejected)
    assert row.reason.startswith("temperature: ")


def test_both_names_of_the_token_limit_may_agree() -> None:
    assert accepted(batch(max_tokens=5, max_completion_tokens=5)).sampling.max_tokens == 5


def test_an_option_that_is_null_is_left_out() -> None:
    assert accepted(batch(max_tokens=None, stop=None, seed=None, tools=None)).sampling == DEFAULTS


# what cannot be served

NO_OPS = {
    "n": 1,
    "stream": False,
    "tools": [],
    "response_format": {"type": "text"},
    "logprobs": False,
    "frequency_penalty": 0,
    "presence_penalty": 0.0,
    "logit_bias": {},
}


def test_options_that_ask_for_what_is_done_anyway_are_accepted() -> None:
    row = accepted(batch(**NO_OPS, user="u", metadata={"k": "v"}, store=False))
    assert row == accepted(batch())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", 2),
        ("n", True),
        ("stream", True),
        ("stream", 0),
        ("tools", [{"type": "function"}]),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("logit_bias", {"5": 1}),
        ("functions", []),
        ("audio", {}),
        ("max_token", 5),
    ],
)
def test_an_option_that_cannot_be_served_rejects_the_line(key: str, value: object) -> None:
    row = refused(batch(**{key: value}))
    assert row.code == "unsupported"
    assert row.reason.startswith(f"body.{key}: ")


@pytest.mark.parametrize(
    ("key", "value"), [("url", "/v1/embeddings"), ("method", "GET"), ("priority", "low")]
)
def test_a_batch_line_asks_for_chat_completions_by_post(key: str, value: str) -> None:
    row = refused({**batch(), key: value})
    assert row.code == "unsupported"
    assert row.reason.startswith(f"{key}: ")


def test_task_and_directive_do_not_belong_into_the_body() -> None:
    assert refused(batch(task="qa")).reason.startswith("body.task: ")


def test_no_task_has_the_name_of_all_tasks() -> None:
    row = refused({"prompt": "Hi", "task": "*"})
    assert row.reason == "task: should not be the name of all tasks together, got '*'"
    assert accepted({"prompt": "Hi", "task": "**"}).task == "**"


def test_an_unknown_level_is_answered_with_the_known_ones() -> None:
    row = refused({"prompt": "Hi", "directive": "L9"})
    assert row.code == "unknown_directive"
    assert row.reason == "directive: no 'L9'; the levels are L0, L1"


# messages


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert accepted(batch(messages=[{"role": "user", "content": parts}])).chat[0].content == "ab"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "input_audio", "text": "a"},
        {"type": "text", "text": 5},
        {"type": "text", "text": "a", "cache_control": {}},
        "a",
    ],
)
def test_other_parts_are_refused(part: object) -> None:
    row = refused(batch(messages=[{"role": "user", "content": [part]}]))
    assert row.code == "unsupported"
    assert row.reason.startswith("body.messages[0].content: ")


@pytest.mark.parametrize("role", ["tool", "function", "robot"])
def test_other_roles_are_refused(role: str) -> None:
    row = refused(batch(messages=[{"role": role, "content": "x"}, USER]))
    assert row.code == "unsupported"
    assert row.reason.startswith("body.messages[0].role: ")
    assert row.reason.endswith(f"got {role!r}")


def test_system_and_developer_messages_at_the_start_are_merged() -> None:
    opening = [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}]
    chat = accepted(batch(messages=[*opening, USER])).chat
    assert chat == (Message("system", "A\n\nB"), Message("user", "Hi"))


def test_a_system_message_after_the_start_is_refused() -> None:
    row = refused(batch(messages=[USER, {"role": "developer", "content": "B"}, USER]))
    assert row.code == "unsupported"
    assert row.reason.startswith("messages[1] is a developer message")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "system", "content": "A"}],
        [USER, {"role": "assistant", "content": "Hello"}],
        [{"role": "user", "content": " \n"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": None}],
        [{"role": "user"}],
    ],
)
def test_a_chat_ends_with_a_user_message_that_says_something(messages: list[object]) -> None:
    assert refused(batch(messages=messages)).code == "invalid_request"


def test_an_earlier_turn_may_be_empty() -> None:
    turns = [USER, {"role": "assistant", "content": ""}, USER]
    assert [turn.role for turn in accepted(batch(messages=turns)).chat] == [
        "user",
        "assistant",
        "user",
    ]


# ids


def test_a_missing_id_is_made_of_the_line_number() -> None:
    rows = read([b"\n", b'{"prompt": "Hi"}\n'])
    assert [(row.id, row.line_no) for row in rows] == [("line-000002", 2)]


def test_an_integer_id_becomes_text() -> None:
    assert accepted({"id": 7, "prompt": "Hi"}).id == "7"


@pytest.mark.parametrize("name", ["", "x" * 513, True, 1.5, ["a"], {}])
def test_an_id_is_a_short_text(name: object) -> None:
    assert refused({"id": name, "prompt": "Hi"}).reason.startswith("id: ")


def test_a_second_use_of_an_id_is_refused() -> None:
    rows = read([b'{"id": "a", "prompt": "1"}', b'{"id": "a", "prompt": "2"}'])
    assert isinstance(rows[0], Prompt)
    assert isinstance(rows[1], Rejected)
    assert (rows[1].id, rows[1].line_no, rows[1].code) == ("a", 2, "duplicate_id")


def test_a_rejected_line_leaves_its_id_free() -> None:
    rows = read([b'{"id": "a", "prompt": ""}', b'{"id": "a", "prompt": "2"}'])
    assert isinstance(rows[0], Rejected)
    assert rows[0].id == "a"
    assert isinstance(rows[1], Prompt)


# bytes


def test_blank_lines_are_counted_and_line_ends_may_be_windows() -> None:
    rows = read([b'{"prompt": "1"}\r\n', b"\r\n", b"  \n", b'{"prompt": "2"}\r\n'])
    assert [row.line_no for row in rows] == [1, 4]


def test_a_byte_order_mark_is_dropped_on_the_first_line_only() -> None:
    line = b'\xef\xbb\xbf{"prompt": "Hi"}\n'
    rows = read([line, line])
    assert isinstance(rows[0], Prompt)
    assert isinstance(rows[1], Rejected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_utf_16_file_is_recognised_on_its_first_line(encoding: str) -> None:
    row = read('{"prompt": "Hi"}\n{"prompt": "Ho"}\n'.encode(encoding).split(b"\n"))[0]
    assert isinstance(row, Rejected)
    assert row.code == "not_utf8"
    assert "UTF-16" in row.reason


def test_a_byte_that_is_not_utf_8_is_located() -> None:
    row = one('{"prompt": "café"}'.encode("latin-1"))
    assert isinstance(row, Rejected)
    assert row.code == "not_utf8"
    assert row.reason.startswith("byte 0xe9 at offset 15")  # after the 12 of {"prompt": " and caf


def test_unicode_line_separators_do_not_split_a_line() -> None:
    row = one('{"prompt": "a\u2028b\u0085c"}'.encode())
    assert isinstance(row, Prompt)
    assert row.chat[0].content == "a\u2028b\u0085c"


@pytest.mark.parametrize(
    "line",
    [
        b"What is this?",
        b"[",
        b'{"prompt": "Hi"} {}',
        b'{"prompt": NaN}',
        b'{"prompt": "Hi", "temperature": Infinity}',
        b'{"prompt": "Hi", "prompt": "Ho"}',
        b'{"prompt": "Hi", "seed": ' + b"9" * 5000 + b"}",
        b'["prompt"]',
        b"7",
    ],
)
def test_a_line_that_is_not_one_json_object_is_refused(line: bytes) -> None:
    row = one(line)
    assert isinstance(row, Rejected)
    assert row.code == "invalid_json"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"prompt": "Hi', "Unterminated string starting at column 12; write"),
        (b'{"prompt": "a\tb"}', "Invalid control character at column 14; write"),
        (b" [\r\n", "a line: jq -c '.[]' FILE makes lines of a list"),
        (b"{\n", "a line: jq -c . FILE makes lines of objects"),
    ],
)
def test_what_is_wrong_with_the_json_is_one_plain_sentence(line: bytes, reason: str) -> None:
    row = one(line)
    assert isinstance(row, Rejected)
    assert reason in row.reason


def test_a_repeated_key_is_named() -> None:
    row = one(b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}')
    assert isinstance(row, Rejected)
    assert row.reason.startswith("the key 'content' appears twice")


@pytest.mark.parametrize("prefix", [b'{"prompt": ', b'{"prompt": "\\u00e9", "metadata": '])
@pytest.mark.parametrize("depth_shift", [-200, 0, 100_000])
def test_deep_nesting_is_a_rejection_or_harmless(prefix: bytes, depth_shift: int) -> None:
    depth = sys.getrecursionlimit() + depth_shift
    row = one(prefix + b'{"a":' * depth + b"1" + b"}" * depth + b"}")
    assert isinstance(row, Prompt | Rejected)


def test_nesting_beyond_the_stack_is_explained() -> None:
    row = one(b'{"prompt":' * 100_000)
    assert isinstance(row, Rejected)
    assert "nested too deeply" in row.reason


@pytest.mark.parametrize("escape", [r"\ud800", r"\uDC00", r"\u0000"])
@pytest.mark.parametrize("line", ['{"prompt": "a%s"}', '{"prompt": "a", "id": "%s"}', '{"%s": 1}'])
def test_what_cannot_be_stored_as_text_is_refused(line: str, escape: str) -> None:
    row = one((line % escape).encode())
    assert isinstance(row, Rejected)
    assert row.code == "invalid_text"


def test_escaped_pairs_and_escaped_backslashes_are_fine() -> None:
    assert (
        accepted({"prompt": "\U0001f331 \\u0000 \\ud800"}).chat[0].content.startswith("\U0001f331")
    )


def test_a_line_beyond_the_limit_is_refused() -> None:
    longest = b'{"prompt": "%s"}' % (b"a" * (MAX_LINE_BYTES - len('{"prompt": ""}')))
    assert isinstance(one(longest), Prompt)
    # of the second only a part is here
    for line in (longest + b" ", b" " * (MAX_LINE_BYTES + 1)):
        row = one(line)
        assert isinstance(row, Rejected)
        assert row.code == "too_long"


@given(st.lists(st.integers(0, 40)), st.sampled_from([b"", b"\n"]))
def test_of_a_line_beyond_the_limit_only_the_beginning_is_kept(
    lengths: list[int],
    end: bytes,
) -> None:
    whole = b"".join(b"x" * length + b"\n" for length in lengths).removesuffix(end)
    with pytest.MonkeyPatch.context() as here:
        here.setattr(prompts, "MAX_LINE_BYTES", 10)
        found = list(prompts.bounded_lines(BytesIO(whole)))
    assert found == [line[:11] for line in BytesIO(whole)]


def test_a_reason_asks_for_an_object_where_one_is_missing() -> None:
    assert refused({"body": "a"}).reason == "body: should be an object, got 'a'"
    assert refused({"messages": ["x"]}).reason == "messages[0]: should be an object, got 'x'"


def test_a_reason_is_one_short_line_whatever_the_input() -> None:
    keys = ["k" * 5000, "k\n\x1b[31m"]
    for row in (refused({"prompt": "Hi", key: 1}) for key in keys):
        assert len(row.reason) < 200
        assert row.reason.isprintable()


@given(st.binary())
def test_any_bytes_give_a_prompt_or_a_rejection(line: bytes) -> None:
    assert all(isinstance(row, Prompt | Rejected) for row in read([line]))


KEYS = st.sampled_from(
    [
        *("id", "custom_id", "task", "directive", "reference", "body", "messages", "prompt"),
        *("system", "role", "content", "metadata", *Sampling.__dataclass_fields__, *NO_OPS),
    ]
)
ALPHABET = "a {\n\0\x1b\u00e9\u2028\ud800\U0001f331"
WORDS = st.sampled_from(["user", "system", "assistant", "tool", "L0", "text", "POST", URL])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(ALPHABET), WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)
)
TEXTS = st.text(ALPHABET)
# any at all, which nearly always breaks a rule, or just strange ones of the right form
OBJECTS = st.dictionaries(KEYS, VALUES) | st.fixed_dictionaries(
    {"prompt": TEXTS}, optional={"id": TEXTS, "task": TEXTS, "system": TEXTS}
)


@given(OBJECTS)
def test_any_object_gives_a_prompt_or_a_rejection_that_can_be_written(data: object) -> None:
    row = one(json.dumps(data).encode())
    assert row.id is None or row.id.encode()
    if isinstance(row, Rejected):
        assert row.reason.encode()
    else:
        assert "".join(message.content for message in row.chat).encode()


# packaged samples


def test_the_packaged_files_are_valid_and_share_no_id_and_no_prompt() -> None:
    rows = read([*samples.lines("quickstart"), *samples.lines("calibration")])
    valid = [row for row in rows if isinstance(row, Prompt)]
    assert len(valid) == len(rows) == 30
    assert len({row.content_hash for row in valid}) == 30


@pytest.mark.parametrize(("name", "count"), [("quickstart", 24), ("calibration", 6)])
def test_the_packaged_files_cover_the_same_six_tasks(name: Any, count: int) -> None:
    rows = read(samples.lines(name))
    assert len(rows) == count
    tasks = {row.task for row in rows if isinstance(row, Prompt)}
    assert tasks == {"qa", "math", "summarize", "rewrite", "explain", "code"}


def test_only_one_calibration_prompt_is_long() -> None:
    rows = [row for row in read(samples.lines("calibration")) if isinstance(row, Prompt)]
    num_words = sorted(len(row.chat[0].content.split()) for row in rows)
    assert num_words[-2] <= 40 < num_words[-1]  # 40 words are fewer than 60 tokens


def test_a_deadline_is_a_moment_and_decides_nothing_of_the_answer() -> None:
    plain = accepted({"prompt": "Hi"})
    row = accepted({"prompt": "Hi", "deadline": "2026-11-24T06:00:00+01:00"})
    assert row.deadline == datetime(2026, 11, 24, 5, tzinfo=UTC)
    assert (plain.deadline, plain.content_hash) == (None, row.content_hash)
    assert accepted({"prompt": "Hi", "deadline": None}).deadline is None


@pytest.mark.parametrize(
    "value",
    [
        "18:00",
        "2026-11-24T06:00:00",
        5,
        "soon",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
    ],
)
def test_a_deadline_without_a_time_zone_is_no_moment(value: object) -> None:
    row = refused({"prompt": "Hi", "deadline": value})
    assert row.code == "invalid_request"
    assert "2026-11-24T06:00:00Z" in row.reason


@pytest.mark.parametrize("outer", ["[%s]", '{"a": %s}', '[1, {"a": %s}]'])
def test_a_reference_is_nested_at_most_twenty_deep(outer: str) -> None:
    step = outer.count("[") + outer.count("{")

    def line(depth: int) -> bytes:
        reference = "1"
        for _ in range(depth // step):
            reference = outer % reference
        return f'{{"id": "a", "prompt": "Hi", "reference": {reference}}}'.encode()

    (row,) = read([line(20)])
    assert isinstance(row, Prompt), row
    for depth in (22, 600):
        (bad,) = read([line(depth)])
        assert isinstance(bad, Rejected)
        assert (bad.id, bad.code) == ("a", "invalid_request")
        assert bad.reason.startswith("reference: should be nested at most 20 deep, got a")
