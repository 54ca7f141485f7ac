"""A power model of the CPU, for machines without a counter.

    energy_j = cpu_s * watts_per_thread          watts_per_thread = tdp_w / threads of the package

cpu_s is the CPU time of this process, user and system, of all its threads. `tdp_w` and `threads`
come from `cpu_power.toml`, by the model name in /proc/cpuinfo; a model that is not there gets the
median of the table's rows. A thread is a hardware thread, which Linux calls a CPU.

What the model leaves out, so that it tends to be low: RAM, disks, fans and power supplies; the
package's idle power; turbo above the TDP; and the half of a core's power that its second thread
would account for when only one of the two is busy. A virtual CPU is taken for a hardware thread.
"""

import statistics
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sprout.meter.meter import Method

CPUINFO = Path("/proc/cpuinfo")

NOT_COUNTED = "RAM, disks and fans are not counted"


@dataclass(frozen=True, slots=True)
class CpuPower:
    """What one busy hardware thread draws, and where that number comes from."""

    watts_per_thread: float
    source: str


class EstimateMeter:
    """The energy of this process's CPU time under the model.

    Args:
        power: of one hardware thread.
        read_cpu_s: the process's CPU seconds so far. The default ticks in nanoseconds; those of
            `os.times` and psutil tick in hundredths of a second.
    """

    method: Method = "tdp_estimate"
    is_estimated = True

    def __init__(
        self, power: CpuPower, read_cpu_s: Callable[[], float] = time.process_time
    ) -> None:
        self.power = power
        self._read_cpu_s = read_cpu_s
        self._start_cpu_s = read_cpu_s()

    def read_j(self) -> float:
        """Return the estimated energy since the meter was opened, in joules."""
        return (self._read_cpu_s() - self._start_cpu_s) * self.power.watts_per_thread


def cpu_power(watts_per_core: float | None, cpuinfo: Path = CPUINFO) -> CpuPower:
    """Return the power of one hardware thread: as given, else looked up for this machine.

    Args:
        watts_per_core: of one core as Linux counts them, that is one hardware thread; > 0.
        cpuinfo: where the CPU's model name stands.
    """
    if watts_per_core is None:
        return look_up(read_model_name(cpuinfo))
    return CpuPower(watts_per_core, "given")


def look_up(model_name: str | None) -> CpuPower:
    """Return the power of one hardware thread of a CPU, else the median over `cpu_power.toml`.

    Args:
        model_name: as in /proc/cpuinfo; None when it is not known.
    """
    table = resources.files("sprout.meter").joinpath("cpu_power.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(table)["cpu"]
    for row in rows:
        if model_name is not None and _names(model_name, row["model"]):
            return CpuPower(row["tdp_w"] / row["threads"], row["source"])
    median_w = statistics.median(row["tdp_w"] / row["threads"] for row in rows)
    model = "CPU model unknown" if model_name is None else f"{model_name!r} is not in the table"
    return CpuPower(median_w, f"{model}; median of the {len(rows)} CPUs in cpu_power.toml")


def read_model_name(cpuinfo: Path = CPUINFO) -> str | None:
    """Return the first "model name" of `cpuinfo`; None where there is none, as on ARM."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _names(model_name: str, model: str) -> bool:
    """Return whether the words of `model` stand in `model_name`, whole and in a row.

    Whole words keep a Core i7-12700K from passing for an i7-12700. Emerald Rapids writes its name
    in capitals.
    """
    words = model_name.casefold().replace("(r)", "").replace("(tm)", "").split()
    return f" {model.casefold()} " in f" {' '.join(words)} "
