"""Packaged prompt files: a quick start, and what a fresh machine is calibrated with."""

from importlib import resources
from typing import Literal


def lines(name: Literal["quickstart", "calibration"]) -> list[bytes]:
    """Return the lines of a packaged prompt file."""
    return resources.files(__name__).joinpath(f"{name}.jsonl").read_bytes().splitlines()
