"""Carbon of a request: operational plus embodied, as the Software Carbon Intensity has it.

    C = k0 * E + k1 * T

k0 is `g_per_kwh` (the grid), E is `energy_j` (in kWh, times `pue`), k1 is `embodied_g_per_s` (what
making the hardware emitted, over its lifetime) and T is `busy_s`. Section 2 of the paper; SCI
(ISO/IEC 21031:2024) writes the same as E * I + M, with M = TE * (TiR / EL) * (RR / ToR).
"""

from dataclasses import dataclass

from sprout.errors import UsageError

JOULES_PER_KWH = 3.6e6
SECONDS_PER_HOUR = 3600
SECONDS_PER_YEAR = 365 * 24 * SECONDS_PER_HOUR

# The paper's published code: one node, over five years.
PAPER_NODE_G = 26356.568
PAPER_LIFETIME_S = 5 * SECONDS_PER_YEAR

# ecologits 0.11.3: an H100 (273 kg, data.hubblo.org) and an eighth of a host for eight GPUs
# (p5.48xlarge without its GPUs, 5700 kg, Boavizta), over three years.
GPU_G = 273e3
GPU_HOST_G = 5700e3
GPUS_PER_HOST = 8
GPU_LIFETIME_S = 3 * SECONDS_PER_YEAR

# BoaviztAPI 2.5.0, archetype platform_compute_medium: 900 kg, two CPUs of 24 cores, 35040 hours.
CPU_SERVER_G = 900e3
CPU_SERVER_CORES = 48
CPU_LIFETIME_S = 35040 * SECONDS_PER_HOUR

EMBODIED_PRESETS = ("server", "paper")


@dataclass(frozen=True, slots=True)
class EmbodiedRate:
    """What making the hardware emitted, spread over its life.

    Args:
        preset: name of the preset, or "custom".
        g_per_s: gCO2eq for each second that the hardware is busy.
        detail: the arithmetic and its source, for reports.
    """

    preset: str
    g_per_s: float
    detail: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Carbon of a piece of work, in gCO2eq."""

    operational_g: float
    embodied_g: float

    @property
    def carbon_g(self) -> float:
        """Return both parts together, in gCO2eq."""
        return self.operational_g + self.embodied_g


def footprint(
    energy_j: float, busy_s: float, g_per_kwh: float, pue: float, embodied_g_per_s: float
) -> Footprint:
    """Return the carbon of `energy_j` joules and `busy_s` seconds of the hardware, in gCO2eq.

    Section 2: C = k0 E + k1 T. `pue` >= 1 is the data centre's overhead on the energy.
    """
    return Footprint(
        operational_g=energy_j / JOULES_PER_KWH * pue * g_per_kwh,
        embodied_g=busy_s * embodied_g_per_s,
    )


def embodied(preset: str, *, uses_gpu: bool, num_gpus: int, num_threads: int) -> EmbodiedRate:
    """Return the embodied rate of a preset, in gCO2eq per busy second.

    Args:
        preset: one of EMBODIED_PRESETS.
        uses_gpu: whether the model runs on GPUs; otherwise `num_gpus` is not read.
        num_gpus: how many GPUs the run reserves.
        num_threads: how many CPU threads a run without a GPU reserves.
    """
    match preset:
        case "paper":
            return EmbodiedRate(
                preset, PAPER_NODE_G / PAPER_LIFETIME_S, "the paper: 26.36 kg over 5 years"
            )
        case "server":
            return _gpu_server(num_gpus) if uses_gpu else _cpu_server(num_threads)
    raise UsageError(
        f"no embodied preset {preset!r}: choose one of {', '.join(EMBODIED_PRESETS)}, "
        "or give a number in g per second"
    )


def _gpu_server(num_gpus: int) -> EmbodiedRate:
    """Return the rate of `num_gpus` GPUs, each with its part of an 8-GPU host."""
    if num_gpus < 1:
        raise ValueError(f"a run on GPUs reserves at least one, not {num_gpus}")
    g_per_gpu = GPU_G + GPU_HOST_G / GPUS_PER_HOST
    return EmbodiedRate(
        "server",
        num_gpus * g_per_gpu / GPU_LIFETIME_S,
        f"ecologits 0.11.3: {num_gpus} x (273 kg GPU + 5700 kg host / 8) over 3 years",
    )


def _cpu_server(num_threads: int) -> EmbodiedRate:
    """Return the rate of the part of a 48-core server that `num_threads` threads reserve."""
    if num_threads < 1:
        raise ValueError(f"a run reserves at least one thread, not {num_threads}")
    cores = min(num_threads, CPU_SERVER_CORES)
    return EmbodiedRate(
        "server",
        CPU_SERVER_G / CPU_LIFETIME_S * cores / CPU_SERVER_CORES,
        f"BoaviztAPI 2.5.0 platform_compute_medium: 900 kg x {cores}/48 cores over 35040 h",
    )
