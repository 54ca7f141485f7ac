import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import NOW, admission, prompt, served

from sprout.batch.answers import Failed, answer_line, error_line, failed_line, parse_line
from sprout.batch.prompts import Rejected

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_line_has_the_form_of_openais_batch_output_and_says_what_it_cost() -> None:
    row = prompt("a", task="qa")
    line = json.loads(answer_line(served(admission(row, "L1")), "run-1", "Tiny-1B", NOW))
    message = {"role": "assistant", "content": "An answer."}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    assert line == {
        "id": "run-1-1",
        "custom_id": "a",
        "response": {
            "status_code": 200,
            "request_id": row.content_hash,
            "body": {
                "id": f"chatcmpl-{row.content_hash}",
                "object": "chat.completion",
                "created": 1767268800,  # 2026-01-01T12:00:00Z
                "model": "Tiny-1B",
                "choices": [choice],
                "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
            },
        },
        "error": None,
        "sprout": {
            "level": "L1",
            "zone": "DE",
            "intensity_g_per_kwh": 200.0,
            "intensity_source": "electricitymaps_csv (measured)",
            "energy_j": 36.0,
            "energy_method": "rapl",
            "embodied_g": pytest.approx(0.002),  # 2 s * 0.001 g/s
            "carbon_g": pytest.approx(0.004),  # and 36 J / 3.6e6 J/kWh * 200 g/kWh
            "busy_s": 2.0,
            "duration_s": 3.0,  # from 1 s to 4 s
            "plan_id": "plan-1",
        },
    }


def test_a_model_that_the_prompt_names_is_echoed() -> None:
    row = served(admission(prompt("a", model="gpt-4")))
    line = json.loads(answer_line(row, "run-1", "Tiny-1B", NOW))
    assert line["response"]["body"]["model"] == "gpt-4"


@given(TEXTS)
def test_any_answer_is_one_line_that_is_read_back(text: str) -> None:
    line = answer_line(served(admission(prompt("a")), text=text), "run-1", "m", NOW)
    assert "\n" not in line
    value = parse_line(line.encode() + b"\n")
    assert value is not None
    assert value["response"]["body"]["choices"][0]["message"]["content"] == text


def test_an_id_of_any_script_is_read_back() -> None:
    line = answer_line(served(admission(prompt("Grüße-例\u2028"))), "run-1", "m", NOW)
    value = parse_line(line.encode())
    assert value is not None
    assert value["custom_id"] == "Grüße-例\u2028"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"custom_id": "a"}',
        b'{"id": "run-1-1", "custom_id": "a", "sprout": null}',
        b'{"id": "run-1-1", "custom_id": "a", "sprout": {"level": "L0"}}',
        b'{"id": "run-1-1", "custom_id": "a", "sprout": {"level": "L0"}, "response": null}',
        b'{"custom_id": "a", "sprout": {"level": "L0"}, "response": {"body": {}}}',
        b'{"id": 1, "custom_id": "a", "sprout": {"level": "L0"}, "response": {"body": {}}}',
        b'{"id": "1", "custom_id": 2, "sprout": {"level": "L0"}, "response": {"body": {}}}',
        b'{"id": "1", "custom_id": "a", "sprout": {"level": 0}, "response": {"body": {}}}',
    ],
)
def test_what_is_no_line_of_ours_is_none(line: bytes) -> None:
    assert parse_line(line) is None


def test_a_failure_is_told_in_the_form_of_openais_batch_errors() -> None:
    failed = Failed("a", 7, "request_failed", "prompt of 900 tokens: zu lang")
    line = error_line(failed, "run-1")
    assert json.loads(line) == {
        "id": "run-1-7",
        "custom_id": "a",
        "response": None,
        "error": {
            "code": "request_failed",
            "message": "prompt of 900 tokens: zu lang",
            "line": 7,
        },
    }
    assert parse_line(line.encode()) is None


def test_a_rejected_line_fails_under_its_id_or_its_number() -> None:
    rejected = Rejected("a", 42, "duplicate_id", "twice")
    assert failed_line(rejected) == Failed("a", 42, "duplicate_id", "twice")
    assert failed_line(replace(rejected, id=None)).id == "line-000042"


def test_the_latency_is_from_joining_the_batch_to_the_last_token() -> None:
    assert served(admission(prompt("a"))).duration_s == 3.0
