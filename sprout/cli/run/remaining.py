"""The prompts of a file that are left to serve, though somebody may edit the file meanwhile.

It is counted by reading it from its beginning: at first, and again whenever it is another file than
was counted. A prompt is told by its id and its content: an edited line is a new request, whose
answer replaces the old one, and an edit that would replace most answers makes another batch.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sprout.batch.answers import Failed, failed_line
from sprout.batch.prompts import Prompt, Rejected
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.cli.run.memory import Likeness, another_batch
from sprout.cli.source import Lines, Rows, Version, version_of
from sprout.cli.wiring import utc_now
from sprout.errors import NoInputError, PermissionDeniedError
from sprout.planning.backlog import Deadlines, Group
from sprout.planning.wave import WAITING, Waiting, Wave, take
from sprout.run import Turn
from sprout.state.ids import IdMap, IdSet

LINES_PER_TURN = 1000


@dataclass(slots=True)
class Remaining:
    """What is left of a prompts file.

    Args:
        output: where answers go; None for standard output.
        open_rows: opens the prompts from the first line on.
        is_answered: whether an earlier part of this run answered a prompt.
        record: writes a turn down.
        should_stop: whether to stop reading.
        given: the content of each id that has its answer, or was given out to be answered.
        told: lines that failed, so that a second reading does not tell them again.
        backlog: how many prompts are left, of those that were counted.
        is_whole: whether no line lies behind the limit.
        is_warned: whether it was said that the file has changed.
    """

    out: Out
    path: Path
    output: Path | None
    deadlines: Deadlines
    open_rows: Callable[[], AbstractContextManager[tuple[Lines, Rows]]]
    is_answered: Callable[[Prompt], bool]
    record: Callable[[Turn], None]
    should_stop: Callable[[], bool]
    given: IdMap = field(default_factory=IdMap)
    told: IdSet = field(default_factory=IdSet)
    backlog: dict[Group, int] = field(default_factory=dict)
    counted: Version | None = None
    is_whole: bool = False
    is_warned: bool = False
    # of the turn being collected
    failed: list[Failed] = field(default_factory=list)
    num_skipped: int = 0

    @property
    def num_left(self) -> int:
        """How many prompts are left."""
        return sum(self.backlog.values())

    @property
    def is_outdated(self) -> bool:
        """Whether the file is another one than was counted."""
        return version_of(self.path) != self.counted

    def count(self) -> None:
        """Read the file for the first time."""
        self._count(is_first=True)

    def recount(self) -> None:
        """Count what the file holds by now, and say so once when that is not what was left.

        Raises:
            NoInputError, PermissionDeniedError: it is gone, with prompts that are left.
            OutputExistsError: another batch is in its place, with prompts that are left.
        """
        expected = {group: num for group, num in self.backlog.items() if num}
        try:
            likeness = self._count()
        except (NoInputError, PermissionDeniedError):
            if expected:
                raise
            return  # all of it is served: its owner may have cleared it away
        if likeness.is_of_another_batch:
            if expected:
                raise another_batch(self.output)
            self.backlog = {}
            self.out.warning("the prompts file holds another batch by now, which is left")
        elif self.backlog != expected and not self.is_warned and not self.should_stop():
            self.out.warning(
                f"the prompts file has changed: {self.num_left} prompts of it are left"
            )
            self.is_warned = True

    @contextmanager
    def taking(self, wave: Wave) -> Iterator[tuple[Lines, Iterator[Prompt | Waiting]]]:
        """Open the file and give the prompts of a wave; none if it is another file than counted."""
        with self.open_rows() as (lines, rows):
            is_counted = lines.version == self.counted
            yield lines, self._of_wave(rows, wave) if is_counted else iter(())

    def close(self) -> None:
        """Forget what was given out and told."""
        self.given.close()
        self.told.close()

    def _of_wave(self, rows: Rows, wave: Wave) -> Iterator[Prompt | Waiting]:
        """Yield the prompts of a wave, none of them twice."""
        fresh = (row if isinstance(row, Prompt) and self._is_left(row) else WAITING for row in rows)
        for row in take(fresh, wave, self.backlog, self.deadlines, utc_now):
            if isinstance(row, Prompt):
                self.given.put(row.id, row.content_hash)
            yield row

    def _is_left(self, prompt: Prompt) -> bool:
        return self.given.get(prompt.id) != prompt.content_hash

    def _count(self, *, is_first: bool = False) -> Likeness:
        """Read the file from its beginning: what was not given out before is the backlog.

        Failed lines and answered ones are done with here, each once.
        """
        self.backlog = {}
        self.counted = None
        likeness = Likeness()
        with self.open_rows() as (lines, rows), progress(self.out, "reading") as bar:
            self.counted = lines.version
            for number, row in enumerate(rows, start=1):
                if isinstance(row, Rejected):
                    self._fail(failed_line(row), is_first=is_first)
                elif row is not None:
                    self._count_prompt(row, likeness)
                if number % LINES_PER_TURN == 0:
                    self._record()
                    bar.update(number, lines.num_expected, "")
                    if self.should_stop():
                        break
            self.is_whole = lines.is_exhausted
        self._record()
        return likeness

    def _count_prompt(self, prompt: Prompt, likeness: Likeness) -> None:
        given = self.given.get(prompt.id)
        if given == prompt.content_hash:
            likeness.num_same += 1
            return
        likeness.num_changed += given is not None
        if self.is_answered(prompt):
            self.given.put(prompt.id, prompt.content_hash)
            self.num_skipped += 1
        else:
            group = self.deadlines.group_of(prompt)
            self.backlog[group] = self.backlog.get(group, 0) + 1

    def _fail(self, failure: Failed, *, is_first: bool) -> None:
        is_new = self.told.add(f"{failure.id}: {failure.reason}")
        # at first every line is told, also where two fail alike; later none whose prompt was served
        if is_first or (is_new and self.given.get(failure.id) is None):
            self.failed.append(failure)

    def _record(self) -> None:
        turn = Turn(None, (), (), tuple(self.failed), (), self.num_skipped, 0.0, 0.0)
        self.record(turn)
        self.failed.clear()
        self.num_skipped = 0
