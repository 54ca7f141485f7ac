import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprout.engine.scheduler import Batch, Limits, Scheduler
from sprout.engine.sequence import Prefix, Sequence

HEADS = ((), (1,) * 40, (1,) * 40 + (2,) * 70, (1,) * 40 + (3,) * 70, (4,) * 90)


@dataclass(frozen=True)
class Job:
    """A request, what the model and its user will do to it, and the step at which it arrives.

    Args:
        num_answered: the answer ends after so many tokens, at most `max_tokens`.
        patience: steps after which it is abandoned wherever it is.
    """

    tokens: tuple[int, ...]
    max_tokens: int
    num_answered: int
    patience: int = sys.maxsize
    arrives_at: int = 0


class Cell:
    """One cell of the simulated KV cache; a copied row refers to the same cells."""

    def __init__(self, token: int) -> None:
        self.token = token


@dataclass
class Simulation:
    """Drives a scheduler as the engine does, on a KV cache made of lists, and checks each step."""

    limits: Limits
    rows: dict[int, list[Cell]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    num_steps_run: Counter[str] = field(default_factory=Counter)
    num_decoded: int = 0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.limits)

    def submit(self, job: Job) -> None:
        name = f"r{len(self.jobs)}"
        self.jobs[name] = job
        self.scheduler.submit(Sequence(name, np.array(job.tokens, np.int32), job.max_tokens))

    def step(self) -> Batch:
        scheduler = self.scheduler
        decoding = [seq for seq in scheduler.running if seq.is_decoding]
        running, prefixes = list(scheduler.running), list(scheduler.prefixes)
        used = {id(seq.prefix) for seq in running}
        slots = {seq.slot for seq in running} | {prefix.slot for prefix in prefixes}

        batch = scheduler.schedule()

        self.admitted += [seq.id for seq in scheduler.running if seq not in running]
        evicted = [prefix for prefix in prefixes if prefix not in scheduler.prefixes]
        assert not any(id(prefix) in used for prefix in evicted)
        assert slots.isdisjoint({*batch.dropped_slots} - {prefix.slot for prefix in evicted})
        self.check_limits(batch)
        self.check_copies(batch)
        if batch.chunks:
            self.decode(batch)  # without chunks the engine does not even drop rows
        decoded = [chunk.row for chunk in batch.chunks]
        assert all(seq in decoded for seq in decoding)  # no generation ever stalls
        self.advance(batch)
        self.abandon_overdue()
        self.check_rows()
        return batch

    def check_limits(self, batch: Batch) -> None:
        scheduler, limits = self.scheduler, self.limits
        rows: list[Sequence | Prefix] = [*scheduler.running, *scheduler.prefixes]
        slots = [row.slot for row in rows]
        assert len(set(slots)) == len(slots)
        assert set(slots) <= set(range(limits.num_sequences + limits.num_prefixes))
        assert len(scheduler.running) <= limits.num_sequences
        assert len(scheduler.prefixes) <= limits.num_prefixes
        assert scheduler.num_reserved_cells <= limits.num_cells
        assert sum(len(chunk.tokens) for chunk in batch.chunks) <= limits.num_batch_tokens
        users = Counter(id(seq.prefix) for seq in scheduler.running)
        assert all(prefix.num_users == users[id(prefix)] for prefix in scheduler.prefixes)

    def check_copies(self, batch: Batch) -> None:
        owners = {seq.slot: seq.tokens for seq in self.scheduler.running}
        prefixes = {prefix.slot: prefix for prefix in self.scheduler.prefixes}
        owners |= {slot: prefix.tokens for slot, prefix in prefixes.items()}
        for copy in batch.copies:
            source = prefixes[copy.from_slot]
            assert source.is_ready
            assert copy.num_tokens == len(source.tokens) < len(owners[copy.to_slot])
            assert np.array_equal(owners[copy.to_slot][: copy.num_tokens], source.tokens)

    def decode(self, batch: Batch) -> None:
        for slot in batch.dropped_slots:
            self.rows.pop(slot, None)
        for copy in batch.copies:
            assert copy.to_slot not in self.rows
            self.rows[copy.to_slot] = self.rows[copy.from_slot][: copy.num_tokens]
        for chunk in batch.chunks:
            assert len(chunk.tokens) > 0
            assert chunk.row.slot is not None
            row = self.rows.setdefault(chunk.row.slot, [])
            assert chunk.first_position == len(row) == chunk.row.num_cached
            row += [Cell(token) for token in chunk.tokens.tolist()]
            self.num_decoded += len(chunk.tokens)
        cells = {id(cell) for row in self.rows.values() for cell in row}
        assert len(cells) <= self.scheduler.num_reserved_cells

    def advance(self, batch: Batch) -> None:
        for chunk in batch.chunks:
            if isinstance(chunk.row, Prefix):
                running = {seq.id for seq in self.scheduler.running}
                assert set(chunk.row.waiting) <= running
                assert chunk.row.waiting  # someone pays for it
            self.scheduler.advance(chunk)
            if isinstance(chunk.row, Sequence):
                known = len(chunk.row.tokens) + len(chunk.row.new_tokens)
                assert chunk.wants_logits == (chunk.row.num_cached == known)
                if chunk.wants_logits:
                    self.answer(chunk.row)

    def answer(self, seq: Sequence) -> None:
        seq.new_tokens.append(100 + len(seq.new_tokens))
        if len(seq.new_tokens) == self.jobs[seq.id].num_answered:
            self.finish(seq)

    def abandon_overdue(self) -> None:
        for seq in list(self.scheduler.running):
            self.num_steps_run[seq.id] += 1
            if self.num_steps_run[seq.id] >= self.jobs[seq.id].patience:
                self.finish(seq)

    def finish(self, seq: Sequence) -> None:
        self.scheduler.finish(seq)
        self.finished.append(seq.id)

    def check_rows(self) -> None:
        """Check that the cache holds exactly the known tokens that count as cached."""
        for seq in self.scheduler.running:
            assert seq.slot is not None
            known = [*seq.tokens.tolist(), *seq.new_tokens]
            assert self.tokens_in(seq.slot) == known[: seq.num_cached]
        for prefix in self.scheduler.prefixes:
            assert self.tokens_in(prefix.slot) == prefix.tokens.tolist()[: prefix.num_cached]

    def tokens_in(self, slot: int) -> list[int]:
        return [cell.token for cell in self.rows.get(slot, [])]

    def run(self, jobs: list[Job]) -> None:
        """Submit the jobs as their time comes; every step decodes something until all are done."""
        jobs = sorted(jobs, key=lambda job: job.arrives_at)
        for num_steps in count():
            while jobs and jobs[0].arrives_at <= num_steps:
                self.submit(jobs.pop(0))
            is_idle = not (self.scheduler.waiting or self.scheduler.running)
            if is_idle and not jobs:
                break
            assert bool(self.step().chunks) != is_idle


def job(tokens: tuple[int, ...], num_new: int = 1) -> Job:
    return Job(tokens, max_tokens=num_new, num_answered=num_new)


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    num_sequences = draw(st.integers(1, 6))
    return Limits(
        num_sequences,
        num_cells=draw(st.integers(130, 600)),
        num_batch_tokens=draw(st.integers(num_sequences, 64)),
        num_prefixes=draw(st.integers(0, 3)),
        num_lookahead=draw(st.sampled_from([1, 2, 5, 64])),
    )


@st.composite
def any_job(draw: st.DrawFn) -> Job:
    tail = draw(st.lists(st.integers(5, 6), min_size=1, max_size=12))
    max_tokens = draw(st.integers(1, 12))
    return Job(
        tokens=(*draw(st.sampled_from(HEADS)), *tail),
        max_tokens=max_tokens,
        num_answered=draw(st.integers(1, max_tokens)),
        patience=draw(st.one_of(st.just(sys.maxsize), st.integers(1, 12))),
        arrives_at=draw(st.sampled_from([0, 0, 8, 30])),
    )


@settings(max_examples=300)
@given(limits=any_limits(), jobs=st.lists(any_job(), max_size=24))
def test_the_cache_always_holds_exactly_the_tokens_of_its_rows(
    limits: Limits, jobs: list[Job]
) -> None:
    simulation = Simulation(limits)
    jobs = [job for job in jobs if len(job.tokens) + job.max_tokens <= limits.num_cells]
    simulation.run(jobs)
    assert sorted(simulation.finished) == sorted(simulation.jobs)
    assert simulation.admitted == list(simulation.jobs)  # in the order of arrival


def test_each_token_of_a_prompt_is_decoded_once_without_shared_prefixes() -> None:
    simulation = Simulation(Limits(4, 1000, 32, num_prefixes=0))
    simulation.run([job((1,) * 40 + (i,), num_new=3) for i in range(8)])
    assert simulation.num_decoded == 8 * (41 + 2)  # the last of three new tokens is not decoded


def test_32_prompts_decode_their_common_head_once() -> None:
    head = tuple(range(400))
    simulation = Simulation(Limits(16, 4096, 512, num_prefixes=8))
    simulation.run([job((*head, 1000 + i, 2000), num_new=2) for i in range(32)])
    assert simulation.num_decoded == 400 + 32 * (2 + 1)


def test_a_longer_prefix_begins_as_a_copy_of_a_shorter_one() -> None:
    short, long = (1,) * 100, (1,) * 100 + (2,) * 100
    simulation = Simulation(Limits(2, 2000, 256, num_prefixes=2))
    simulation.run([job((*short, 3 + i, 9)) for i in range(3)])
    assert simulation.num_decoded == 100 + 3 * 2
    simulation.run([job((*long, 3 + i, 9)) for i in range(3)])
    assert simulation.num_decoded == 100 + 3 * 2 + 100 + 3 * 2


def test_a_decode_never_stalls_behind_a_long_prefill() -> None:
    simulation = Simulation(Limits(2, 4000, 64, num_prefixes=0))
    simulation.submit(job((1, 2, 3), num_new=50))
    simulation.step()
    simulation.submit(job((4,) * 1000, num_new=1))
    for _ in range(15):
        sizes = [len(chunk.tokens) for chunk in simulation.step().chunks]
        assert sizes == [1, 63]  # one new token beside as much of the prompt as fits


def test_a_request_that_does_not_fit_yet_waits_and_is_not_overtaken() -> None:
    simulation = Simulation(Limits(4, 100, 64, num_prefixes=0))
    large, small = job((1,) * 60, num_new=10), job((2,) * 10, num_new=2)
    for each in (large, large, small):
        simulation.submit(each)
    simulation.step()  # 70 of 100 cells: the small one would fit, but the second large one is first
    assert simulation.admitted == ["r0"]
    simulation.run([])
    assert simulation.admitted == ["r0", "r1", "r2"]


def test_a_shared_prefix_never_keeps_out_a_request_that_fits_without_it() -> None:
    simulation = Simulation(Limits(1, 100, 64, num_prefixes=1))
    simulation.run([job((1,) * 40 + (i,)) for i in range(3)])
    (kept,) = simulation.scheduler.prefixes
    simulation.run([job((2,) * 90)])  # 91 + 40 cells are more than there are
    assert kept not in simulation.scheduler.prefixes


def test_a_prefix_is_evicted_only_when_no_running_request_uses_it() -> None:
    simulation = Simulation(Limits(3, 200, 64, num_prefixes=1))
    for i in range(2):
        simulation.submit(job((1,) * 80 + (i,), num_new=9))
    simulation.submit(job((2,) * 130))  # does not fit beside a prefix of 80 tokens
    simulation.step()
    (prefix,) = simulation.scheduler.prefixes
    while len(simulation.finished) < 2:
        simulation.step()
        assert simulation.scheduler.prefixes == [prefix]
    simulation.step()
    assert simulation.scheduler.prefixes == []
    assert simulation.admitted == ["r0", "r1", "r2"]


def test_a_prefix_about_to_be_copied_is_not_evicted() -> None:
    # r3 to r5 make a prefix of 110 tokens that begins as a copy of the one of 40, which nobody
    # else uses; r6 would fit in the same step if that one went, and gets its row.
    simulation = Simulation(Limits(4, 260, 64, num_prefixes=2))
    simulation.run([job((1,) * 40 + (3 + i, 9)) for i in range(3)])
    simulation.run([*[job((1,) * 40 + (2,) * 70 + (3 + i,)) for i in range(3)], job((4,) * 120)])
    assert simulation.finished == simulation.admitted == [f"r{i}" for i in range(7)]


@pytest.mark.parametrize("num_abandoned", [1, 2])
def test_a_prefix_is_decoded_for_those_who_still_wait_for_it(num_abandoned: int) -> None:
    simulation = Simulation(Limits(2, 1000, 16, num_prefixes=1))
    jobs = [job((1,) * 100 + (i,)) for i in range(2)]
    simulation.run(
        [replace(each, patience=3) for each in jobs[:num_abandoned]] + jobs[num_abandoned:]
    )
    assert len(simulation.scheduler.prefixes) == 2 - num_abandoned
    # 3 steps of 16 tokens each, or all 100 and what the other one has beyond
    assert simulation.num_decoded == (101 if num_abandoned == 1 else 48)


def test_who_waits_for_a_prefix_that_is_given_up_goes_without_one() -> None:
    simulation = Simulation(Limits(2, 1000, 16, num_prefixes=1))
    for number in range(2):
        simulation.submit(job((1,) * 100 + (number,)))
    simulation.step()
    (prefix,) = simulation.scheduler.prefixes
    simulation.scheduler.give_up(prefix)
    assert simulation.scheduler.prefixes == []
    assert simulation.scheduler.running == []
    assert [sequence.id for sequence in simulation.scheduler.waiting] == ["r0", "r1"]
    simulation.run([])
    assert simulation.finished == ["r0", "r1"]
    assert simulation.scheduler.prefixes == []
    assert simulation.num_decoded == 16 + 2 * 101
