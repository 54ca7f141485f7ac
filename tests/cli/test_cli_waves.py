"""A prompts file that is edited while its prompts wait."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import Json, write_lines

from sprout.batch.prompts import Prompt
from sprout.cli.interrupt import Interrupt
from sprout.cli.output import Out
from sprout.cli.run.remaining import Remaining
from sprout.cli.run.waves import Waves, serve
from sprout.cli.source import open_rows
from sprout.config.settings import Settings
from sprout.errors import NoInputError, OutputExistsError
from sprout.planning.backlog import Backlog, Deadlines
from sprout.planning.wave import Wave
from sprout.run import Turn

NOW = datetime.now(UTC)
SETTINGS = Settings(state=Path("sprout.db"), threads=1)
MAX_WAVES = 20


def lines(*numbers: int, **more: object) -> list[Json]:
    return [{"id": f"q{number}", "prompt": f"Question {number}?"} | more for number in numbers]


@dataclass
class Run:
    """Serves waves of at most `quota` prompts each, and edits the file before some of them.

    Args:
        edits: what to do before each wave is decided, by its number.
        after: what to do when a wave was served, by its number.
    """

    path: Path
    quota: int = 100
    limit: int | None = None
    edits: dict[int, Callable[[], object]] = field(default_factory=dict)
    after: dict[int, Callable[[], object]] = field(default_factory=dict)
    answered: tuple[str, ...] = ()
    served: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    num_waves: int = 0

    def decide(self, backlog: Backlog, now: datetime) -> Wave:
        self.num_waves += 1
        assert self.num_waves <= MAX_WAVES, "no progress"
        quota, left = {}, self.quota
        for group, num in backlog.items():
            quota[group] = min(num, left)
            left -= quota[group]
        # behind the decision: this is when a wave meets another file than was counted
        self.edits.get(self.num_waves, lambda: None)()
        return Wave(quota, now + timedelta(hours=1), (), None)

    def take(self, _lines: object, rows: object) -> None:
        assert hasattr(rows, "__iter__")
        self.served += [row.id for row in rows if isinstance(row, Prompt)]
        self.after.get(self.num_waves, lambda: None)()

    def serve(self) -> bool:
        out, stop = Out("run"), Interrupt()
        remaining = Remaining(
            out=out,
            path=self.path,
            output=None,
            deadlines=Deadlines(NOW, NOW + timedelta(hours=8)),
            open_rows=lambda: open_rows(str(self.path), self.limit, SETTINGS, ("L0",)),
            is_answered=lambda prompt: prompt.id in self.answered,
            record=self.turns.append,
            should_stop=stop.came,
        )
        with closing(remaining):
            return serve(remaining, Waves(out, self.decide, self.take, lambda: None, stop))

    @property
    def failed(self) -> list[tuple[str, int]]:
        return [(each.id, each.line_no) for turn in self.turns for each in turn.failed]

    @property
    def num_skipped(self) -> int:
        return sum(turn.num_skipped for turn in self.turns)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "lines.jsonl", lines(*range(10)))


def names(*numbers: int) -> list[str]:
    return [f"q{number}" for number in numbers]


def test_a_file_that_stays_is_served_in_waves_without_a_word(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(path, quota=4)
    assert run.serve()
    assert run.served == names(*range(10))
    assert run.num_waves == 3
    assert capsys.readouterr().err == ""


def test_a_file_that_shrinks_is_served_to_its_end(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(path, quota=4, edits={2: lambda: write_lines(path, lines(*range(7)))})
    assert run.serve()
    assert run.served == names(*range(7))
    warning = "sprout run: warning: the prompts file has changed: 3 prompts of it are left\n"
    assert capsys.readouterr().err == warning


def plain(*words: str) -> list[Json]:
    """Return lines without ids: their numbers stand for these."""
    return [{"prompt": word} for word in words]


def test_a_line_that_is_edited_once_it_was_served_is_served_anew(path: Path) -> None:
    write_lines(path, plain("a", "b", "c", "d"))
    edited = plain("a", "b", "something else", "d")
    run = Run(path, quota=3, edits={2: lambda: write_lines(path, edited)})
    assert run.serve()
    assert run.served == [f"line-{number:06d}" for number in (1, 2, 3, 3, 4)]
    # and once more, when all was served: as it was at first
    run = Run(path, edits={1: lambda: write_lines(path, plain("a", "b", "c", "d"))})
    run.after = {2: lambda: write_lines(path, edited), 3: lambda: path.write_text("{\n")}
    assert run.serve()
    assert run.served == [f"line-{number:06d}" for number in (1, 2, 3, 4, 3)]


@pytest.mark.parametrize("words", ["xabcdefgh", "bcdefgh", "stuvwxyz"])
def test_lines_that_moved_most_answers_to_other_prompts_are_refused(path: Path, words: str) -> None:
    write_lines(path, plain(*"abcdefgh"))
    run = Run(path, quota=4, edits={2: lambda: write_lines(path, plain(*words))})
    with pytest.raises(OutputExistsError, match="goes by its number"):
        run.serve()
    assert run.served == [f"line-{number:06d}" for number in range(1, 5)]


def test_another_batch_in_the_place_of_a_served_one_is_left(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(path, plain(*"abcd"))
    run = Run(path, after={1: lambda: write_lines(path, plain(*"stuvwxyz"))})
    assert run.serve()
    assert len(run.served) == 4
    assert capsys.readouterr().err.count("holds another batch by now") == 1


def test_a_file_that_grows_is_served_to_its_end(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(
        path,
        edits={1: lambda: write_lines(path, lines(*range(12)))},
        after={2: lambda: write_lines(path, lines(*range(14)))},
    )
    assert run.serve()
    assert run.served == names(*range(14))
    assert capsys.readouterr().err.count("has changed") == 1


@pytest.mark.parametrize("more", [{"task": "other"}, {"deadline": "2030-01-01T00:00:00Z"}])
def test_lines_whose_group_changes_are_counted_anew(path: Path, more: Json) -> None:
    changed = lines(*range(5)) + lines(*range(5, 10), **more)
    run = Run(path, quota=4, edits={1: lambda: write_lines(path, changed)})
    assert run.serve()
    assert sorted(run.served) == names(*range(10))


def test_a_line_that_is_broken_meanwhile_fails_once_and_bad_lines_are_not_told_again(
    path: Path,
) -> None:
    write_lines(path, ["{", "{", *lines(*range(5))])
    broken: list[Json | str] = ["{", "{", *lines(0, 1, 2), '{"id": "q3"}', *lines(4)]
    run = Run(path, quota=2, edits={1: lambda: write_lines(path, broken)})
    assert run.serve()
    assert run.served == names(0, 1, 2, 4)
    assert run.failed == [("line-000001", 1), ("line-000002", 2), ("q3", 6)]


def test_a_line_that_is_broken_once_it_was_served_has_not_failed(path: Path) -> None:
    broken: list[Json | str] = ['{"id": "q0"}', *lines(*range(1, 10))]
    run = Run(path, after={1: lambda: write_lines(path, broken)})
    assert run.serve()
    assert (run.served, run.failed) == (names(*range(10)), [])


def test_what_was_answered_before_is_skipped_once(path: Path) -> None:
    run = Run(path, answered=("q1", "q11"), after={1: lambda: write_lines(path, lines(11, 12, 1))})
    assert run.serve()
    assert run.served == names(0, *range(2, 10), 12)
    assert run.num_skipped == 2


def test_a_file_that_is_cleared_away_once_it_was_served_is_served(path: Path) -> None:
    run = Run(path, after={1: path.unlink})
    assert run.serve()
    assert run.served == names(*range(10))


def test_a_file_that_is_gone_before_it_was_served_is_missed(path: Path) -> None:
    run = Run(path, quota=4, after={1: path.unlink})
    with pytest.raises(NoInputError, match="no prompts file"):
        run.serve()
    assert run.served == names(*range(4))


def test_lines_behind_the_limit_are_left(path: Path) -> None:
    run = Run(path, limit=6, edits={1: lambda: write_lines(path, lines(*range(12)))})
    assert not run.serve()
    assert run.served == names(*range(6))
