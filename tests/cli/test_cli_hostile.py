"""Hostile texts in every place that takes one, through the commands to all that shows them."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli.program import REPLAY, read_lines, select, sprout, write_lines
from local.judge_server import KEY, JudgeServer, Reply
from local.judge_server import serving as judging
from prometheus_client.parser import text_string_to_metric_families

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil"
SQL = "'); DROP TABLE completions; --"
HTML = "<script>alert(1)</script><img src=http://127.0.0.1/x onerror=a>"
LINK = "![x](http://127.0.0.1/beacon) a|b"
MARKUP = "[/red] [bold] :smile:"
FORMULA = "=cmd|' /C calc'!A0"
NAME = "caf\xe9 \U0001f331"
PATH = "../../../etc/passwd"
TASKS = (ESCAPES, SQL, HTML, LINK, MARKUP, FORMULA, PATH, 'a"b\\c\nd{}')
ANSWER = "Red \x1b[31mtext\x07 \x9b5m \u202e \U0001f331"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts whose ids, tasks and words are hostile, hostile answers, and a run of them."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = [
        {"id": task, "task": task, "prompt": task, "model": task, "user": task} for task in TASKS
    ]
    prompts = write_lines(folder / "hostile.jsonl", lines)
    line = read_lines(Path(REPLAY[1]))[0]
    answers = []
    for level in ("L0", "L1", "L2"):
        line["sprout"]["level"] = level
        line["response"]["body"]["choices"][0]["message"]["content"] = ANSWER
        answers.append(json.dumps(line))
    recording = write_lines(folder / "a[red]=b.jsonl", answers)
    (folder / "empty.toml").write_text("", encoding="utf-8")
    files = ("-o", folder / "out.jsonl", "--state", folder / "sprout.db")
    how = ("--config", folder / "empty.toml", "--zone", HTML, "--intensity", 300, "-v")
    found = sprout("run", prompts, "--model", recording, *files, *how)
    assert found.code == 0, found.stderr
    assert is_harmless(found.stderr)
    return folder


@pytest.fixture
def hostile(folder: Path) -> Path:
    return folder / "hostile.jsonl"


@pytest.fixture
def recording(folder: Path) -> Path:
    return folder / "a[red]=b.jsonl"


@pytest.fixture
def served(folder: Path, store: Path) -> Path:
    """The output file of the run; the store is a copy of its store."""
    shutil.copy(folder / "sprout.db", store)
    return folder / "out.jsonl"


def is_harmless(text: str) -> bool:
    return not any(c in text for c in "\x1b\x07\x9b\u202e")


def test_what_is_written_to_a_file_is_what_the_model_said(served: Path, store: Path) -> None:
    lines = read_lines(served)
    assert sorted(line["custom_id"] for line in lines) == sorted(TASKS)
    bodies = [line["response"]["body"] for line in lines]
    assert {body["choices"][0]["message"]["content"] for body in bodies} == {ANSWER}
    assert {answer for (answer,) in select(store, "SELECT answer FROM texts")} == {ANSWER}
    assert {task for (task,) in select(store, "SELECT task FROM completions")} == set(TASKS)


def test_no_id_names_a_file(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    known = {"hostile.jsonl", "out.jsonl", "sprout.db", "locks", "a[red]=b.jsonl", "empty.toml"}
    assert {name for name in names if not name.startswith("sprout.db-")} == known


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("by", ["task", "zone", "model", "level"])
def test_a_report_shows_them_and_obeys_none(by: str) -> None:
    found = sprout("report", "--by", by)
    assert found.code == 0, found.stderr
    assert is_harmless(found.stdout)
    flat = "".join(found.stdout.split())
    shown = {"task": "[/red][bold]:smile:", "zone": "<script>", "model": "[red]=b", "level": "L0"}
    assert shown[by] in flat


class Tags(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.mark.usefixtures("served")
def test_a_page_holds_no_element_of_theirs() -> None:
    assert sprout("report", "--format", "html", "-o", "page.html").code == 0
    page = Tags()
    text = Path("page.html").read_text(encoding="utf-8")
    page.feed(text)
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "form"}
    assert not {name for name in page.attributes if name.startswith("on")} | (
        page.attributes & {"src", "srcdoc", "action"}
    )
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.usefixtures("served")
def test_markdown_holds_no_html_and_no_picture() -> None:
    found = sprout("report", "--format", "sci")
    assert found.code == 0
    assert "<" not in found.stdout.replace("<sub>", "")
    assert "](" not in found.stdout
    assert "&#60;script&#62;" in found.stdout


@pytest.mark.usefixtures("served")
def test_no_cell_of_csv_is_a_formula() -> None:
    found = sprout("report", "--format", "csv", "--by", "task")
    rows = list(csv.DictReader(io.StringIO(found.stdout, newline="")))
    assert f"'{FORMULA}" in {row["key"] for row in rows}
    texts = ("by", "key", "intensity_marks", "levels")
    assert not any(row[name].startswith(("=", "+", "-", "@")) for row in rows for name in texts)


@pytest.mark.usefixtures("served")
def test_metrics_can_be_read_back() -> None:
    assert sprout("export", "prometheus", "-o", "sprout.prom").code == 0
    text = Path("sprout.prom").read_text(encoding="utf-8")
    families = text_string_to_metric_families(text)
    zones = {s.labels.get("zone") for family in families for s in family.samples}
    assert HTML in zones


class Terminal(io.StringIO):
    """A standard output that somebody sees."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_an_answer_is_spelled_out_on_a_terminal_and_whole_in_a_pipe(
    hostile: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = sprout("run", hostile, "--model", recording, "--intensity", 300).stdout
    assert "\x9b5m" in piped  # JSON spells out what is below a space alone
    from sprout.cli import output  # noqa: PLC0415 - its streams are looked up when it prints

    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    output.Out("run").line(piped)
    assert is_harmless(screen.getvalue())
    first = json.loads(screen.getvalue().splitlines()[0])
    assert first["response"]["body"]["choices"][0]["message"]["content"] == ANSWER


def test_a_stream_that_lacks_a_character_spells_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from sprout.cli import output  # noqa: PLC0415

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    output.Out("status").line("gCO\u2082eq \udcff \xb1")
    assert raw.getvalue() == b"gCO\\u2082eq \\udcff \xb1\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_answers_are_json_whatever_the_encoding_of_a_pipe(tmp_path: Path, encoding: str) -> None:
    prompts = write_lines(tmp_path / "p.jsonl", [{"id": NAME, "prompt": "Hi"}])
    for words, code in ((REPLAY, 0), (("--model", tmp_path / NAME, "--json"), 66)):
        done = subprocess.run(
            [sys.executable, "-m", "sprout", "run", prompts, *words],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            check=False,
            capture_output=True,
        )
        assert done.returncode == code, done.stderr
        assert NAME in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_a_message_forges_no_line_of_a_log(tmp_path: Path) -> None:
    prompts = write_lines(
        tmp_path / "bad\x1b[2J.jsonl", [{"id": ESCAPES, "prompt": ESCAPES, "x": 1}]
    )
    found = sprout("run", prompts, *REPLAY)
    assert found.code == 3
    assert is_harmless(found.stderr)
    assert "\\u001b[2J.jsonl:1: " in found.stderr


# names that are no text


def test_file_names_of_any_bytes_are_served_and_resumed(tmp_path: Path) -> None:
    prompts = write_lines(Path(os.fsdecode(bytes(tmp_path) + b"/p\xff.jsonl")), [{"prompt": "Hi"}])
    out = Path(os.fsdecode(bytes(tmp_path) + b"/o\xfe.jsonl"))
    model = Path(os.fsdecode(bytes(tmp_path) + b"/m\xfd.jsonl"))
    model.write_bytes(Path(REPLAY[1]).read_bytes())
    run = ("run", prompts, "--model", model, "-o", out, "--intensity", 300)
    assert sprout(*run).code == 0
    assert sprout(*run).code == 73  # it knows its own file again
    assert read_lines(out)[0]["response"]["body"]["model"] == "m\\udcfd"


def test_a_setting_that_is_no_text_is_refused(prompts: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "--zone", "D\udcff")
    assert found.code == 2
    assert "--zone has characters that no text has" in found.stderr


# who may read


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("open_umask")
def test_what_holds_prompts_is_for_its_owner_whatever_the_umask(
    prompts: Path, out: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state" / "sprout.db"
    assert sprout("run", prompts, *REPLAY, "-o", out, "--state", state).code == 0
    assert {mode(path) for path in state.parent.iterdir() if path.is_file()} == {0o600}
    assert mode(state.parent) == mode(state.parent / "locks") == 0o700
    assert mode(out) == 0o666  # where the user names a file the umask decides, as for any redirect


def test_a_store_that_its_owner_opened_stays_open(prompts: Path, store: Path) -> None:
    assert sprout("run", prompts, *REPLAY).code == 0
    store.chmod(0o660)
    assert sprout("run", prompts, *REPLAY).code == 0
    assert mode(store) == 0o660


def test_an_output_that_is_replaced_keeps_its_mode(tmp_path: Path, out: Path) -> None:
    prompts = write_lines(
        tmp_path / "p.jsonl",
        [{"id": "a", "prompt": "1"}, {"id": "b", "prompt": ""}, {"id": "c", "prompt": "1"}],
    )
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 3
    out.chmod(0o600)
    write_lines(prompts, [{"id": name, "prompt": text} for name, text in ("a2", "b3", "c1")])
    assert sprout("run", prompts, *REPLAY, "-o", out, "--retry-errors").code == 0
    assert mode(out) == 0o600
    assert len(read_lines(out)) == 3


# a judge that tells


@pytest.fixture
def judge() -> Iterator[JudgeServer]:
    with judging() as server:
        yield server


def test_a_key_that_a_judge_echoes_is_nowhere(
    judge: JudgeServer, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.exists()
    monkeypatch.setenv("SPROUT_JUDGE_KEY", KEY)
    said = {"error": {"message": f"no such model for {KEY}"}}
    judge.script = [Reply(status=404, body=said)]
    place = ("--judge", "endpoint", "--judge-url", judge.url, "--judge-model", "judge-1")
    found = sprout("evaluate", "--prompts", 2, *REPLAY, *place)
    assert found.code != 0
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (KEY, KEY[:12]):
        assert secret not in found.stdout + found.stderr
        assert secret.encode() not in written
