"""Where the numbers of a report come from. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sprout.report.cells import Cell, Circumstances, energy_mark

Key = TypeVar("Key", bound=tuple[object, ...])


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a kind of number comes from, and how much rests on it.

    Args:
        name: the method, source or preset.
        mark: measured | estimated | forecast | yearly average | fixed | ...
        detail: sentence for people; None where there is nothing more to say.
        mean: of the number itself: g/kWh, g/s or the PUE; None for energy.
        kind: of an intensity, average | marginal; None where it was not recorded.
        factor: of an intensity, lifecycle | direct | unknown; None likewise.
    """

    name: str
    mark: str
    detail: str | None
    num_answered: int
    energy_j: float
    carbon_g: float
    mean: float | None
    kind: str | None = None
    factor: str | None = None


@dataclass(slots=True)
class Origins:
    """Sums by circumstances: few, so what is asked of them is worked out at the end."""

    sums: dict[int, tuple[Circumstances, list[float]]] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Count the requests of a cell."""
        under = cell.circumstances
        if under is None:
            return
        _, sums = self.sums.setdefault(under.id, (under, [0, 0.0, 0.0, 0.0, 0.0]))
        sums[0] += cell.num_answered
        sums[1] += cell.energy_j
        sums[2] += cell.operational_g
        sums[3] += cell.embodied_g
        sums[4] += cell.g_per_kwh

    def energy(self) -> tuple[Origin, ...]:
        """Return the methods by which energy was obtained."""
        return tuple(
            Origin(name, energy_mark(name), None, int(n), joules, op_g, None)
            for (name,), (n, joules, op_g, _, _) in self._by(lambda c: (c.energy_method,))
        )

    def intensity(self) -> tuple[Origin, ...]:
        """Return the sources of intensities, by zone, mark, kind and factor."""
        found = self._by(
            lambda c: (
                c.zone,
                c.intensity_source or c.mark,
                c.mark,
                c.intensity_kind,
                c.intensity_factor,
            )
        )
        return tuple(
            Origin(
                f"{zone}: {source}",
                mark,
                f"{kind or 'kind not recorded'}, {_factors(factor)}",
                int(n),
                joules,
                op_g,
                g / n,
                kind,
                factor,
            )
            for (zone, source, mark, kind, factor), (n, joules, op_g, _, g) in found
        )

    def embodied(self) -> tuple[Origin, ...]:
        """Return the presets by which embodied carbon was counted."""
        found = self._by(lambda c: (c.embodied_preset, c.embodied_g_per_s, c.embodied_detail or ""))
        return tuple(
            Origin(preset, "modelled", detail or None, int(n), joules, emb_g, rate)
            for (preset, rate, detail), (n, joules, _, emb_g, _) in found
        )

    def pue(self) -> tuple[Origin, ...]:
        """Return the PUEs that were set."""
        return tuple(
            Origin(f"{value:g}", "set", None, int(n), joules, op_g, value)
            for (value,), (n, joules, op_g, _, _) in self._by(lambda c: (c.pue,))
        )

    def _by(self, key_of: Callable[[Circumstances], Key]) -> list[tuple[Key, list[float]]]:
        found: dict[Key, list[float]] = {}
        for under, sums in self.sums.values():
            so_far = found.get(key_of(under), [0.0] * len(sums))
            found[key_of(under)] = [a + b for a, b in zip(so_far, sums, strict=True)]
        return sorted(found.items(), key=lambda item: (-item[1][0], str(item[0])))


def _factors(factor: str | None) -> str:
    if factor is None:
        return "factors not recorded"
    return "factors unknown" if factor == "unknown" else factor
