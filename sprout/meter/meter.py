"""What reads energy: one counter, or several read as one."""

from dataclasses import dataclass
from typing import Literal, Protocol

Method = Literal["nvml_counter", "nvml_power", "rapl", "tdp_estimate"]


class Meter(Protocol):
    """A counter of joules that starts at zero when it is opened and never falls."""

    @property
    def method(self) -> str:
        """Return the `Method` by which it is metered; several are joined with "+"."""

    @property
    def is_estimated(self) -> bool:
        """Return whether any part of the energy comes from a model, not from a counter."""

    def read_j(self) -> float:
        """Return the energy since the meter was opened, in joules."""


@dataclass(frozen=True, slots=True)
class CombinedMeter:
    """The meters of several components, read as one; none may count what another counts."""

    meters: tuple[Meter, ...]

    @property
    def method(self) -> str:
        """Return the methods, joined with "+", in the order of the meters."""
        return "+".join(meter.method for meter in self.meters)

    @property
    def is_estimated(self) -> bool:
        """Return whether any of the meters estimates."""
        return any(meter.is_estimated for meter in self.meters)

    def read_j(self) -> float:
        """Return the energy of them all since they were opened, in joules."""
        return sum(meter.read_j() for meter in self.meters)
