import subprocess
import sys

import pynvml
import pytest
from meter.meter_fake_nvml import FakeGpu, FakeNvml

from sprout.errors import MeterError, PermissionDeniedError
from sprout.meter.nvml import Gpu, NvmlPowerMeter, open_nvml


def test_the_counters_of_the_chosen_gpus_are_added_in_joules() -> None:
    first, second = FakeGpu("GPU-a", 1_000_000), FakeGpu("GPU-b", 5_000)
    meter = open_nvml((), None, FakeNvml(first, second))
    assert meter.read_j() == 0.0
    first.energy_mj, second.energy_mj = 1_002_500, 5_500
    assert meter.read_j() == pytest.approx(3.0)  # 2.5 J + 0.5 J
    assert (meter.method, meter.is_estimated) == ("nvml_counter", False)


def test_only_the_wanted_gpu_is_metered() -> None:
    first, second = FakeGpu("GPU-a", 1000), FakeGpu("GPU-b", 1000)
    meter = open_nvml(("GPU-b",), "1", FakeNvml(first, second))
    first.energy_mj, second.energy_mj = 9000, 3000
    assert meter.read_j() == pytest.approx(2.0)


def test_indices_of_visible_devices_are_in_pci_order() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a", 1, bus=9), FakeGpu("GPU-b", 1, bus=4))
    assert [gpu.uuid for gpu in open_nvml((), "0", nvml).gpus] == ["GPU-b"]


def test_gpus_of_others_are_not_counted_and_hide_none() -> None:
    theirs, own = FakeGpu("GPU-a", 1, is_denied=True), FakeGpu("GPU-b", 1, bus=1)
    for cuda_visible in (None, "0"):
        assert [gpu.uuid for gpu in open_nvml((), cuda_visible, FakeNvml(theirs, own)).gpus] == [
            "GPU-b"
        ]
    with pytest.raises(PermissionDeniedError, match="/dev/nvidia"):
        open_nvml((), None, FakeNvml(theirs))


def test_a_gpu_without_counter_is_metered_by_its_power() -> None:
    gpu = FakeGpu("GPU-a", power_mw=100_000)
    meter = open_nvml((), None, FakeNvml(gpu))
    assert (meter.method, meter.is_estimated) == ("nvml_power", False)


@pytest.mark.parametrize("energy_mj", [0, None])
def test_one_gpu_without_a_counter_that_counts_puts_all_on_power(energy_mj: int | None) -> None:
    nvml = FakeNvml(FakeGpu("GPU-a", 1000, 50_000), FakeGpu("GPU-b", energy_mj, 50_000))
    assert open_nvml((), None, nvml).method == "nvml_power"


def test_power_is_integrated_by_trapezoids() -> None:
    first, second = FakeGpu("GPU-a", power_mw=100_000), FakeGpu("GPU-b", power_mw=50_000)
    gpus = (Gpu(first.uuid, first), Gpu(second.uuid, second))
    now_s = iter([10.0, 12.0, 12.5])
    meter = NvmlPowerMeter(FakeNvml(), gpus, lambda: next(now_s))
    first.power_mw = 250_000
    assert meter.read_j() == pytest.approx(450.0)  # (150 + 300) / 2 W * 2 s
    assert meter.read_j() == pytest.approx(600.0)  # 450 + 300 W * 0.5 s


@pytest.mark.parametrize("power_mw", [0, None])
def test_a_gpu_that_reports_nothing_is_an_error_not_a_zero(power_mw: int | None) -> None:
    with pytest.raises(MeterError, match="GPU-a reports neither energy nor power"):
        open_nvml((), None, FakeNvml(FakeGpu("GPU-a", power_mw=power_mw)))


def test_a_counter_that_goes_back_is_an_error() -> None:
    gpu = FakeGpu("GPU-a", 1000)
    meter = open_nvml((), None, FakeNvml(gpu))
    gpu.energy_mj = 10
    with pytest.raises(MeterError, match="GPU-a went back from 1000 mJ to 10 mJ"):
        meter.read_j()


def test_a_gpu_in_mig_mode_is_refused() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a", 1000, mig_mode=[1, 1]), FakeGpu("GPU-b", 1, mig_mode=[0, 0]))
    with pytest.raises(MeterError, match="GPU-a is in MIG mode"):
        open_nvml((), None, nvml)
    assert open_nvml((), "1", nvml).method == "nvml_counter"


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "libnvidia-ml.so.1"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "load the NVIDIA driver"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "update the NVIDIA driver"),
        (pynvml.NVML_ERROR_RESET_REQUIRED, "reset the GPU"),
        (pynvml.NVML_ERROR_UNKNOWN, "check that `nvidia-smi` lists the GPU"),
    ],
)
def test_an_nvml_that_does_not_start_says_what_to_do(code: int, fix: str) -> None:
    with pytest.raises(MeterError, match=fix) as caught:
        open_nvml((), None, FakeNvml(error=code))
    assert isinstance(caught.value.__cause__, pynvml.NVMLError)


@pytest.mark.parametrize(
    "code", [pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_OPERATING_SYSTEM]
)
def test_an_nvml_that_refuses_this_user_is_a_permission_error(code: int) -> None:
    with pytest.raises(PermissionDeniedError, match="/dev/nvidia"):
        open_nvml((), None, FakeNvml(error=code))


@pytest.mark.parametrize("gpu", [FakeGpu("GPU-a", 1000), FakeGpu("GPU-a", power_mw=1000)])
def test_a_gpu_that_is_lost_on_the_way_is_an_error(gpu: FakeGpu) -> None:
    nvml = FakeNvml(gpu)
    meter = open_nvml((), None, nvml)
    nvml.error = pynvml.NVML_ERROR_GPU_IS_LOST
    with pytest.raises(MeterError, match="fell off the bus"):
        meter.read_j()


def test_a_gpu_that_is_lost_while_opening_is_not_taken_for_one_without_counter() -> None:
    class LostNvml(FakeNvml):
        def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:  # noqa: ARG002, N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    with pytest.raises(MeterError, match="fell off the bus"):
        open_nvml((), None, LostNvml(FakeGpu("GPU-a", power_mw=1000)))


def test_the_module_is_imported_without_the_library() -> None:
    code = "import sys, sprout.meter.open; sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
