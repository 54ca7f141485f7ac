"""RAPL zones as sysfs shows them: folders side by side, also those that are part of another."""

from pathlib import Path

RANGE_UJ = 262_143_328_850


def add_zone(root: Path, zone: str, name: str, energy_uj: object, range_uj: int = RANGE_UJ) -> Path:
    """Write a zone; return its energy file."""
    directory = root / zone
    directory.mkdir(parents=True)
    (directory / "name").write_text(f"{name}\n")
    (directory / "energy_uj").write_text(f"{energy_uj}\n")
    (directory / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return directory / "energy_uj"
