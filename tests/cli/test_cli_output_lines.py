"""The lines of the output file: OpenAI Batch form and the `sprout` object."""

from pathlib import Path

import pytest
from cli.program import REPLAY, Json, ids, read_lines, sprout, write_lines, write_prompts

SPROUT_KEYS = {
    "level",
    "zone",
    "intensity_g_per_kwh",
    "intensity_source",
    "energy_j",
    "energy_method",
    "embodied_g",
    "carbon_g",
    "busy_s",
    "duration_s",
    "plan_id",
}
JOULES_PER_KWH = 3.6e6


@pytest.fixture
def lines(prompts: Path, out: Path) -> list[Json]:
    command = ("run", prompts, *REPLAY, "-o", out, "--intensity", 450, "--pue", 1.5)
    assert sprout(*command, "--embodied", "0.001").code == 0
    return read_lines(out)


def test_there_is_one_line_for_each_prompt_and_nothing_else(lines: list[Json]) -> None:
    assert sorted(ids(lines)) == sorted(f"q{n}" for n in range(10))
    assert len({line["id"] for line in lines}) == 10


def test_a_line_has_the_form_of_openai_batch(lines: list[Json]) -> None:
    for line in lines:
        assert line.keys() == {"id", "custom_id", "response", "error", "sprout"}
        assert line["error"] is None
        response = line["response"]
        assert response.keys() == {"status_code", "request_id", "body"}
        assert response["status_code"] == 200
        body = response["body"]
        assert body.keys() == {"id", "object", "created", "model", "choices", "usage"}
        assert body["object"] == "chat.completion"
        (choice,) = body["choices"]
        assert choice.keys() == {"index", "message", "logprobs", "finish_reason"}
        assert choice["message"]["role"] == "assistant"
        assert choice["message"]["content"]
        assert choice["finish_reason"] in {"stop", "length"}
        usage = body["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_carbon_is_operational_plus_embodied(lines: list[Json]) -> None:
    for line in lines:
        cost = line["sprout"]
        assert cost.keys() == SPROUT_KEYS
        assert cost["intensity_g_per_kwh"] == 450
        assert cost["intensity_source"] == "--intensity (fixed)"
        assert cost["energy_method"] == "tdp_estimate"
        assert cost["energy_j"] > 0
        assert cost["busy_s"] > 0
        assert cost["duration_s"] > 0
        assert cost["embodied_g"] == pytest.approx(0.001 * cost["busy_s"], rel=1e-12)
        operational_g = cost["energy_j"] / JOULES_PER_KWH * 1.5 * 450
        assert cost["carbon_g"] == pytest.approx(operational_g + cost["embodied_g"], rel=1e-12)


def test_the_closing_record_sums_the_lines(prompts: Path, out: Path) -> None:
    data = sprout("run", prompts, *REPLAY, "-o", out, "--json").data
    costs = [line["sprout"] for line in read_lines(out)]
    for name in ("energy_j", "busy_s", "embodied_g", "carbon_g"):
        assert data[name] == pytest.approx(sum(cost[name] for cost in costs), rel=1e-9)
    assert sum(data["levels"].values()) == data["num_served"] == 10
    assert data["is_complete"] is True
    assert data["is_energy_estimated"] is True
    assert data["embodied_preset"] == "server"
    assert data["pue"] == 1.0


def test_all_three_forms_of_a_line_are_served(out: Path) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]
    batch = {"method": "POST", "url": "/v1/chat/completions"}
    forms: list[Json | str] = [
        batch | {"custom_id": "a", "body": {"model": "gpt-5", "messages": messages}},
        {"custom_id": "b", "messages": messages, "max_completion_tokens": 5, "seed": 1},
        {"id": "c", "prompt": "Hello?", "system": "Be kind.", "task": "qa", "temperature": 0.5},
        {"prompt": "Without an id."},
    ]
    write_lines(Path("forms.jsonl"), forms)
    assert sprout("run", "forms.jsonl", *REPLAY, "-o", out).code == 0
    models = {line["custom_id"]: line["response"]["body"]["model"] for line in read_lines(out)}
    assert models == {
        "a": "gpt-5",
        "b": "recording",
        "c": "recording",
        "line-000004": "recording",
    }


def test_a_pinned_directive_is_used_and_stays_outside_the_plan(out: Path) -> None:
    write_lines(
        Path("pinned.jsonl"),
        [{"id": level, "prompt": "Hello?", "directive": level} for level in ("L2", "L1", "L0")],
    )
    assert sprout("run", "pinned.jsonl", *REPLAY, "-o", out).code == 0
    for line in read_lines(out):
        assert line["sprout"]["level"] == line["custom_id"]
        assert line["sprout"]["plan_id"] is None


def test_realised_shares_stay_within_one_prompt_of_the_mix(out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 500)
    assert sprout("run", prompts, *REPLAY, "-o", out, "--no-learn").code == 0
    planned = sprout("run", prompts, *REPLAY, "--dry-run", "--json").data["estimate"]["levels"]
    for level, share in planned.items():
        served = sum(line["sprout"]["level"] == level for line in read_lines(out))
        assert abs(served - share * 500) <= 2  # two tasks, each within one


def test_failed_lines_go_to_a_file_of_their_own(out: Path) -> None:
    write_lines(Path("mixed.jsonl"), [{"id": "good", "prompt": "Hello?"}, "{", {"id": "bad"}])
    assert sprout("run", "mixed.jsonl", *REPLAY, "-o", out).code == 3
    assert ids(read_lines(out)) == ["good"]
    errors = read_lines(Path("out.jsonl.errors.jsonl"))
    assert ids(errors) == ["line-000002", "bad"]
    for line in errors:
        assert line.keys() == {"id", "custom_id", "response", "error"}
        assert line["response"] is None
        assert line["error"].keys() == {"code", "message", "line"}


def test_the_errors_file_may_be_named(out: Path) -> None:
    write_lines(Path("mixed.jsonl"), [{"id": "good", "prompt": "Hello?"}, "{"])
    assert sprout("run", "mixed.jsonl", *REPLAY, "-o", out, "--errors", "bad.jsonl").code == 3
    assert len(read_lines(Path("bad.jsonl"))) == 1
    assert not Path("out.jsonl.errors.jsonl").exists()


def test_a_run_without_failures_leaves_no_errors_file(prompts: Path, out: Path) -> None:
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    assert not Path("out.jsonl.errors.jsonl").exists()


def test_texts_that_json_escapes_are_kept(out: Path) -> None:
    line = '{"id": "a\\u2028b", "prompt": "naïve \U0001f333\u2028 <|im_end|>"}'
    write_lines(Path("odd.jsonl"), [line])
    assert sprout("run", "odd.jsonl", *REPLAY, "-o", out).code == 0
    assert ids(read_lines(out)) == ["a\u2028b"]
