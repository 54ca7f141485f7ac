"""The processor's own energy counter (RAPL), as Linux shows it below /sys/class/powercap.

Zones are directories with a `name`, an `energy_uj` (microjoules, counting up) and a
`max_energy_range_uj` (where it wraps to zero). Metered is the sum of the zones
`intel-rapl:N` named "package-...", with their children `intel-rapl:N:M` named "dram". Left out:
`core` and `uncore`, which are part of their package; `psys`, which covers the packages again; and
`intel-rapl-mmio:*`, the same counters by another road. AMD processors (Zen and later) appear under
the same path and names, without dram.

RAPL counts the whole package. The share of other processes, and what the package draws while
idle, are in the number: meter on a machine that does nothing else, or read the result as an upper
bound. Disks, fans, power supplies, and RAM without a dram zone are not in it.

A zone that wraps more than once between two reads loses a whole range. At full load that takes
minutes (262 kJ at 500 W: almost nine), and the sampler reads many times a second. A counter that
went back by more than a wrap can explain was reset, as by a machine that slept: that is an error.

Linux creates a zone only when its counter is above zero, so that a zone which is there does count.
Since Linux 5.10 only root may read `energy_uj` (CVE-2020-8694); `UDEV_RULE` gives it to a group.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sprout.meter.fault import CounterDeniedError, CounterMissingError
from sprout.meter.meter import Method

POWERCAP = Path("/sys/class/powercap")

UDEV_RULE = (
    'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", '
    'RUN+="/usr/bin/chgrp sprout /sys/%p/energy_uj", '
    'RUN+="/usr/bin/chmod g+r /sys/%p/energy_uj"'
)
"""Lets the members of the group `sprout` read the counters."""

DENIED_FIX = (
    "create the group `sprout`, put this user in it, write this line to "
    f"/etc/udev/rules.d/99-sprout-rapl.rules and reboot: {UDEV_RULE}"
)
MISSING_FIX = (
    "on hardware, load the driver with `modprobe intel_rapl_msr` (Intel, AMD Zen and later); "
    "virtual machines and containers rarely have the counter"
)

ReadText = Callable[[Path], str]

_PACKAGE = re.compile(r"intel-rapl:\d+")
_CHILD = re.compile(r"(intel-rapl:\d+):\d+")
_J_PER_UJ = 1e-6

_MOST_W = 2000.0
"""More than any package draws."""

_TICK_S = 0.1
"""More than passes between two updates of a counter."""


@dataclass(frozen=True, slots=True)
class RaplZone:
    """One counter to add up.

    Args:
        energy_path: its `energy_uj`.
        range_uj: the value at which it wraps to zero.
    """

    energy_path: Path
    range_uj: int


class RaplMeter:
    """The energy of all packages and their dram."""

    method: Method = "rapl"
    is_estimated = False

    def __init__(self, zones: tuple[RaplZone, ...], read_text: ReadText = Path.read_text) -> None:
        self.zones = zones
        self._read_text = read_text
        self._last_s = time.perf_counter()
        self._last_uj = [_read_int(zone.energy_path, read_text) for zone in zones]
        self._total_uj = 0

    def read_j(self) -> float:
        """Return the energy of the packages since the meter was opened, in joules.

        Raises:
            CounterMissingError: a counter is gone, or was reset.
            CounterDeniedError: this user may not read it any more.
        """
        now_s = time.perf_counter()
        most_j = _MOST_W * (now_s - self._last_s + _TICK_S)
        for index, zone in enumerate(self.zones):
            now_uj = _read_int(zone.energy_path, self._read_text)
            self._total_uj += _delta_uj(zone, self._last_uj[index], now_uj, most_j)
            self._last_uj[index] = now_uj
        self._last_s = now_s
        return self._total_uj * _J_PER_UJ


def _delta_uj(zone: RaplZone, last_uj: int, now_uj: int, most_j: float) -> int:
    """Return what a zone counted between two reads, over a wrap when it went back."""
    if now_uj >= last_uj:
        return now_uj - last_uj
    wrapped_uj = now_uj - last_uj + zone.range_uj
    if wrapped_uj * _J_PER_UJ > most_j:
        detail = f"{zone.energy_path} was reset, from {last_uj} to {now_uj} uJ"
        raise CounterMissingError(detail, "did the machine sleep? run again")
    return wrapped_uj


def open_rapl(root: Path = POWERCAP, read_text: ReadText = Path.read_text) -> RaplMeter:
    """Return the meter of all packages below `root`.

    Raises:
        CounterMissingError: no package zone is there, or one does not answer.
        CounterDeniedError: this user may not read a counter.
    """
    directories = _zone_directories(root, read_text)
    if not directories:
        detail = f"{root} has no RAPL package zone"
        raise CounterMissingError(detail, MISSING_FIX)
    zones = tuple(
        RaplZone(directory / "energy_uj", _read_int(directory / "max_energy_range_uj", read_text))
        for directory in directories
    )
    return RaplMeter(zones, read_text)


def _zone_directories(root: Path, read_text: ReadText) -> tuple[Path, ...]:
    """Return the package zones and the dram zones below them, sorted by name."""
    found = sorted(root.glob("intel-rapl:*"))
    packages = {
        zone.name
        for zone in found
        if _PACKAGE.fullmatch(zone.name) and _name(zone, read_text).startswith("package")
    }

    def is_metered(zone: Path) -> bool:
        if zone.name in packages:
            return True
        child = _CHILD.fullmatch(zone.name)
        return child is not None and child.group(1) in packages and _name(zone, read_text) == "dram"

    return tuple(zone for zone in found if is_metered(zone))


def _name(zone: Path, read_text: ReadText) -> str:
    return _read(zone / "name", read_text).strip()


def _read_int(path: Path, read_text: ReadText) -> int:
    text = _read(path, read_text)
    try:
        return int(text)
    except ValueError as error:
        detail = f"{path} holds {text!r}, not a number"
        raise CounterMissingError(detail, MISSING_FIX) from error


def _read(path: Path, read_text: ReadText) -> str:
    """Return the text of `path`, with its errors translated."""
    try:
        return read_text(path)
    except PermissionError as error:
        detail = f"this user may not read {path}"
        raise CounterDeniedError(detail, DENIED_FIX) from error
    except OSError as error:
        detail = f"{path} cannot be read ({error.strerror})"
        raise CounterMissingError(detail, MISSING_FIX) from error
