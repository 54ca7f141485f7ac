"""What this process may use of the machine: CPUs and memory, limits of control groups counted.

In a container the limits are those of control groups, which no count of the machine's own shows:
more threads than CPUs crawl, and Linux promises more memory than there is, then kills who uses it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_UNLIMITED_BYTES = 1 << 60
"""From here on a limit is none: version 1 of control groups says so by a number near 2^63."""

_FILES = re.compile(r"^(total_)?(?:in)?active_file (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: all that this process could ever have, and what is left of it now."""

    total: int
    free: int


def num_cpus(root: Path = Path("/")) -> int:
    """Return the CPUs, as Linux counts them, that this process may keep busy, at least 1.

    Args:
        root: where `proc` and `sys` are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # rounded down: a thread that is put to sleep in the middle holds up all others
    return max(1, int(min([allowed or 1, *_quotas(root)])))


def num_cores(root: Path = Path("/")) -> int:
    """Return the physical cores that this process may keep busy, at least 1.

    Args:
        root: where `proc` and `sys` are.
    """
    return min(psutil.cpu_count(logical=False) or 1, num_cpus(root))


def memory(root: Path = Path("/")) -> Memory:
    """Return the memory of the machine, or of the tightest control group around this process.

    Args:
        root: where `proc` and `sys` are.
    """
    machine, groups = psutil.virtual_memory(), list(_memories(root))
    return Memory(
        total=min([machine.total, *(group.total for group in groups)]),
        free=min([machine.available, *(max(0, group.free) for group in groups)]),
    )


def _quotas(root: Path) -> Iterator[float]:
    """Yield how many CPUs each limited group may use."""
    for folder in _groups(root, "cpu"):
        with suppress(OSError, ValueError):  # no group of version 2, or "max"
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota_us = int((folder / "cpu.cfs_quota_us").read_text())
            if quota_us > 0:  # -1: none
                yield quota_us / int((folder / "cpu.cfs_period_us").read_text())


def _memories(root: Path) -> Iterator[Memory]:
    """Yield the memory of each limited group."""
    for folder in _groups(root, "memory"):
        for limit, usage in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            with suppress(OSError, ValueError):
                total = int((folder / limit).read_text())
                used = int((folder / usage).read_text())
                if total < _UNLIMITED_BYTES:
                    yield Memory(total, total - used + _droppable(folder))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, of version 1 or 2, up to what is mounted.

    A container may see its own group as the mount itself, under a path that only the host has.
    """
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or controller in controllers.split(","):
                mount = root / "sys/fs/cgroup" / controllers
                own = mount / path.lstrip("/")
                yield own
                yield from (above for above in own.parents if above.is_relative_to(mount))


def _droppable(folder: Path) -> int:
    """Return the bytes of files that a group holds: Linux drops them when others come.

    Those that were read twice, as a model is by the second run, are active and can go as well.
    """
    with suppress(OSError):
        found = _FILES.findall((folder / "memory.stat").read_text())
        of_all = [size for total, size in found if total]  # version 1: the groups below too
        return sum(map(int, of_all or [size for _, size in found]))
    return 0
