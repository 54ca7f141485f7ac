"""NVIDIA's energy counters, through NVML (nvidia-ml-py 13, module `pynvml`).

`nvml_counter` reads nvmlDeviceGetTotalEnergyConsumption: millijoules since the driver was loaded,
on Volta and later. It moves in steps of tens of milliseconds: a short window can read nothing.
`nvml_power` is for GPUs without that counter: nvmlDeviceGetPowerUsage, in milliwatts, by the
trapezoidal rule over the times of the reads; between two reads the power is taken to be linear, so
it is as good as the reads are dense. NVML itself gives the power of the moment up to GA100, and
the mean of the last second on other GPUs since Ampere.

Both count the whole board with its memory, other processes and idle power included; neither the
host nor the loss in the power supply. GPUs in MIG mode are refused: there the counter covers all
instances, this engine's and other people's. NVML stays initialised until the process ends.
"""

# ruff: noqa: ANN401 - pynvml has no types; Any stays in this file

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sprout.meter.fault import CounterDeniedError, CounterMissingError
from sprout.meter.meter import Method
from sprout.meter.visible import choose_gpus

# Return codes of nvml.h; they are part of its binary interface.
_NOT_SUPPORTED = 3
_NO_PERMISSION = 4
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12
_FUNCTION_NOT_FOUND = 13
_GPU_IS_LOST = 15
_RESET_REQUIRED = 16
_OPERATING_SYSTEM = 17
_LIB_RM_VERSION_MISMATCH = 18

_ABSENT = frozenset({_NOT_SUPPORTED, _FUNCTION_NOT_FOUND})
_DENIED = frozenset({_NO_PERMISSION, _OPERATING_SYSTEM})

_FIXES = {
    _NOT_SUPPORTED: "this GPU or driver does not report its energy; choose another GPU",
    _NO_PERMISSION: "give this user access to /dev/nvidia* (often the group `video`)",
    _DRIVER_NOT_LOADED: "load the NVIDIA driver, until `nvidia-smi` lists the GPU",
    _LIBRARY_NOT_FOUND: (
        "install the NVIDIA driver, which brings libnvidia-ml.so.1; in a container, set "
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    ),
    _FUNCTION_NOT_FOUND: "update the NVIDIA driver",
    _GPU_IS_LOST: "the GPU fell off the bus; reboot, and see `dmesg`",
    _RESET_REQUIRED: "reset the GPU or reboot",
    _OPERATING_SYSTEM: "let the container or cgroup use /dev/nvidia* and /dev/nvidiactl",
    _LIB_RM_VERSION_MISMATCH: "the driver was updated while loaded; reboot",
}
_OTHER_FIX = "check that `nvidia-smi` lists the GPU"

_J_PER_MJ = 1e-3
_W_PER_MW = 1e-3


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, as NVML addresses it."""

    uuid: str
    handle: Any


class NvmlCounterMeter:
    """The sum of the GPUs' own energy counters."""

    method: Method = "nvml_counter"
    is_estimated = False

    def __init__(self, nvml: Any, gpus: tuple[Gpu, ...]) -> None:
        self.gpus = gpus
        self._nvml = nvml
        self._start_mj = self._last_mj = self._counters_mj()

    def read_j(self) -> float:
        """Return the energy of the GPUs since the meter was opened, in joules.

        Raises:
            CounterMissingError: a counter went back, or NVML failed.
        """
        now_mj = self._counters_mj()
        for gpu, last, now in zip(self.gpus, self._last_mj, now_mj, strict=True):
            if now < last:
                detail = f"the energy counter of {gpu.uuid} went back from {last} mJ to {now} mJ"
                raise CounterMissingError(detail, "the driver was reloaded; run again")
        self._last_mj = now_mj
        return (sum(now_mj) - sum(self._start_mj)) * _J_PER_MJ

    def _counters_mj(self) -> list[int]:
        with _translated(self._nvml):
            read = self._nvml.nvmlDeviceGetTotalEnergyConsumption
            return [int(read(gpu.handle)) for gpu in self.gpus]


class NvmlPowerMeter:
    """The integral of the GPUs' power."""

    method: Method = "nvml_power"
    is_estimated = False

    def __init__(
        self, nvml: Any, gpus: tuple[Gpu, ...], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.gpus = gpus
        self._nvml = nvml
        self._clock = clock
        self._total_j = 0.0
        self._last_s, self._last_w = clock(), self._power_w()

    def read_j(self) -> float:
        """Return the energy of the GPUs since the meter was opened, in joules.

        Raises:
            CounterMissingError: NVML failed.
        """
        now_s, now_w = self._clock(), self._power_w()
        self._total_j += (self._last_w + now_w) / 2 * (now_s - self._last_s)
        self._last_s, self._last_w = now_s, now_w
        return self._total_j

    def _power_w(self) -> float:
        with _translated(self._nvml):
            read = self._nvml.nvmlDeviceGetPowerUsage
            return sum(int(read(gpu.handle)) for gpu in self.gpus) * _W_PER_MW


def open_nvml(
    gpu_uuids: tuple[str, ...], cuda_visible: str | None, nvml: Any = None
) -> NvmlCounterMeter | NvmlPowerMeter:
    """Return the meter of the chosen GPUs: by counter if all of them have one, else by power.

    Args:
        gpu_uuids: UUIDs, or beginnings of them; when empty, `cuda_visible` decides.
        cuda_visible: the value of `CUDA_VISIBLE_DEVICES`; None when it is not set.
        nvml: the NVML library; None imports `pynvml`.

    Raises:
        CounterMissingError: NVML or a GPU is not there, is in MIG mode, or reports no energy.
        CounterDeniedError: this user may not ask NVML.
    """
    if nvml is None:
        import pynvml  # noqa: PLC0415 - only machines with a GPU need it

        nvml = pynvml
    with _translated(nvml):
        nvml.nvmlInit()
        gpus = _gpus(nvml)
        chosen = choose_gpus(tuple(gpus), gpu_uuids, cuda_visible)
        metered = tuple(gpus[uuid] for uuid in chosen)
        for gpu in metered:
            _refuse_mig(nvml, gpu)
        # Nothing that is switched on has drawn 0 mJ or draws 0 mW: a zero is no reading either.
        if all(_reading(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, gpu) for gpu in metered):
            return NvmlCounterMeter(nvml, metered)
        for gpu in metered:
            if not _reading(nvml, nvml.nvmlDeviceGetPowerUsage, gpu):
                detail = f"{gpu.uuid} reports neither energy nor power"
                raise CounterMissingError(detail, _FIXES[_NOT_SUPPORTED])
    return NvmlPowerMeter(nvml, metered)


def _gpus(nvml: Any) -> dict[str, Gpu]:
    """Return the machine's GPUs by UUID, in PCI order, which NVML's own indices do not promise."""

    def pci_place(handle: Any) -> tuple[int, int, int]:
        pci = nvml.nvmlDeviceGetPciInfo(handle)
        return pci.domain, pci.bus, pci.device

    handles = sorted(_handles(nvml), key=pci_place)
    gpus = [Gpu(nvml.nvmlDeviceGetUUID(handle), handle) for handle in handles]
    return {gpu.uuid: gpu for gpu in gpus}


def _handles(nvml: Any) -> list[Any]:
    """Return the GPUs that this user may use: NVML counts those of others too, CUDA does not."""
    handles, denied = [], None
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handles.append(nvml.nvmlDeviceGetHandleByIndex(index))
        except nvml.NVMLError as error:
            if error.value != _NO_PERMISSION:
                raise
            denied = error
    if denied is not None and not handles:
        raise denied
    return handles


def _refuse_mig(nvml: Any, gpu: Gpu) -> None:
    """Raise if the GPU is split into instances."""
    mode = _reading(nvml, nvml.nvmlDeviceGetMigMode, gpu)
    if mode is not None and mode[0]:
        detail = f"{gpu.uuid} is in MIG mode, and NVML counts the energy of whole GPUs only"
        fix = f"choose another GPU, or turn MIG off: `nvidia-smi -i {gpu.uuid} -mig 0`"
        raise CounterMissingError(detail, fix)


def _reading(nvml: Any, read: Callable[[Any], Any], gpu: Gpu) -> Any:
    """Return what `read` says of the GPU; None where GPU or driver cannot say."""
    try:
        return read(gpu.handle)
    except nvml.NVMLError as error:
        if error.value in _ABSENT:
            return None
        raise


@contextmanager
def _translated(nvml: Any) -> Iterator[None]:
    """Turn NVML's errors into ours."""
    try:
        yield
    except nvml.NVMLError as error:
        detail = f"NVML says {str(error)!r} (error {error.value})"
        fix = _FIXES.get(error.value, _OTHER_FIX)
        if error.value in _DENIED:
            raise CounterDeniedError(detail, fix) from error
        raise CounterMissingError(detail, fix) from error
