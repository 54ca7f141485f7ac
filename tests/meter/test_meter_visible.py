import pytest

from sprout.errors import MeterError
from sprout.meter.visible import choose_gpus

PRESENT = ("GPU-aa11", "GPU-aa22", "GPU-bb33")


def test_all_gpus_are_used_when_nothing_is_said() -> None:
    assert choose_gpus(PRESENT, (), None) == PRESENT


def test_wanted_uuids_win_over_the_visible_devices() -> None:
    assert choose_gpus(PRESENT, ("GPU-bb33", "GPU-aa1"), "1") == ("GPU-bb33", "GPU-aa11")


@pytest.mark.parametrize(
    ("cuda_visible", "chosen"),
    [
        ("1", ("GPU-aa22",)),
        ("2, 0", ("GPU-bb33", "GPU-aa11")),
        ("GPU-bb", ("GPU-bb33",)),
        ("GPU-aa22,0", ("GPU-aa22", "GPU-aa11")),
        ("1,1", ("GPU-aa22",)),
        ("0,-1,2", ("GPU-aa11",)),
        ("0,3,2", ("GPU-aa11",)),
        ("0,GPU-aa,2", ("GPU-aa11",)),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(
    cuda_visible: str, chosen: tuple[str, ...]
) -> None:
    assert choose_gpus(PRESENT, (), cuda_visible) == chosen


@pytest.mark.parametrize("cuda_visible", ["", "-1", "3", "NoDevFiles", "GPU-zz"])
def test_hiding_every_gpu_is_an_error(cuda_visible: str) -> None:
    with pytest.raises(MeterError, match=r"shows none of the 3 GPUs.*GPU-aa11"):
        choose_gpus(PRESENT, (), cuda_visible)


@pytest.mark.parametrize("cuda_visible", [None, "1,2", "GPU-bb,0,GPU-bb"])
def test_wanting_fewer_than_are_computed_on_is_an_error(cuda_visible: str | None) -> None:
    with pytest.raises(MeterError, match=r"names 1 of [23] GPUs .*CUDA_VISIBLE_DEVICES=GPU-bb33"):
        choose_gpus(PRESENT, ("GPU-bb", "GPU-bb33"), cuda_visible)


@pytest.mark.parametrize("wanted", ["GPU-zz", "GPU-aa", ""])
def test_a_wanted_gpu_must_name_exactly_one(wanted: str) -> None:
    with pytest.raises(MeterError, match=r"names no GPU, or more than one.*GPU-aa11"):
        choose_gpus(PRESENT, (wanted,), None)


def test_a_mig_instance_is_refused() -> None:
    with pytest.raises(MeterError, match="MIG instance"):
        choose_gpus(PRESENT, (), "MIG-1234")
    with pytest.raises(MeterError, match="MIG instance"):
        choose_gpus(PRESENT, ("MIG-1234",), None)


def test_a_machine_without_gpus_says_so() -> None:
    with pytest.raises(MeterError, match="NVML sees no GPU"):
        choose_gpus((), (), None)
