"""A folder of traces with plain values: a day of two tasks at two levels."""

from pathlib import Path

GRID = "region,datetime_utc,direct_g_per_kwh,lca_g_per_kwh\n" + "".join(
    f"XX,2023-01-01 {hour:02}:00:00,{100 + hour},{200 + hour}\n" for hour in range(24)
)
REQUESTS = "dataset,index,level,energy_kwh,time_s\n" + "".join(
    f"{task},{index},{level},{energy},{seconds}\n"
    for task in ("poem", "quiz")
    for index in range(3)
    for level, energy, seconds in (("L0", 1e-4 * (index + 1), 2.0), ("L1", 0.2e-4, 0.5))
)
JUDGEMENTS = "dataset,preferred_level\npoem,0\npoem,0\npoem,1\nquiz,1\n"


def write(folder: Path, **files: str) -> Path:
    """Write a folder of traces; a name given replaces a plain one."""
    plain = {"grid": GRID, "requests": REQUESTS, "judgements": JUDGEMENTS}
    folder.mkdir(exist_ok=True)
    for name, text in (plain | files).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder
