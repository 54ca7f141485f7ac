#!/usr/bin/env python3
"""`sprout --help` against `python -c "import typer, rich"`, in turn. Goal: at most 1.6 times."""

import sys

from measure import SPROUT, in_turn, run, show


def main() -> None:
    values = in_turn(
        20,
        lambda: run([SPROUT, "--help"]).wall_s,
        lambda: run([sys.executable, "-c", "import typer, rich"]).wall_s,
    )
    ratio = show("sprout --help", values[0], "s") / show("import typer, rich", values[1], "s")
    print(f"ratio {ratio:.2f} (goal: at most 1.6)")


if __name__ == "__main__":
    main()
