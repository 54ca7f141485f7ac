"""What people should know of how a mix was chosen. Pure."""

from sprout.directives import DirectiveSet
from sprout.grid.reading import GridReading
from sprout.planning import classes
from sprout.planning.classes import TaskClass
from sprout.planning.policies import POLICIES
from sprout.planning.window import HORIZON


def of(
    policy: str,
    formed: tuple[TaskClass, ...],
    readings: tuple[GridReading, ...],
    directives: DirectiveSet,
) -> list[str]:
    """Return what people should know of how the mix was chosen."""
    notes = [
        f"{_about(each, formed)}{each.obstacle}: every request is served at L0, but for exploration"
        for each in formed
        if each.obstacle is not None
    ]
    if POLICIES[policy].knows_classes and len(formed) == 1:
        notes.append(
            f"no task has {classes.MIN_JUDGED} judged prompts yet: one mix serves all tasks"
        )
    is_short = readings[0].intensity.duration_s < HORIZON.total_seconds()
    if POLICIES[policy].spans_window and len(readings) == 1 and is_short:
        notes.append("no forecast is stored: the floor holds for this window alone")
    return notes + _unjudged(formed, directives)


def _unjudged(formed: tuple[TaskClass, ...], directives: DirectiveSet) -> list[str]:
    """Return that levels are only explored because nobody judged them, where others may steer."""
    if all(each.obstacle is not None for each in formed):
        return []
    known = [each.preference(directives) for each in formed]
    missing = [
        level
        for level, *shares in zip(directives.levels, *known, strict=True)
        if any(share is None for share in shares)
    ]
    if not missing:
        return []
    names = ", ".join(missing)
    return [f"not judged, so only explored: {names} (`sprout evaluate` lets a judge compare them)"]


def _about(task_class: TaskClass, formed: tuple[TaskClass, ...]) -> str:
    """Return which class a note is about; nothing where there is only one."""
    if len(formed) == 1:
        return ""
    return f"task {task_class.task}: " if task_class.task is not None else "other tasks: "
