"""What this process may use of the machine, in and out of control groups."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sprout import machine
from sprout.machine import Memory

GB = 1_000_000_000


def lay(root: Path, membership: str, files: dict[str, str]) -> Path:
    """Lay the files that the kernel shows a process of its control groups."""
    for name, text in {"proc/self/cgroup": membership, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def group(folder: str, limit: str, usage: int, inactive: int, active: int = 0) -> dict[str, str]:
    """Return the files of one group of version 2."""
    return {
        f"{folder}/memory.max": limit,
        f"{folder}/memory.current": str(usage),
        f"{folder}/memory.stat": f"anon 5\ninactive_file {inactive}\nactive_file {active}",
    }


def test_without_groups_it_is_the_machines_memory(tmp_path: Path) -> None:
    found = machine.memory(tmp_path)
    assert found.total == psutil.virtual_memory().total
    assert 0 < found.free <= found.total


def test_the_tightest_group_counts_and_files_that_it_may_drop_do_not(tmp_path: Path) -> None:
    files = {
        **group("sys/fs/cgroup/pod/box", "max", 4, 0),
        **group("sys/fs/cgroup/pod", str(GB), 900_000_000, 200_000_000, 100_000_000),
    }
    found = machine.memory(lay(tmp_path, "0::/pod/box", files))
    assert found == Memory(total=GB, free=400_000_000)


def test_a_container_that_sees_its_group_as_the_mount(tmp_path: Path) -> None:
    files = group("sys/fs/cgroup", str(GB), 600_000_000, 0)
    found = machine.memory(lay(tmp_path, "0::/../../host/only", files))
    assert found == Memory(total=GB, free=400_000_000)


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    files = group("sys/fs/cgroup", str(GB), GB + 4096, 0)
    assert machine.memory(lay(tmp_path, "0::/", files)).free == 0


def test_version_1_counts_the_groups_below_and_knows_no_limit_by_a_number(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory"
    files = {
        f"{folder}/box/memory.limit_in_bytes": str(GB),
        f"{folder}/box/memory.usage_in_bytes": "800000000",
        f"{folder}/box/memory.stat": "inactive_file 1\nactive_file 2\n"
        "total_inactive_file 150000000\ntotal_active_file 50000000",
        f"{folder}/memory.limit_in_bytes": "9223372036854771712",
        f"{folder}/memory.usage_in_bytes": "900000000",
    }
    membership = "5:devices:/box\n4:memory:/box\n0::/"
    found = machine.memory(lay(tmp_path, membership, files))
    assert found == Memory(total=GB, free=400_000_000)


@pytest.mark.parametrize(
    ("membership", "files", "num"),
    [
        ("0::/", {"sys/fs/cgroup/cpu.max": "100000 100000"}, 1),
        ("0::/a/b", {"sys/fs/cgroup/a/cpu.max": "150000 100000"}, 1),  # rounded down
        ("0::/a", {"sys/fs/cgroup/a/cpu.max": "5000 100000"}, 1),  # but one at least
        (
            "3:cpu,cpuacct:/box",
            {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ("0::/", {"sys/fs/cgroup/cpu.max": "99900000 100000"}, None),
        ("3:cpu:/", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"}, None),
        ("7:pids:/box", {"sys/fs/cgroup/pids/cpu.max": "1 100000"}, None),
    ],
)
def test_a_quota_of_cpus_bounds_the_threads(
    tmp_path: Path, membership: str, files: dict[str, str], num: int | None
) -> None:
    free = machine.num_cpus(tmp_path)
    assert free == len(os.sched_getaffinity(0))
    lay(tmp_path, membership, files)
    assert machine.num_cpus(tmp_path) == (num or free)
    assert machine.num_cores(tmp_path) <= machine.num_cpus(tmp_path)


@contextmanager
def real_group(controller: str, settings: dict[str, dict[str, str]]) -> Iterator[Path]:
    """Make a control group of this process's own; skip where the machine allows none."""
    for version, files in settings.items():
        folder = Path("/sys/fs/cgroup") / version / f"sprout-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            for name, value in files.items():
                (folder / name).write_text(value)
            yield folder
        except OSError:
            continue
        else:
            return
        finally:
            folder.rmdir()
    pytest.skip(f"no control group of {controller} can be made here (root on Linux often can)")


ASK = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from sprout import machine
found = machine.memory()
print(machine.num_cpus(), found.total, found.free)
"""


def ask(folder: Path) -> tuple[int, int, int]:
    """Return (CPUs, bytes in all, bytes free) as a process inside the group sees them."""
    command = [sys.executable, "-c", ASK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    num_cpus, total, free = map(int, done.stdout.split())
    return num_cpus, total, free


def test_a_real_limit_of_memory_is_seen_inside() -> None:
    limit = str(512 << 20)
    versions = {"memory": {"memory.limit_in_bytes": limit}, "": {"memory.max": limit}}
    with real_group("memory", versions) as folder:
        _, total, free = ask(folder)
    assert total == 512 << 20
    assert 256 << 20 < free < 512 << 20


def test_a_real_quota_of_cpus_is_seen_inside() -> None:
    versions = {"cpu": {"cpu.cfs_quota_us": "100000"}, "": {"cpu.max": "100000 100000"}}
    with real_group("cpu", versions) as folder:
        num_cpus, _, _ = ask(folder)
    assert num_cpus == 1
