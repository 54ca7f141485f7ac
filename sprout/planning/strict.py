"""What `--strict` asks of the inputs of a plan: that each was measured. Pure."""

from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError, TryLaterError
from sprout.planning.plan import Snapshot


def check_strict(snapshot: Snapshot, directives: DirectiveSet) -> None:
    """Refuse to plan on anything but measurements.

    An intensity that is stale (the last known one, at most 3 hours old) was measured.

    Raises:
        TryLaterError: the grid provider has been out of reach for too long.
        NotReadyError: naming each input that is a prior or an estimate, and what measures it.
    """
    grid, preference = snapshot.grid, snapshot.preference
    problems = []
    is_refused = grid.mark not in {"measured", "forecast", "stale", "fixed"}
    if is_refused and grid.failure is not None:
        raise TryLaterError(f"--strict: the grid intensity is stale: {grid.failure}")
    if is_refused:
        problems.append(
            f"the grid intensity is not measured ({grid.mark}): "
            "`sprout grid use ZONE --provider P`, `sprout grid import FILE`, or --intensity"
        )
    if snapshot.is_energy_estimated:
        problems.append(
            f"energy is estimated ({snapshot.energy_method}): `sprout doctor` says how to let "
            "Sprout read a counter, `sprout profile` then measures"
        )
    if preference.is_prior and len(directives.directives) > 1:
        problems.append(
            f"preference is not measured ({preference.source}): `sprout evaluate` lets a judge "
            "compare this model's answers"
        )
    if problems:
        raise NotReadyError("--strict: " + "; ".join(problems))
