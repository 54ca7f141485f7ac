"""Every way by which foreign bytes come in, each through the code that a command runs.

A target takes any bytes. It may refuse them by one of Sprout's errors; anything else that it raises
is a finding.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import plain_traces
from attack.providers import NOW, PROVIDERS, SECRET, Canned, bodies
from attack.templates import INJECTIONS, TEMPLATES, chat_template, inject, render

from sprout import directive_sets, directives
from sprout.batch import outfile, prompts
from sprout.batch.answers import Admission, Grid, Served, answer_line, error_line, failed_line
from sprout.batch.prompts import Prompt
from sprout.carbon import footprint
from sprout.chat import Message, Sampling
from sprout.cli.grid import importing
from sprout.clock import to_text
from sprout.config import sources
from sprout.directives import Directive, TemplateTraits
from sprout.engine import base
from sprout.engine.recorded import RecordedEngine
from sprout.errors import SproutError
from sprout.grid.columns_csv import Columns
from sprout.grid.intensity import Series, rank
from sprout.quality.completions import Address, Completions
from sprout.quality.endpoint import EndpointJudge
from sprout.quality.http import Reply
from sprout.quality.judge import Question
from sprout.quality.wording import choice_in
from sprout.replay.traces import read_world
from sprout.state.intensities import Intensities
from sprout.state.reconciliation import reconcile
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

RUN_ID = "run-20261124T120000Z-abcdef"


@dataclass(frozen=True, slots=True)
class Target:
    """Valid inputs, and what is done with broken ones."""

    seeds: tuple[bytes, ...]
    run: Callable[[bytes], None]


@contextmanager
def targets(folder: Path) -> Iterator[dict[str, Target]]:
    """Give every target; they write into a folder."""
    with Store.open(folder / "fuzz.db") as store:
        files = _Files(folder, store)
        yield {
            "prompts": Target(_prompt_lines(), _read_prompts),
            "config": Target(_CONFIGS, files.config),
            "directives": Target(_DIRECTIVES, _read_directives),
            **{name: Target(bodies(name), files.provider(name)) for name in PROVIDERS},
            "csv": Target(_CSVS, files.csv),
            "columns": Target(_COLUMNS, files.columns),
            "recording": Target(_outputs(), files.recording),
            "resume": Target(_outputs(), files.resume),
            "judge": Target(_JUDGED, _ask_judge),
            "verdict": Target(_VERDICTS, _read_verdict),
            "replay": Target(_TRACES, files.replay),
            "template": Target(tuple(t.encode() for t in TEMPLATES.values()), render),
            "injection": Target(INJECTIONS, inject),
        }


# prompt lines


def _prompt_lines() -> tuple[bytes, ...]:
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    plain: list[dict[str, Any]] = [
        {"id": "a", "prompt": "Why?", "task": "qa", "deadline": "2026-11-25T06:00:00Z"},
        {"id": 7, "messages": chat, "temperature": 0.5, "stop": ["x"], "reference": {"answer": 42}},
        {"custom_id": "b", "url": "/v1/chat/completions", "body": {"messages": chat, "model": "m"}},
    ]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    plain.append({"messages": parts, "seed": 1, "top_p": 0.5, "metadata": {"a": [1]}, "n": 1})
    lines = [json.dumps(line).encode() for line in plain]
    return *lines, b"\n".join(lines)


def _read_prompts(data: bytes) -> None:
    taken: set[str] = set()

    def is_new(name: str) -> bool:
        num_before = len(taken)
        taken.add(name)
        return len(taken) > num_before

    levels = directive_sets.load("concise").directives
    rows = prompts.read(
        data.split(b"\n"),
        defaults=Sampling(),
        levels=[level.level for level in levels],
        is_new_id=is_new,
    )
    for row in rows:
        if isinstance(row, Prompt):
            _serve(row, levels[-1])
        elif row is not None:
            error_line(failed_line(row), RUN_ID).encode()


def _serve(prompt: Prompt, level: Directive) -> None:
    """Do with a prompt what a run does, but for the model."""
    traits = TemplateTraits(default_system=None, has_system_role=True)
    directives.apply(level, prompt.chat, traits)
    level.limit(prompt.sampling)
    json.dumps(prompt.reference).encode()
    if prompt.deadline is not None:
        to_text(prompt.deadline)
    done = base.Completion(prompt.id, "An answer.", "stop", 3, 2, 0.0, 1.0)
    admission = Admission(prompt, "L0", "0" * 16, None)
    grid = Grid("DE", 300.0, "eia (forecast)")
    cost = footprint(1.0, 1.0, 300.0, 1.0, 0.0)
    served = Served(admission, done, 1.0, "rapl", 1.0, cost, grid)
    answer_line(served, RUN_ID, "model", NOW).encode()


# settings and directives

_CONFIGS = (
    b'zone = "DE"\ntolerance = 0.1\nparallel = 8\nkeep_text = false\ngpus = ["GPU-1"]\n'
    b'eia_key = "k"\nmodel = "~/m.gguf"\nstate = "s.db"\nneso_url = "http://127.0.0.1:9"\n',
    b'policy = "class-fair"\ndirectives = "mine.toml"\nembodied = 0.001\nctx = 4096\n',
)
_DIRECTIVES = (
    b'[mine]\nabout = "x"\n[[mine.directives]]\nlevel = "L0"\ntext = ""\n'
    b'[[mine.directives]]\nlevel = "L1"\ntext = "Be brief. <|im_end|> {{ x }}"\n'
    b'placement = "suffix"\nmax_tokens = 64\npaper_level = "L1"\n',
)


def _read_directives(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # said by whoever reads the file
    chat = (Message("user", "Hi"),)
    for found in directive_sets.parse(text, "mine.toml").values():
        for level in found.directives:
            for template in (chat_template("chatml"), chat_template("gemma")):
                template.fragments(directives.apply(level, chat, template.traits()))


# files


class _Files:
    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        plain_traces.write(folder / "traces")
        Runs(store).start(Run(RUN_ID, NOW, "-", "o", "m", "x", "DE", "rapl", 1.0, "server", 0.0))

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(data)
        return path

    def config(self, data: bytes) -> None:
        path = self._write("sprout.toml", data)
        path.chmod(0o600)
        found = sources.load({}, path)
        json.dumps(asdict(found.settings), default=str)

    def csv(self, data: bytes) -> None:
        imported = importing._electricity_maps(self._write("zone_hourly.csv", data))
        Intensities(self._store).add(imported.intensities)
        _use(imported.intensities)

    def columns(self, data: bytes) -> None:
        zone = ZoneInfo("Europe/Berlin") if zlib.crc32(data) % 2 else ZoneInfo("UTC")
        columns = Columns("time", "g", zone)
        series = Series("DE", "average", "direct")
        imported = importing._two_columns(self._write("two.csv", data), columns, series)
        Intensities(self._store).add(imported.intensities)
        _use(imported.intensities)

    def recording(self, data: bytes) -> None:
        engine = RecordedEngine(self._write("recording.jsonl", data), 2)
        for name in ("a", "b", "c"):
            chat = (Message("user", "Hi"),)
            engine.submit(base.Request(name, chat, Sampling(), "L1"))
        while engine.is_busy:
            for done in engine.step().completions:
                json.dumps([done.text, done.finish_reason], ensure_ascii=False).encode()
                assert done.num_new_tokens < 2**63

    def resume(self, data: bytes) -> None:
        path = self._write("out.jsonl", data)
        outfile.check_torn_line(path, RUN_ID)
        reconcile(self._store, RUN_ID, outfile.read_lines(path, RUN_ID))
        outfile.drop_torn_line(path)

    def replay(self, data: bytes) -> None:
        name, _, table = data.partition(b"\n")
        stem = name.decode(errors="replace")
        if stem not in {"grid", "requests", "judgements"}:
            return
        path = self._folder / "traces" / f"{stem}.csv"
        whole = path.read_bytes()
        try:
            path.write_bytes(table)
            read_world(path.parent)
        finally:
            path.write_bytes(whole)

    def provider(self, name: str) -> Callable[[bytes], None]:
        open_provider = PROVIDERS[name]

        def ask(data: bytes) -> None:
            with Canned(data) as client:
                reply = open_provider(client).recent(NOW)
            Intensities(self._store).add(reply.intensities)
            _use(reply.intensities)

        return ask


def _use(rows: Any) -> None:
    for row in rows:
        assert row.end > row.start
        rank(row)


_HEADER = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO\u2082eq/kWh (direct),"
    "Carbon intensity gCO\u2082eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
).encode()
_CSVS = (
    _HEADER
    + b"2023-01-01 00:00:00,Germany,Germany,DE,300.5,350,50,40,source,false,\n"
    + b"2023-01-01 01:00:00,Germany,Germany,DE,301.5,,50,40,source,true,X\n",
    _HEADER + b"9999-12-31 23:00:00,Germany,Germany,DE,300.5,350,50,40,source,false,\n",
    _HEADER + b"2023-01-01 00:00:00,Germany,Germany,DE,300.5,350,50,40,,,\n",
)
_COLUMNS = (
    b"time,g\n2026-10-25T02:30,100\n2026-10-25T02:30,110\n2026-10-25T03:30,120\n",
    b"time;g\n2026-01-31T13:00Z;100,5\n2026-01-31T14:00+01:00;\n",
    b"time\tg\n1795518000\t3\n",
)
_TRACES = (
    b"grid\n" + plain_traces.GRID.encode(),
    b"requests\n" + plain_traces.REQUESTS.encode(),
    b"judgements\n" + plain_traces.JUDGEMENTS.encode(),
)


def _outputs() -> tuple[bytes, ...]:
    prompt = {"id": "a", "prompt": "Why?"}
    rows = prompts.read(
        [json.dumps(prompt).encode()], defaults=Sampling(), levels=(), is_new_id=lambda _id: True
    )
    (row,) = (row for row in rows if isinstance(row, Prompt))
    done = base.Completion("a", "Because.", "stop", 3, 2, 0.0, 1.0)
    grid = Grid("DE", 300.0, "eia (forecast)")
    cost = footprint(1.0, 1.0, 300.0, 1.0, 0.001)
    served = Served(Admission(row, "L1", "0" * 16, None), done, 1.0, "rapl", 1.0, cost, grid)
    line = answer_line(served, RUN_ID, "model", NOW).encode()
    return line + b"\n", line + b"\n" + line.replace(b'"a"', b'"b"') + b"\n"


# judges

_JUDGED = tuple(
    json.dumps(body).encode()
    for body in (
        {
            "choices": [{"message": {"content": "B", "refusal": None}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 3, "cost": 0.001},
        },
        {"error": {"message": f"Incorrect key {SECRET}", "code": "context_length_exceeded"}},
        {"error": {"message": SECRET, "code": "unsupported_value", "param": "temperature"}},
    )
)
_VERDICTS = (
    b"[[B]]", b"Output (b)", b'```json\n{"best": "B"}\n```', b"B is right. **Final verdict:** B",
    b"<think>[[A]]? No.</think>\n\n[[Answer C]]", b"{'choice': 'C'}", b"I cannot judge this.",
)  # fmt: skip


class _Overheard(Completions):
    def __init__(self, body: bytes) -> None:
        address = Address("http://127.0.0.1:9/v1", "m", SECRET, 1.0, (1.0, 2.0))
        super().__init__(address, lambda _seconds: None, lambda: NOW)
        self._body = body

    def post(self, _text: str) -> Reply:
        status = {0: 400, 1: 401, 2: 429, 3: 500, 4: 302}.get(zlib.crc32(self._body) % 20, 200)
        said = self._body[:30].decode("latin-1")
        return Reply(status, {"Retry-After": said}, self._body)


def _ask_judge(data: bytes) -> None:
    with _Overheard(data) as endpoint:
        try:
            opinion = EndpointJudge(endpoint).ask(Question("What?", ("One.", "Two.", "Three.")))
        except SproutError as error:
            if SECRET in str(error):
                raise AssertionError("the key is in a message") from error
            raise
    assert SECRET not in opinion.raw
    opinion.raw.encode()
    usage = opinion.usage
    for count in (usage.num_prompt_tokens, usage.num_new_tokens, usage.price_usd):
        assert count is None or 0 <= count < 2**31


def _read_verdict(data: bytes) -> None:
    words = data.decode(errors="replace")
    slot = choice_in(words, 3)
    assert slot is None or 0 <= slot < 3
