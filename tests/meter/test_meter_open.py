import sys
from pathlib import Path

import pynvml
import pytest
from meter.meter_fake_nvml import FakeGpu, FakeNvml
from meter.meter_fake_rapl import add_zone

from sprout.errors import MeterError
from sprout.meter.meter import Meter
from sprout.meter.open import open_meter, probe


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text("model name\t: AMD EPYC 7763 64-Core Processor\n")
    return path


@pytest.fixture
def no_rapl(tmp_path: Path) -> Path:
    return tmp_path / "no-powercap"


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    root = tmp_path / "powercap"
    add_zone(root, "intel-rapl:0", "package-0", 1_000_000)
    return root


def use_nvml(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)


def opened(
    powercap: Path, cpuinfo: Path, *, uses_gpu: bool = False
) -> tuple[Meter, tuple[str, ...]]:
    return open_meter(
        uses_gpu=uses_gpu,
        gpu_uuids=(),
        cuda_visible=None,
        watts_per_core=None,
        powercap=powercap,
        cpuinfo=cpuinfo,
    )


def test_a_cpu_with_rapl_is_metered_without_notes(powercap: Path, cpuinfo: Path) -> None:
    meter, notes = opened(powercap, cpuinfo)
    assert (meter.method, meter.is_estimated, notes) == ("rapl", False, ())


def test_a_cpu_without_rapl_is_estimated_and_the_notes_say_why(
    no_rapl: Path, cpuinfo: Path
) -> None:
    meter, notes = opened(no_rapl, cpuinfo)
    assert (meter.method, meter.is_estimated) == ("tdp_estimate", True)
    estimated, reason = notes
    assert "2.19 W per busy hardware thread" in estimated  # 280 W / 128
    assert "EPYC 7763" in estimated
    assert "RAM, disks and fans are not counted" in estimated
    assert f"{no_rapl} has no RAPL package zone" in reason
    assert "modprobe" in reason


def test_a_gpu_is_metered_together_with_its_host(
    monkeypatch: pytest.MonkeyPatch, powercap: Path, cpuinfo: Path
) -> None:
    gpu = FakeGpu("GPU-a", 1000)
    use_nvml(monkeypatch, FakeNvml(gpu))
    meter, _ = opened(powercap, cpuinfo, uses_gpu=True)
    gpu.energy_mj = 3000
    (powercap / "intel-rapl:0" / "energy_uj").write_text("1500000\n")
    assert meter.read_j() == pytest.approx(2.5)  # 2 J + 0.5 J
    assert meter.method == "nvml_counter+rapl"


def test_a_gpu_that_cannot_be_metered_is_an_error(
    monkeypatch: pytest.MonkeyPatch, powercap: Path, cpuinfo: Path
) -> None:
    use_nvml(monkeypatch, FakeNvml(error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    with pytest.raises(MeterError, match="install the NVIDIA driver"):
        opened(powercap, cpuinfo, uses_gpu=True)


def test_a_probe_tells_what_is_there(
    monkeypatch: pytest.MonkeyPatch, powercap: Path, cpuinfo: Path
) -> None:
    use_nvml(monkeypatch, FakeNvml(FakeGpu("GPU-a", 1000)))
    nvml, rapl, estimate = probe(
        gpu_uuids=(), cuda_visible=None, watts_per_core=3.0, powercap=powercap, cpuinfo=cpuinfo
    )
    assert (nvml.name, nvml.status, nvml.fix) == ("nvml", "ok", None)
    assert nvml.detail == "nvml_counter of GPU-a"
    assert (rapl.name, rapl.status, rapl.fix) == ("rapl", "ok", None)
    assert rapl.detail == "sum of intel-rapl:0, other processes included"
    assert (estimate.name, estimate.status, estimate.fix) == ("estimate", "ok", None)
    assert estimate.detail.startswith("3.00 W per busy hardware thread (given)")


def test_a_probe_tells_what_is_not_there_without_raising(
    monkeypatch: pytest.MonkeyPatch, no_rapl: Path, cpuinfo: Path
) -> None:
    use_nvml(monkeypatch, FakeNvml(error=pynvml.NVML_ERROR_NO_PERMISSION))
    nvml, rapl, _ = probe(
        gpu_uuids=(), cuda_visible=None, watts_per_core=None, powercap=no_rapl, cpuinfo=cpuinfo
    )
    assert nvml.status == "denied"
    assert "Insufficient Permissions" in nvml.detail
    assert nvml.fix is not None
    assert "/dev/nvidia" in nvml.fix
    assert rapl.status == "missing"
    assert rapl.fix is not None
    assert "modprobe" in rapl.fix
