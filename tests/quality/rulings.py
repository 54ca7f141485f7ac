"""Rulings about levels 0 and 1, in short."""

from datetime import UTC, datetime

from sprout.quality.comparison import Reading
from sprout.quality.judge import Fault
from sprout.quality.ruling import Ruling

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ruling(
    prompt: str,
    reading: Reading,
    shown: tuple[tuple[str, ...], ...],
    *chosen: int,
    lengths: tuple[int, ...] | None = None,
    fault: Fault | None = None,
) -> Ruling:
    return Ruling(
        "judge", prompt, "qa", "qa", "served", reading, shown,
        lengths or (10,) * len(shown), chosen, fault, NOW,
    )  # fmt: skip


def pair(prompt: str, first: int, second: int, *, length: int = 5, base: int = 10) -> list[Ruling]:
    """L1 against L0 in both orders; what was chosen in each."""
    return [
        ruling(prompt, "pair", (("0",), ("1",)), first, lengths=(base, length)),
        ruling(prompt, "pair", (("1",), ("0",)), second, lengths=(length, base)),
    ]
