from dataclasses import dataclass

from sprout.meter.meter import CombinedMeter, Meter


@dataclass(frozen=True)
class FixedMeter:
    method: str
    is_estimated: bool
    joules: float

    def read_j(self) -> float:
        return self.joules


GPU: Meter = FixedMeter("nvml_counter", is_estimated=False, joules=30.0)
RAPL: Meter = FixedMeter("rapl", is_estimated=False, joules=12.0)
ESTIMATE: Meter = FixedMeter("tdp_estimate", is_estimated=True, joules=5.0)


def test_combined_energy_is_the_sum() -> None:
    assert CombinedMeter((GPU, RAPL)).read_j() == 42.0  # 30 + 12


def test_combined_methods_are_joined() -> None:
    assert CombinedMeter((GPU, ESTIMATE)).method == "nvml_counter+tdp_estimate"


def test_combined_is_estimated_when_any_part_is() -> None:
    assert CombinedMeter((GPU, ESTIMATE)).is_estimated
    assert not CombinedMeter((GPU, RAPL)).is_estimated
