"""A stand-in for the module pynvml: a few GPUs whose counters the test turns by hand."""

# ruff: noqa: N802 - the functions have NVML's names

from dataclasses import dataclass
from typing import TypeVar

import pynvml

T = TypeVar("T")


@dataclass
class FakeGpu:
    """A GPU and its own handle; a reading of None is "not supported"."""

    uuid: str
    energy_mj: int | None = None
    power_mw: int | None = None
    bus: int = 0
    mig_mode: list[int] | None = None
    is_denied: bool = False


@dataclass(frozen=True)
class FakePciInfo:
    domain: int
    bus: int
    device: int


class FakeNvml:
    """NVML over some GPUs, in NVML's order; `error` is what every further call ends with."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *gpus: FakeGpu, error: int | None = None) -> None:
        self.gpus = gpus
        self.error = error

    def nvmlInit(self) -> None:
        self._answer(0)

    def nvmlDeviceGetCount(self) -> int:
        return self._answer(len(self.gpus))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        if self.gpus[index].is_denied:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetPciInfo(self, gpu: FakeGpu) -> FakePciInfo:
        return FakePciInfo(domain=0, bus=gpu.bus, device=0)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:
        return self._answer(gpu.energy_mj)

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        return self._answer(gpu.power_mw)

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        return self._answer(gpu.mig_mode)

    def _answer(self, value: T | None) -> T:
        if self.error is not None:
            raise pynvml.NVMLError(self.error)
        if value is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return value
