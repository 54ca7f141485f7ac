"""Two pictures of a replay: saved against preference, and a month with its mix."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from sprout.planning.problem import FloatArray
from sprout.replay.replay import Replayed
from sprout.replay.world import World

SIZE_INCHES = (8.0, 5.0)
DOTS_PER_INCH = 120


def draw(found: list[Replayed], world: World, folder: Path) -> tuple[Path, ...]:
    """Draw saved against preference of all schemes, and the first region's month of the last.

    Returns:
        the two files.
    """
    return _front(found, world, folder / "front.png"), _month(found, world, folder / "month.png")


def _front(found: list[Replayed], world: World, path: Path) -> Path:
    figure, axes = plt.subplots(figsize=SIZE_INCHES, layout="constrained")
    names = list(dict.fromkeys(each.policy for each in found))
    markers = "os^Dv<>PX*h"
    colours = plt.get_cmap("tab10")
    for number, name in enumerate(names):
        own = [each for each in found if each.policy == name]
        axes.errorbar(
            [float(each.saved_percent.mean()) for each in own],
            [float(each.preference_percent.mean()) for each in own],
            xerr=[float(each.saved_percent.std()) for each in own],
            yerr=[float(each.preference_percent.std()) for each in own],
            fmt=markers[number % len(markers)],
            color=colours(number % 10),
            label=name,
            capsize=2,
            markersize=7,
            alpha=0.85,
        )
    axes.axhline(100, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("carbon saved against all-L0 (%)")
    axes.set_ylabel(f"{world.quality} against L0 (%)")
    axes.set_title("Right and up is better; one point per region, bars are ± SD between draws")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower left")
    return _save(figure, path)


def _month(found: list[Replayed], world: World, path: Path) -> Path:
    region = found[0].region
    chosen = [each for each in found if each.region == region][-1]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=SIZE_INCHES, layout="constrained", sharex=True, height_ratios=(1, 1)
    )
    hours = np.arange(len(chosen.intensity_g_per_kwh))
    above.plot(hours / 24, chosen.intensity_g_per_kwh, color="black", linewidth=0.9)
    above.set_ylabel("gCO2eq/kWh")
    above.set_title(f"{region}: intensity, and the mix of {chosen.policy} beneath")
    above.grid(visible=True, alpha=0.3)
    below.stackplot(hours / 24, *_percent(chosen.mix), labels=_labels(chosen, world))
    below.set_ylim(0, 100)
    below.set_ylabel("share of requests (%)")
    below.set_xlabel("day")
    below.margins(x=0)
    below.legend(loc="lower right", framealpha=0.9)
    return _save(figure, path)


def _percent(mix: FloatArray) -> list[FloatArray]:
    return [100 * mix[:, level] for level in range(mix.shape[1])]


def _labels(each: Replayed, world: World) -> tuple[str, ...]:
    return ("model", "second model") if each.policy == "model-opt" else world.levels


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
    return path
