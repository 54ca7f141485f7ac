"""Packaged prompts: to start with, to calibrate with, to evaluate with; and control pairs."""

from importlib import resources
from typing import Literal


def lines(name: Literal["quickstart", "calibration", "evaluation", "controls"]) -> list[bytes]:
    """Return the lines of a packaged prompt file."""
    return resources.files(__name__).joinpath(f"{name}.jsonl").read_bytes().splitlines()
