"""The model and its variants as one engine; recordings are real engines."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import llama_cpp.llama_cpp as lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import SmallContextEngine, SteadyPower, TwoStepEngine, prompt, recording

from sprout.accounting import Step
from sprout.chat import Sampling
from sprout.engine.base import Completion, Engine, Request
from sprout.engine.open import EngineOptions, check_variants, open_engine
from sprout.engine.recorded import RecordedEngine
from sprout.engine.variants import VariantEngine
from sprout.errors import InputError
from sprout.metering import MeteredEngine

PARALLEL = 4


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings of a model and two variants; the answers of each say whose they are."""
    folder = tmp_path_factory.mktemp("recordings")
    found = {}
    for name in ("", "q4", "q8"):
        path = recording(folder / f"{name or 'model'}.jsonl")
        path.write_text(path.read_text().replace('"answer ', f'"{name}answer '))
        found[name] = path
    return found


def engine_of(
    paths: dict[str, Path], kind: type[RecordedEngine] = RecordedEngine, patience_s: float = 60.0
) -> tuple[VariantEngine, dict[str, RecordedEngine]]:
    """Return the engine, and those of variants that it has loaded so far, by name."""
    loaded: dict[str, RecordedEngine] = {"": kind(paths[""], PARALLEL)}

    def opener(name: str) -> Callable[[], Engine]:
        return lambda: loaded.setdefault(name, kind(paths[name], PARALLEL))

    variants = {name: opener(name) for name in ("q4", "q8")}
    return VariantEngine(loaded[""], variants, PARALLEL, patience_s), loaded


def request(name: str, level: str = "L0", text: str = "Hello.") -> Request:
    return Request(name, prompt(name, prompt=text).chat, Sampling(), level)


def submit(engine: Engine, level: str, count: int, first: int = 0) -> list[str]:
    names = [f"{level}-{n}" for n in range(first, first + count)]
    for name in names:
        engine.submit(request(name, level))
    return names


def steps(engine: Engine) -> Iterator[tuple[Step | None, tuple[Completion, ...]]]:
    while engine.is_busy:
        result = engine.step()
        yield result.step, result.completions


def batches(engine: Engine) -> list[str]:
    """Return the level of each step's requests, with their number."""
    found = []
    for _, done in steps(engine):
        (level,) = {completion.id.rpartition("-")[0] for completion in done}
        found.append(f"{level} {len(done)}")
    return found


def test_a_level_is_answered_by_its_variant_at_its_directive(paths: dict[str, Path]) -> None:
    engine, _ = engine_of(paths)
    for level in ("L0", "L2", "q4/L1", "q8/L0", "q8/L2"):
        submit(engine, level, 1)
    texts = {done.id[:-2]: done.text[:-2] for _, each in steps(engine) for done in each}
    assert texts == {
        "L0": "answer L0",
        "L2": "answer L2",
        "q4/L1": "q4answer L1",
        "q8/L0": "q8answer L0",
        "q8/L2": "q8answer L2",
    }


def test_a_variant_is_loaded_when_it_is_first_asked(paths: dict[str, Path]) -> None:
    engine, loaded = engine_of(paths)
    submit(engine, "L0", 2)
    assert batches(engine) == ["L0 2"]
    assert list(loaded) == [""]
    submit(engine, "q8/L1", 1)
    assert list(loaded) == [""]
    assert batches(engine) == ["q8/L1 1"]
    assert list(loaded) == ["", "q8"]


def test_a_batch_that_is_not_full_waits_while_another_is(paths: dict[str, Path]) -> None:
    engine, _ = engine_of(paths)
    submit(engine, "q4/L0", 3)
    submit(engine, "L0", 9)
    # two full batches of the model; then the fullest first
    assert batches(engine) == ["L0 4", "L0 4", "q4/L0 3", "L0 1"]


def test_full_batches_take_turns(paths: dict[str, Path]) -> None:
    engine, _ = engine_of(paths)
    submit(engine, "L0", 8)
    submit(engine, "q8/L0", 8)
    assert batches(engine) == ["L0 4", "q8/L0 4", "L0 4", "q8/L0 4"]


def test_a_request_that_waited_long_has_its_turn_in_a_batch_that_is_not_full(
    paths: dict[str, Path],
) -> None:
    engine, _ = engine_of(paths, patience_s=0.0)
    submit(engine, "L0", 12)
    submit(engine, "q4/L0", 1)
    assert batches(engine) == ["L0 4", "q4/L0 1", "L0 4", "L0 4"]


@given(st.lists(st.sampled_from(["L0", "q4/L1", "q8/L2"])))
def test_so_many_are_wanted_that_one_batch_can_be_filled(
    paths: dict[str, Path], levels: list[str]
) -> None:
    engine, _ = engine_of(paths)
    for number, level in enumerate(levels):
        if not engine.num_wanted:
            break
        engine.submit(request(f"{level}-{number}", level))
    if engine.num_wanted:
        return  # nothing more is there to be had
    assert len(engine.step().completions) == PARALLEL


def test_the_traits_are_those_of_the_model(paths: dict[str, Path]) -> None:
    engine, loaded = engine_of(paths)
    assert engine.traits == loaded[""].traits


def test_what_is_abandoned_is_forgotten_by_every_variant(paths: dict[str, Path]) -> None:
    engine, loaded = engine_of(paths)
    submit(engine, "q4/L0", 6)
    engine.step()
    submit(engine, "L0", 3)
    engine.abandon()
    assert not engine.is_busy
    assert not any(each.is_busy for each in loaded.values())
    assert engine.num_wanted == 2 * PARALLEL * 3
    assert submit(engine, "q4/L0", 6) == [d.id for _, each in steps(engine) for d in each]
    engine.close()


def test_a_request_that_fails_alone_leaves_the_others(paths: dict[str, Path]) -> None:
    engine, _ = engine_of(paths, SmallContextEngine)
    submit(engine, "q4/L0", 2)
    engine.submit(request("long", "q4/L0", "x" * 200))
    done = [completion for _, each in steps(engine) for completion in each]
    assert {each.id: each.error for each in done} == {
        "long": "the prompt is too long",
        "q4/L0-0": None,
        "q4/L0-1": None,
    }


# energy and time


def test_steps_of_different_variants_follow_one_another_without_a_gap(
    paths: dict[str, Path],
) -> None:
    engine, loaded = engine_of(paths, TwoStepEngine)
    submit(engine, "L0", 8)
    submit(engine, "q8/L0", 1)
    while "q8" not in loaded:
        engine.step()
    submit(engine, "L0", 8, first=8)
    submit(engine, "q8/L0", 8, first=1)
    found = [step for step, _ in steps(engine) if step is not None]
    assert all(a.end_s == b.start_s for a, b in pairwise(found))


def test_the_time_of_loading_is_nobodys(paths: dict[str, Path]) -> None:
    loaded_s = 0.0

    def slowly() -> Engine:
        nonlocal loaded_s
        ends_s = time.perf_counter() + 0.005
        while time.perf_counter() < ends_s:
            pass
        loaded_s = time.perf_counter()
        return RecordedEngine(paths["q4"], PARALLEL)

    engine = VariantEngine(RecordedEngine(paths[""], PARALLEL), {"q4": slowly}, PARALLEL)
    submit(engine, "L0", 5)
    submit(engine, "q4/L0", 4)
    first, second, third = (step for step, _ in steps(engine) if step is not None)
    assert first.end_s < loaded_s <= second.start_s
    assert second.end_s == third.start_s


def test_the_pause_after_requests_that_failed_at_once_is_nobodys(paths: dict[str, Path]) -> None:
    engine, _ = engine_of(paths, SmallContextEngine)
    submit(engine, "L0", PARALLEL)
    engine.submit(request("long", "q4/L0", "x" * 101))
    assert [len(completions) for _, completions in steps(engine)] == [PARALLEL, 1]
    paused_s = time.perf_counter()
    submit(engine, "L0", 1)
    ((step, _),) = steps(engine)
    assert step is not None
    assert step.start_s >= paused_s


@given(st.lists(st.sampled_from(["L0", "L2", "q4/L0", "q4/L1", "q8/L0"]), max_size=60))
def test_every_request_is_answered_once_and_the_joules_sum_to_the_counter(
    paths: dict[str, Path], levels: list[str]
) -> None:
    engine = MeteredEngine(engine_of(paths, TwoStepEngine)[0], SteadyPower(50.0))
    asked = {f"{number}": level for number, level in enumerate(levels)}
    waiting = iter(asked.items())
    done = []
    while True:
        for _ in range(engine.engine.num_wanted):
            name, level = next(waiting, (None, ""))
            if name is not None:
                engine.submit(request(name, level))
        if not engine.engine.is_busy:
            break
        engine.step()
        done += engine.settled()
    done += engine.settle_all()
    assert sorted(completion.id for completion, _ in done) == sorted(asked)
    for completion, _ in done:
        variant, _, directive = asked[completion.id].rpartition("/")
        assert completion.text.startswith(f"{variant}answer {directive}")
    metered_j, idle_j = engine.metered_j()
    charged_j = math.fsum(charge.energy_j for _, charge in done if charge is not None)
    assert charged_j + idle_j == pytest.approx(metered_j)


# which files fit together


def test_recordings_stand_beside_recordings_only(paths: dict[str, Path], tmp_path: Path) -> None:
    gguf = tmp_path / "x.gguf"
    gguf.write_bytes(b"GGUF")
    check_variants(paths[""], {"q4": paths["q4"]})
    with pytest.raises(InputError, match=r"variant q4: .*x\.gguf is no recording"):
        check_variants(paths[""], {"q4": gguf})


def test_an_engine_with_variants_answers_all_levels(paths: dict[str, Path]) -> None:
    variants = {name: path for name, path in paths.items() if name}
    options = EngineOptions(PARALLEL, 1, 1024, 0, shares_prefixes=True, variants=variants)
    engine = open_engine(paths[""], options, datetime(2026, 1, 1, tzinfo=UTC))
    submit(engine, "L0", 1)
    submit(engine, "q4/L1", 1)
    texts = {done.text[:-2] for _, each in steps(engine) for done in each}
    assert texts == {"answer L0", "q4answer L1"}


# on the default model


@pytest.fixture(scope="module")
def q8(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model as Q8_0: other weights, the same vocabulary and template."""
    path = tmp_path_factory.mktemp("gguf") / "q8.gguf"
    params = lib.llama_model_quantize_default_params()
    params.allow_requantize, params.ftype, params.nthread = True, lib.LLAMA_FTYPE_MOSTLY_Q8_0, 2
    assert lib.llama_model_quantize(bytes(model_path), bytes(path), params) == 0
    return path


@pytest.mark.model
def test_the_default_model_and_its_q8_answer_in_turns(model_path: Path, q8: Path) -> None:
    options = EngineOptions(2, 1, 512, 0, shares_prefixes=True, variants={"q8": q8})
    engine = open_engine(model_path, options, datetime(2026, 1, 1, tzinfo=UTC))
    metered = MeteredEngine(engine, SteadyPower(50.0))
    question = prompt("a", prompt="What is the capital of Japan?").chat
    for number in range(6):
        level = ("L0", "q8/L0")[number % 2]
        metered.submit(Request(f"{number}", question, Sampling(max_tokens=8), level))
    done = []
    while engine.is_busy:
        metered.step()
        done += metered.settled()
    done += metered.settle_all()
    assert sorted(completion.id for completion, _ in done) == list("012345")
    assert all("Tokyo" in completion.text for completion, _ in done)
    metered_j, idle_j = metered.metered_j()
    charged_j = math.fsum(charge.energy_j for _, charge in done if charge is not None)
    assert charged_j + idle_j == pytest.approx(metered_j)
    engine.close()


@pytest.mark.model
@pytest.mark.parametrize(
    ("written", "other", "reason"),
    [
        ("\u0120capital".encode(), "\u0120kapital".encode(), "another vocabulary (49152 tokens)"),
        (b"add_generation_prompt", b"ADD_generation_prompt", "another chat template"),
    ],
)
def test_a_file_that_reads_chats_otherwise_is_no_variant(
    model_path: Path, tmp_path: Path, written: bytes, other: bytes, reason: str
) -> None:
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(model_path.read_bytes().replace(written, other, 1))
    with pytest.raises(InputError) as raised:
        check_variants(model_path, {"odd": changed})
    assert str(raised.value).startswith(f"variant odd: {changed} has {reason} than {model_path}")


@pytest.mark.model
def test_a_recording_is_no_variant_of_a_model(model_path: Path, paths: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="is a recording, and the model is none"):
        check_variants(model_path, {"q4": paths["q4"]})
