"""Choose the best meter that this machine has, and say what it has.

The GPU is metered or it is an error: no model of ours stands in for it. The CPU is metered by RAPL
where that can be read and estimated otherwise, which the notes then say. RAPL covers the whole
package, other processes included, while the estimate covers this process only (see `rapl` and
`estimate`): the two do not compare, not even on one machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprout.meter.estimate import CPUINFO, NOT_COUNTED, CpuPower, EstimateMeter, cpu_power
from sprout.meter.fault import CounterDeniedError, CounterMissingError
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
        UsageError: `watts_per_core` is not a positive number.
    """
    power = cpu_power(watts_per_core, cpuinfo)
    gpu = open_nvml(gpu_uuids, cuda_visible) if uses_gpu else None
    cpu, notes = _open_cpu(power, powercap)
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

    Raises:
        UsageError: `watts_per_core` is not a positive number.
    """
    power = cpu_power(watts_per_core, cpuinfo)
    estimate = Probe("estimate", "ok", f"{_described(power)}; {NOT_COUNTED}", None)
    return _probe_nvml(gpu_uuids, cuda_visible), _probe_rapl(powercap), estimate


def _open_cpu(power: CpuPower, powercap: Path) -> tuple[Meter, tuple[str, ...]]:
    try:
        return open_rapl(powercap), ()
    except (CounterMissingError, CounterDeniedError) as error:
        return EstimateMeter(power), (
            f"The CPU's energy is estimated: {_described(power)}; {NOT_COUNTED}.",
            f"RAPL is not used, because {error}.",
        )


def _probe_nvml(gpu_uuids: tuple[str, ...], cuda_visible: str | None) -> Probe:
    try:
        meter = open_nvml(gpu_uuids, cuda_visible)
    except (CounterMissingError, CounterDeniedError) as error:
        return Probe("nvml", error.status, error.detail, error.fix)
    uuids = ", ".join(gpu.uuid for gpu in meter.gpus)
    return Probe("nvml", "ok", f"{meter.method} of {uuids}", None)


def _probe_rapl(powercap: Path) -> Probe:
    try:
        meter = open_rapl(powercap)
    except (CounterMissingError, CounterDeniedError) as error:
        return Probe("rapl", error.status, error.detail, error.fix)
    names = ", ".join(zone.energy_path.parent.name for zone in meter.zones)
    return Probe("rapl", "ok", f"sum of {names}, other processes included", None)


def _described(power: CpuPower) -> str:
    return f"{power.watts_per_thread:.2f} W per busy hardware thread ({power.source})"
