import time
from pathlib import Path

import pytest

from sprout.meter.estimate import CpuPower, EstimateMeter, cpu_power, look_up, read_model_name


def test_energy_is_cpu_seconds_times_watts() -> None:
    cpu_s = iter([100.0, 100.0, 102.5])
    meter = EstimateMeter(CpuPower(3.0, "given"), lambda: next(cpu_s))
    assert meter.read_j() == 0.0
    assert meter.read_j() == 7.5  # 2.5 s * 3 W
    assert (meter.method, meter.is_estimated) == ("tdp_estimate", True)


def test_work_of_this_process_costs_energy() -> None:
    meter = EstimateMeter(CpuPower(1.0, "given"))
    start_s = time.process_time()
    while time.process_time() - start_s < 0.01:
        pass
    assert meter.read_j() >= 0.01


@pytest.mark.parametrize(
    ("model_name", "watts"),
    [
        ("Intel(R) Xeon(R) Platinum 8480+", 3.125),  # 350 W / 112
        ("INTEL(R) XEON(R) PLATINUM 8592+", 2.734375),  # 350 W / 128
        ("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", 4.6875),  # 300 W / 64
        ("Intel(R) Xeon(R) CPU E5-2698 v4 @ 2.20GHz", 3.375),  # 135 W / 40
        ("12th Gen Intel(R) Core(TM) i7-12700", 3.25),  # 65 W / 20
        ("AMD EPYC 7763 64-Core Processor", 2.1875),  # 280 W / 128
        ("AMD EPYC 9654 96-Core Processor", 1.875),  # 360 W / 192
        ("AMD Ryzen 9 7950X 16-Core Processor", 5.3125),  # 170 W / 32
        ("AMD Ryzen Threadripper PRO 5995WX 64-Cores", 2.1875),  # 280 W / 128
    ],
)
def test_a_known_cpu_has_its_tdp_per_thread(model_name: str, watts: float) -> None:
    power = look_up(model_name)
    assert power.watts_per_thread == pytest.approx(watts)
    assert "median" not in power.source


@pytest.mark.parametrize(
    "model_name",
    [
        "Intel(R) Xeon(R) Processor",
        "12th Gen Intel(R) Core(TM) i7-12700K",
        "AMD Ryzen 9 7950X3D 16-Core Processor",
    ],
)
def test_an_unknown_cpu_gets_the_median_and_says_so(model_name: str) -> None:
    power = look_up(model_name)
    # Of the 47 rows the 24th smallest is the EPYC 7543, 225 W / 64.
    assert power.watts_per_thread == pytest.approx(3.515625)
    assert model_name in power.source
    assert "median of the 47 CPUs" in power.source


def test_an_unnamed_cpu_gets_the_median_too() -> None:
    assert look_up(None).source.startswith("CPU model unknown; median")


def test_the_model_name_is_read_from_cpuinfo(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\n\n"
        "processor\t: 1\nmodel name\t: other\n"
    )
    assert read_model_name(cpuinfo) == "AMD EPYC 7763 64-Core Processor"


def test_a_cpuinfo_without_model_name_is_not_known(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    assert read_model_name(cpuinfo) is None
    cpuinfo.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert read_model_name(cpuinfo) is None


def test_given_watts_win_over_the_table(tmp_path: Path) -> None:
    assert cpu_power(4.5, tmp_path) == CpuPower(4.5, "given")
