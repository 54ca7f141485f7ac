"""Output lines: OpenAI Batch form plus a `sprout` object, written and read back.

What a line says of itself is enough to rebuild its row of the store, so a run that was killed
between writing the line and storing the row loses nothing.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sprout.batch.prompts import Prompt, Rejected
from sprout.carbon import EmbodiedRate, Footprint
from sprout.costs import Conditions
from sprout.engine.base import Completion
from sprout.grid.reading import GridReading

REQUEST_FAILED = "request_failed"
"""The code of a request that was admitted and failed alone; other codes are of rejected lines."""

_REASONS = ("stop", "length")
_TEXTS = ("level", "zone", "intensity_source", "energy_method")
_NUMBERS = ("intensity_g_per_kwh", "energy_j", "embodied_g", "carbon_g", "busy_s", "duration_s")
_INT64_MAX = 2**63 - 1
_MAX_COST = 1e15  # joules, seconds or grams of one request; no infinity, and no NaN
_MAX_CREATED = 4_102_444_800  # of the year 2100, in Unix seconds
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Admission:
    """A prompt with its level; recorded before the first token is decoded.

    `plan_id` is None for a line that pins its directive.
    """

    prompt: Prompt
    level: str
    directive_key: str
    plan_id: str | None


@dataclass(frozen=True, slots=True)
class Grid:
    """The intensity that carbon is counted at, in gCO2eq/kWh, and its source with its mark.

    `kind` (average, marginal) and `factor_type` (lifecycle, direct) are None when nobody said.
    """

    zone: str
    g_per_kwh: float
    source: str
    kind: str | None = None
    factor_type: str | None = None

    @classmethod
    def of(cls, reading: GridReading) -> Self:
        """Return what a reading says of itself."""
        found = reading.intensity
        described = reading.described_source
        return cls(found.zone, found.g_per_kwh, described, found.kind, found.factor_type)


@dataclass(frozen=True, slots=True)
class Counting:
    """How the carbon of a run's requests is counted, and under which conditions they are served."""

    conditions: Conditions
    model_name: str
    pue: float
    embodied: EmbodiedRate


@dataclass(frozen=True, slots=True)
class Served:
    """A finished request with all that it cost.

    Args:
        energy_j: its share of the metered energy, in J, without PUE.
        busy_s: its token share of the engine's busy time.
    """

    admission: Admission
    completion: Completion
    energy_j: float
    energy_method: str
    busy_s: float
    footprint: Footprint
    grid: Grid

    @property
    def duration_s(self) -> float:
        """Return the latency, from joining the batch to the last token."""
        return self.completion.ended_s - self.completion.started_s


@dataclass(frozen=True, slots=True)
class Failed:
    """A line that got no answer: rejected when read, or failed alone in the engine."""

    id: str
    line_no: int
    code: str
    reason: str

    @property
    def was_admitted(self) -> bool:
        """Whether the id is that of an admitted prompt; a rejected line may bear another's."""
        return self.code == REQUEST_FAILED


def failed_line(rejected: Rejected) -> Failed:
    """Return the failure of a line that could not be read."""
    return Failed(
        rejected.id or f"line-{rejected.line_no:06d}",
        rejected.line_no,
        rejected.code,
        rejected.reason,
    )


def answer_line(served: Served, run_id: str, model_name: str, now: datetime) -> str:
    """Return one line of the output file, without its newline.

    `model_name` is said where the prompt names no model of its own.
    """
    prompt, completion = served.admission.prompt, served.completion
    num_total = completion.num_prompt_tokens + completion.num_new_tokens
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": completion.text},
        "logprobs": None,
        "finish_reason": completion.finish_reason,
    }
    body = {
        "id": f"chatcmpl-{prompt.content_hash}",
        "object": "chat.completion",
        "created": int(now.timestamp()),
        "model": prompt.model or model_name,
        "choices": [choice],
        "usage": {
            "prompt_tokens": completion.num_prompt_tokens,
            "completion_tokens": completion.num_new_tokens,
            "total_tokens": num_total,
        },
    }
    line = {
        "id": f"{run_id}-{prompt.line_no}",
        "custom_id": prompt.id,
        "response": {"status_code": 200, "request_id": prompt.content_hash, "body": body},
        "error": None,
        "sprout": _sprout(served),
    }
    return json.dumps(line, ensure_ascii=False)


def error_line(failed: Failed, run_id: str) -> str:
    """Return one line of the errors file, without its newline."""
    error = {"code": failed.code, "message": failed.reason, "line": failed.line_no}
    line = {
        "id": f"{run_id}-{failed.line_no}",
        "custom_id": failed.id,
        "response": None,
        "error": error,
    }
    return json.dumps(line, ensure_ascii=False)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return an output line of ours as it was written, or None when it is not one.

    Whoever edits a file may leave anything in it, so all that is read back is looked at.
    """
    try:
        value = json.loads(line)
        response, cost = value["response"], value["sprout"]
        body = response["body"]
        choice, usage = body["choices"][0], body["usage"]
        texts = (
            value["id"],
            value["custom_id"],
            response["request_id"],
            choice["message"]["content"],
        )
        costs = (cost[name] for name in _NUMBERS)
        known = (
            all(map(is_text, texts))
            and all(is_text(cost[name]) for name in _TEXTS)
            and (cost["plan_id"] is None or is_text(cost["plan_id"]))
            and choice["finish_reason"] in _REASONS
            and is_count(usage["prompt_tokens"])
            and is_count(usage["completion_tokens"])
            and all(isinstance(n, int | float) and abs(n) <= _MAX_COST for n in costs)
            and is_count(body["created"])
            and body["created"] < _MAX_CREATED
        )
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError):
        return None
    return value if known else None


def is_text(value: object) -> bool:
    """Return whether this is a text that can be stored and written: halves of pairs cannot."""
    return isinstance(value, str) and not _HALF.search(value)


def is_count(value: object) -> bool:
    """Return whether this is a number of things, and not more than a store can count."""
    return type(value) is int and 0 <= value <= _INT64_MAX


def is_error_line(line: bytes) -> bool:
    """Return whether a line is one of an errors file of ours."""
    try:
        value = json.loads(line)
        error, texts = value["error"], (value["id"], value["custom_id"])
        known = {"code", "message", "line"} <= set(error) and value["response"] is None
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return known and all(isinstance(text, str) for text in texts)


def _sprout(served: Served) -> dict[str, object]:
    return {
        "level": served.admission.level,
        "zone": served.grid.zone,
        "intensity_g_per_kwh": served.grid.g_per_kwh,
        "intensity_source": served.grid.source,
        "energy_j": served.energy_j,
        "energy_method": served.energy_method,
        "embodied_g": served.footprint.embodied_g,
        "carbon_g": served.footprint.carbon_g,
        "busy_s": served.busy_s,
        "duration_s": served.duration_s,
        "plan_id": served.admission.plan_id,
    }
