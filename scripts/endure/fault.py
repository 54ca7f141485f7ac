"""What every fault shares: a run in a place of its own, and what it must come to in the end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trial import RECORDING, Ended, Place, Verdicts, read_lines, write_prompts

REPLAY = ("--model", RECORDING)
COUNT = 1500
PARALLEL = {"SPROUT_PARALLEL": "20"}
DISK = 74

Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Part:
    """How much of it is tried: everything, or a fifth."""

    is_quick: bool

    def of(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Return the cases to try, at least one."""
        return cases[: max(1, len(cases) // 5)] if self.is_quick else cases


@dataclass(frozen=True, slots=True)
class Trial:
    """One run in a place of its own, and what it must come to in the end."""

    name: str
    place: Place
    verdicts: Verdicts
    count: int = COUNT

    @property
    def output(self) -> Path:
        """Where its answers go."""
        return self.place.folder / "out.jsonl"

    @property
    def command(self) -> tuple[object, ...]:
        """The command that begins and continues it."""
        prompts = self.place.folder / "prompts.jsonl"
        if not prompts.exists():
            write_prompts(prompts, self.count)
        return ("run", prompts, "-o", self.output, *REPLAY)

    def expect(self, found: Ended, codes: set[int], words: str = "") -> bytes:
        """Check how a fault was told; return the whole lines that must stay."""
        lines = [line for line in found.stderr.splitlines() if line]
        holds = found.code in codes and found.is_clear and len(lines) <= 1 and words in found.stderr
        self.verdicts.check(f"{self.name}: told clearly", holds, f"{found.code} {found.stderr}")
        data = self.output.read_bytes() if self.output.exists() else b""
        return data[: data.rfind(b"\n") + 1]

    def resume(self, kept: bytes, place: Place | None = None, *more: object) -> None:
        """Run the same command again and check that nothing is lost or done twice."""
        found = (place or self.place).run(*self.command, *more)
        data = self.output.read_bytes() if self.output.exists() else b""
        counts = Counter(line["custom_id"] for line in read_lines(self.output))
        holds = (
            found.code in {0, 73}
            and data.startswith(kept)
            and counts == Counter(f"p{number}" for number in range(self.count))
            and self.place.select("PRAGMA integrity_check") == [("ok",)]
        )
        num_kept = kept.count(b"\n")
        told = found.stderr or f"{num_kept} answers were kept"
        self.verdicts.check(f"{self.name}: the same command finishes", holds, told)
        ((rows, energy_j, rest_j),) = self.place.select(
            "SELECT count(*), sum(energy_j), metered_j - idle_j FROM completions c"
            " JOIN runs USING (run_id) WHERE c.finished_at IS NOT NULL AND runs.rowid ="
            " (SELECT max(rowid) FROM runs)"
        )
        told_j = sum(line["sprout"]["energy_j"] for line in read_lines(self.output))
        agrees = rows == self.count and abs(energy_j - told_j) <= 1e-9 * told_j
        agrees = agrees and energy_j <= rest_j * (1 + 1e-9)
        self.verdicts.check(f"{self.name}: the store's sums agree", agrees, f"{rows} rows")


def place_in(folder: Path, name: str, settings: dict[str, str] | None = None) -> Place:
    """Return a new place below a folder."""
    path = folder / name.replace(" ", "-")
    path.mkdir()
    return Place(path, PARALLEL | (settings or {}))
