"""`sprout evaluate` on the default model itself."""

import time
from pathlib import Path

import pytest
from cli.program import select, sprout, write_lines

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_thirty_prompts_are_judged_by_their_references_in_under_three_minutes(
    model_path: Path, store: Path
) -> None:
    started_s = time.perf_counter()
    found = sprout("evaluate", "--prompts", 30, "--model", model_path, "--json")
    assert found.code == 0, found.stderr
    assert time.perf_counter() - started_s < 180
    data = found.data
    assert (data["num_prompts"], data["num_unanswered"], data["source"]) == (30, 0, "bundled")
    judged = {row["n"] for row in data["rows"] if row["task"] is None}
    assert judged == {30 - data["judge"]["num_no_match"]}
    assert max(judged) >= 10  # even a small model gets some of them right
    assert data["cost"]["metered_j"] > 0
    assert data["cost"]["operational_g"] > 0
    assert select(store, "SELECT count(*) FROM answers") == [(90,)]


def test_prompts_that_do_not_fit_are_left_out_and_said(model_path: Path) -> None:
    lines = [{"prompt": text, "reference": "5"} for text in ("Say 5.", "word " * 400)]
    command = ("evaluate", write_lines(Path("two.jsonl"), lines), "--model", model_path)
    found = sprout(*command, "--ctx", 256, "--parallel", 1, "--max-tokens", 8, "--json")
    assert found.code == 3
    assert (found.data["num_prompts"], found.data["num_unanswered"]) == (2, 1)
    assert "1 prompts got no answer at every level, as at L" in found.stderr


def test_the_default_model_does_not_earn_trust_as_a_judge(model_path: Path, store: Path) -> None:
    lines = [{"prompt": "What is the capital of France?"}, {"prompt": "Why is the sky blue?"}]
    prompts = write_lines(Path("two.jsonl"), lines)
    options = ("--judge", "local", "--no-pairwise", "--max-tokens", 24, "--model", model_path)
    found = sprout("evaluate", prompts, *options)
    assert found.code == 78
    assert "NOT trusted" in found.stderr
    shown = sprout("evaluate", "--show", "--model", model_path, "--json").data
    (judge,) = shown["judges"]
    assert judge["trusted"] is False
    # It nearly always names what is shown first. The README tells the figures.
    assert judge["control_pairs"]["num_split"] >= 60
    assert shown["is_preference_prior"] is True
    assert select(store, "SELECT reading, count(*) FROM verdicts") == [("control", 132)]
    # local judging is metered
    (past,) = shown["history"]
    assert past["busy_s"] > 5
