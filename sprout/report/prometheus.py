"""A report as metrics for Prometheus, in the text format that node_exporter collects."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from sprout import __version__
from sprout.errors import DiskError, PermissionDeniedError
from sprout.report import words
from sprout.report.cells import NOT_RECORDED
from sprout.report.facts import Report
from sprout.report.saved import INTERVAL

METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sprout_requests": ("Requests by how they ended.", ("result",)),
    "sprout_answers": ("Answered requests at each level.", ("level",)),
    "sprout_tokens": ("Tokens read and written.", ("kind",)),
    "sprout_energy_joules": ("Energy of requests, without PUE.", ("method", "mark")),
    "sprout_beyond_requests_joules": ("Energy of idle time and unfinished work.", ("kind",)),
    "sprout_beyond_requests_carbon_grams": ("Carbon of that energy, in gCO2eq.", ()),
    "sprout_busy_seconds": ("Seconds that the engine worked on requests.", ()),
    "sprout_carbon_grams": ("Carbon of requests, in gCO2eq.", ("component", "zone")),
    "sprout_intensity_grams_per_kwh": (
        "Mean intensity over requests.",
        ("source", "mark", "kind", "factor"),
    ),
    "sprout_saved_grams": ("Carbon saved against all-L0, in gCO2eq.", ()),
    "sprout_saved_half_width_grams": (f"Half of its interval {INTERVAL}.", ()),
    "sprout_preference_kept_ratio": (
        "Preference kept, of all-L0's.",
        ("model", "fingerprint", "mark"),
    ),
    "sprout_evaluating_carbon_grams": (
        "Carbon of evaluations, in gCO2eq.",
        ("component", "mark"),
    ),
    "sprout_rejected_lines": ("Lines of prompt files that could not be served.", ()),
    "sprout_open_prompts": ("Prompts that were begun and are not finished.", ()),
    "sprout_report_timestamp_seconds": ("When these metrics were made.", ()),
    "sprout_info": ("The program, always 1.", ("version",)),
}
"""Every metric with its help and labels. What is not known has no sample, never a zero."""


def write(report: Report, path: Path) -> None:
    """Write the metrics; the file is replaced at once.

    Raises:
        PermissionDeniedError: the folder may not be written.
        DiskError: it is not there, or full.
    """
    if path.exists() and not path.is_file():
        raise DiskError(f"{path} is no regular file: name another")
    try:
        write_to_textfile(str(path), registry(report))
    except PermissionError as error:
        raise PermissionDeniedError(f"{path} may not be written: {error.strerror}") from error
    except OSError as error:
        raise DiskError(f"{path} cannot be written: {error.strerror}") from error


def registry(report: Report) -> CollectorRegistry:
    """Return the metrics of a report."""
    found = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def put(name: str, value: float | None, *labels: str) -> None:
        if value is None:
            return
        if name not in gauges:  # one without a value would say 0
            help_, names = METRICS[name]
            gauges[name] = Gauge(name, help_, names, registry=found)
        (gauges[name].labels(*labels) if labels else gauges[name]).set(value)

    total = report.total
    put("sprout_requests", total.num_answered, "answered")
    put("sprout_requests", total.num_failed, "failed")
    for level, num in total.levels.items():
        put("sprout_answers", num, level)
    put("sprout_tokens", total.num_prompt_tokens, "read")
    put("sprout_tokens", total.num_new_tokens, "written")
    for each in report.energy:
        put("sprout_energy_joules", each.energy_j, each.name, each.mark)
    put("sprout_beyond_requests_joules", report.runs.idle_j, "idle")
    put("sprout_beyond_requests_joules", report.runs.lost_j, "lost")
    beyond_g = report.runs.operational_g if report.runs.num_runs else None
    put("sprout_beyond_requests_carbon_grams", beyond_g)
    put("sprout_busy_seconds", total.busy_s)
    for group in report.groups["zone"]:
        put("sprout_carbon_grams", group.operational_g, "operational", group.key)
        put("sprout_carbon_grams", group.embodied_g, "embodied", group.key)
    for each in report.intensity:
        of = (each.name, each.mark, each.kind or NOT_RECORDED, each.factor or NOT_RECORDED)
        put("sprout_intensity_grams_per_kwh", each.mean, *of)
    put("sprout_saved_grams", total.saved.saved_g)
    put("sprout_saved_half_width_grams", total.saved.half_width_g)
    for known in words.overall(report):
        mark = "prior" if known.is_prior else "judged"
        put("sprout_preference_kept_ratio", known.kept, known.model, known.fingerprint, mark)
    if (judging := report.evaluating) is not None:
        marks = ", ".join(judging.operational_marks)
        put("sprout_evaluating_carbon_grams", judging.operational_g, "operational", marks)
        put("sprout_evaluating_carbon_grams", judging.embodied_g, "embodied", "modelled")
    put("sprout_rejected_lines", report.num_rejected)
    put("sprout_open_prompts", report.num_open)
    put("sprout_report_timestamp_seconds", report.made_at.timestamp())
    put("sprout_info", 1, __version__)
    return found
