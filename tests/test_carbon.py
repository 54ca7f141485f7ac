import pytest

from sprout.carbon import EmbodiedRate, embodied, footprint
from sprout.errors import UsageError


def test_footprint_adds_operational_and_embodied_carbon() -> None:
    # 7.2e6 J = 2 kWh; 2 kWh * 1.5 * 100 g/kWh = 300 g; 60 s * 0.5 g/s = 30 g.
    carbon = footprint(energy_j=7.2e6, busy_s=60, g_per_kwh=100, pue=1.5, embodied_g_per_s=0.5)
    assert carbon.operational_g == pytest.approx(300)
    assert carbon.embodied_g == pytest.approx(30)
    assert carbon.carbon_g == pytest.approx(330)


def test_footprint_of_a_paper_request_is_what_the_paper_counts() -> None:
    # alpaca prompt 0 at L0: 0.00023817 kWh and 3.6969 s on an A100; at 362.05 g/kWh
    # 0.00023817 * 362.05 + 26356.568 / 157680000 * 3.6969 = 0.0862294 + 0.000617946 g.
    rate = embodied("paper", uses_gpu=True, num_gpus=1, num_threads=1)
    carbon = footprint(0.00023817 * 3.6e6, 3.6969, 362.05, 1.0, rate.g_per_s)
    assert carbon.operational_g == pytest.approx(0.0862294, rel=1e-5)
    assert carbon.embodied_g == pytest.approx(0.000617946, rel=1e-5)


def test_paper_preset_is_its_node_over_five_years_on_any_machine() -> None:
    # 26356.568 g / (5 * 365 * 24 * 3600 s) = 1.67152e-4 g/s
    for uses_gpu in (True, False):
        rate = embodied("paper", uses_gpu=uses_gpu, num_gpus=4, num_threads=4)
        assert rate.g_per_s == pytest.approx(1.67152e-4, rel=1e-5)


def test_server_preset_counts_each_gpu_with_its_part_of_the_host() -> None:
    # (273 kg + 5700 kg / 8) / (3 * 31536000 s) = 985.5e3 / 94608000 = 1.041666e-2 g/s
    rate = embodied("server", uses_gpu=True, num_gpus=2, num_threads=8)
    assert rate.g_per_s == pytest.approx(2 * 1.041667e-2, rel=1e-6)
    assert rate == EmbodiedRate(
        "server", rate.g_per_s, "ecologits 0.11.3: 2 x (273 kg GPU + 5700 kg host / 8) over 3 years"
    )


def test_server_preset_without_gpu_counts_the_reserved_cores() -> None:
    # 900e3 g / (35040 * 3600 s) = 7.134703e-3 g/s for 48 cores; a sixth of it for 8.
    rate = embodied("server", uses_gpu=False, num_gpus=0, num_threads=8)
    assert rate.g_per_s == pytest.approx(7.134703e-3 / 6, rel=1e-6)


def test_server_preset_never_counts_more_than_the_server() -> None:
    rate = embodied("server", uses_gpu=False, num_gpus=0, num_threads=96)
    assert rate.g_per_s == pytest.approx(7.134703e-3, rel=1e-6)


def test_unknown_preset_is_a_usage_error_that_lists_the_presets() -> None:
    with pytest.raises(UsageError, match="'laptop': choose one of server, paper"):
        embodied("laptop", uses_gpu=False, num_gpus=0, num_threads=1)


@pytest.mark.parametrize("uses_gpu", [True, False])
def test_a_run_that_reserves_nothing_is_refused(*, uses_gpu: bool) -> None:
    with pytest.raises(ValueError, match="at least one"):
        embodied("server", uses_gpu=uses_gpu, num_gpus=0, num_threads=0)
