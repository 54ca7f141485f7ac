import errno
from pathlib import Path

import pytest
from meter.meter_fake_rapl import add_zone

from sprout.errors import MeterError, PermissionDeniedError
from sprout.meter.rapl import UDEV_RULE, open_rapl


def test_energy_counts_from_the_opening_in_joules(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    meter = open_rapl(tmp_path)
    assert meter.read_j() == 0.0
    counter.write_text("6500000\n")
    assert meter.read_j() == pytest.approx(1.5)  # 6.5 MuJ - 5 MuJ
    counter.write_text("8000000\n")
    assert meter.read_j() == pytest.approx(3.0)
    assert (meter.method, meter.is_estimated) == ("rapl", False)


def test_packages_and_their_dram_are_added_and_nothing_else(tmp_path: Path) -> None:
    counters = {
        name: add_zone(tmp_path, zone, name, 0)
        for zone, name in [
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "uncore"),
            ("intel-rapl:0:2", "dram"),
            ("intel-rapl:1", "package-1-die-0"),
            ("intel-rapl:2", "psys"),
        ]
    }
    add_zone(tmp_path, "intel-rapl", "control type, not a zone", 0)
    below_psys = add_zone(tmp_path, "intel-rapl:2:0", "dram", 0)
    twin = add_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0)
    meter = open_rapl(tmp_path)
    for joules, counter in enumerate([*counters.values(), below_psys, twin]):
        counter.write_text(str(10**joules * 1_000_000))
    # package-0 1 J, dram 1000 J, package-1 10000 J
    assert meter.read_j() == pytest.approx(11_001.0)


def test_a_wrapped_counter_goes_on(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, range_uj=10_000_000)
    meter = open_rapl(tmp_path)
    counter.write_text("500000")
    assert meter.read_j() == pytest.approx(1.5)  # 0.5 - 9 + 10
    counter.write_text("700000")
    assert meter.read_j() == pytest.approx(1.7)


def test_a_counter_that_is_reset_is_an_error_and_no_wrap(tmp_path: Path) -> None:
    # as when the machine slept: 62 kJ would be missing to the wrap, in no time
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 200_000_000_000)
    meter = open_rapl(tmp_path)
    counter.write_text("1000")
    with pytest.raises(MeterError, match="energy_uj was reset, from 200000000000 to 1000"):
        meter.read_j()


def test_a_machine_without_powercap_has_no_rapl(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match=r"no RAPL package zone.*modprobe intel_rapl_msr"):
        open_rapl(tmp_path / "powercap")


def test_psys_alone_is_no_package(tmp_path: Path) -> None:
    add_zone(tmp_path, "intel-rapl:0", "psys", 0)
    with pytest.raises(MeterError, match="no RAPL package zone"):
        open_rapl(tmp_path)


def test_a_counter_of_root_names_the_file_and_the_udev_rule(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 0)

    def read_as_nobody(path: Path) -> str:
        # Tests may run as root, whom no file mode stops.
        if path == counter:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return path.read_text()

    with pytest.raises(PermissionDeniedError) as caught:
        open_rapl(tmp_path, read_as_nobody)
    assert str(counter) in str(caught.value)
    assert UDEV_RULE in str(caught.value)
    assert isinstance(caught.value.__cause__, PermissionError)


def test_a_counter_that_vanishes_is_an_error_not_a_zero(tmp_path: Path) -> None:
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = open_rapl(tmp_path)
    counter.unlink()
    with pytest.raises(MeterError, match="energy_uj cannot be read"):
        meter.read_j()


def test_a_counter_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    add_zone(tmp_path, "intel-rapl:0", "package-0", 0).write_text("")
    with pytest.raises(MeterError, match="holds '', not a number"):
        open_rapl(tmp_path)
