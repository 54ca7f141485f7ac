"""Choose the best meter that this machine has, and say what it has.

The GPU is metered or it is an error: no model of ours stands in for it. The CPU is metered by RAPL
where that can be read and estimated otherwise, which the notes then say. RAPL covers the whole
package, other processes included, while the estimate covers this process only (see `rapl` and
`estimate`): the two do not compare, not even on one machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprout.meter.estimate import CPUINFO, NOT_COUNTED, CpuPower, EstimateMeter, cpu_power
from sprout.meter.fault import CounterError
from sprout.meter.meter import CombinedMeter, Meter
from sprout.meter.nvml import open_nvml
from sprout.meter.rapl import POWERCAP, open_rapl


@dataclass(frozen=True, slots=True)
class Probe:
    """What `sprout doctor` tells of one way to meter.

    Args:
        name: "nvml", "rapl" or "estimate".
        detail: what was found, or what failed.
        fix: what to do; None when the status is "ok".
    """

    name: str
    status: Literal["ok", "missing", "denied"]
    detail: str
    fix: str | None


def open_meter(
    *,
    uses_gpu: bool,
    gpu_uuids: tuple[str, ...],
    cuda_visible: str | None,
    watts_per_core: float | None,
    powercap: Path = POWERCAP,
    cpuinfo: Path = CPUINFO,
) -> tuple[Meter, tuple[str, ...]]:
    """Return the meter of all components in use, and what people should know about it.

    Args:
        uses_gpu: whether the engine computes on GPUs.
        gpu_uuids: UUIDs of those GPUs, or beginnings of them; when empty, `cuda_visible` decides.
        cuda_visible: the value of `CUDA_VISIBLE_DEVICES`; None when it is not set.
        watts_per_core: for the estimate: of one core as Linux counts them (a hardware thread);
            None looks the CPU up.
        powercap: where RAPL's zones are.
        cpuinfo: where the CPU's model name is.

    Raises:
        CounterMissingError: the GPU in use has no counter.
        CounterDeniedError: this user may not read the GPU's counter.
    """
    gpu = open_nvml(gpu_uuids, cuda_visible) if uses_gpu else None
    cpu, notes = _open_cpu(watts_per_core, powercap, cpuinfo)
    return (cpu if gpu is None else CombinedMeter((gpu, cpu))), notes


def probe(
    *,
    gpu_uuids: tuple[str, ...],
    cuda_visible: str | None,
    watts_per_core: float | None,
    powercap: Path = POWERCAP,
    cpuinfo: Path = CPUINFO,
) -> tuple[Probe, ...]:
    """Return the state of NVML, RAPL and the estimate, without raising for what is not there.

    Args are those of `open_meter`.
    """
    power = _described(cpu_power(watts_per_core, cpuinfo))
    return (
        _probe("nvml", lambda: _nvml(gpu_uuids, cuda_visible)),
        _probe("rapl", lambda: _rapl(powercap)),
        Probe("estimate", "ok", f"{power}; {NOT_COUNTED}", None),
    )


def _open_cpu(
    watts_per_core: float | None, powercap: Path, cpuinfo: Path
) -> tuple[Meter, tuple[str, ...]]:
    try:
        return open_rapl(powercap), ()
    except CounterError as error:
        power = cpu_power(watts_per_core, cpuinfo)
        return EstimateMeter(power), (
            f"The CPU's energy is estimated: {_described(power)}; {NOT_COUNTED}.",
            f"RAPL is not used, because {error}.",
        )


def _probe(name: str, describe: Callable[[], str]) -> Probe:
    try:
        return Probe(name, "ok", describe(), None)
    except CounterError as error:
        return Probe(name, error.status, error.detail, error.fix)


def _nvml(gpu_uuids: tuple[str, ...], cuda_visible: str | None) -> str:
    meter = open_nvml(gpu_uuids, cuda_visible)
    return f"{meter.method} of {', '.join(gpu.uuid for gpu in meter.gpus)}"


def _rapl(powercap: Path) -> str:
    zones = (zone.energy_path.parent.name for zone in open_rapl(powercap).zones)
    return f"sum of {', '.join(zones)}, other processes included"


def _described(power: CpuPower) -> str:
    return f"{power.watts_per_thread:.2f} W per busy hardware thread ({power.source})"
