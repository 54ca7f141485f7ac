"""Every `sprout` command in the examples of README and manual runs as it is written there."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli.program import RECORDING, REPLAY, change, select, sprout, write_prompts
from local import grid_server, judge_server

from sprout.cli.evaluate.judges import controls

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [ROOT / "man" / f"sprout-{name}.7" for name in ("howto", "levels", "carbon")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^\.EX\n(.*?)^\.EE", re.MULTILINE | re.DOTALL)
CRON = re.compile(r"^(?:\S+ +){5}(?=cd |\$|/)")  # five fields of time
CSV = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
    "2025-01-01 00:00:00,Germany,Germany,DE,300.1,350.2,50,45,entsoe.eu,false,\n"
)


def examples(page: Path) -> list[str]:
    """Return the examples of a manual page, as they are shown."""
    text = page.read_text(encoding="utf-8").replace("\\-", "-").replace("\\(aq", "'")
    return EXAMPLE.findall(text)


def blocks() -> Iterator[str]:
    """Yield what is shown as commands, or may be."""
    for kind, block in BLOCK.findall(README.read_text(encoding="utf-8")):
        if kind in {"", "sh"}:
            yield block
    for page in PAGES:
        yield from examples(page)


def commands() -> Iterator[str]:
    """Yield the commands, without what the shell does with their input and output."""
    for block in blocks():
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[;&|] *|/)sprout (?=[a-z-])(.*)", CRON.sub("", line.strip()))
            if found is not None and not line.startswith((" ", "#")):
                yield found.group(1).split("  #")[0].strip()


COMMANDS = list(dict.fromkeys(commands()))


def test_readme_and_manual_show_commands() -> None:
    assert len(COMMANDS) >= 30, COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_shown_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPROUT_MODEL", str(RECORDING))
    prompts = write_prompts(tmp_path / "prompts.jsonl", 5)
    (tmp_path / "sample.jsonl").write_bytes(prompts.read_bytes())
    (own_set,) = (text for text in examples(PAGES[1]) if text.startswith("[mine]"))
    (tmp_path / "mine.toml").write_text(own_set, encoding="utf-8")
    (tmp_path / "DE_2025_hourly.csv").write_text(CSV, encoding="utf-8")
    if command.endswith("--model answers.jsonl"):
        (tmp_path / "answers.jsonl").write_bytes(RECORDING.read_bytes())
    before, _, redirected = command.partition("<")
    words = shlex.split(before.split(">")[0].replace("$(date +\\%F)", "today"))
    # paths of somebody's machine become this folder's; their models become a recording
    if words[0] == "requantize":  # of the real model
        monkeypatch.delenv("SPROUT_MODEL")
    else:
        words = [placed(word) for word in words]
    stdin = prompts.read_bytes() if redirected else b""
    if words[0] not in {"init", "run", "status", "doctor", "requantize"}:
        assert sprout("run", prompts, "-o", "before.jsonl", "--zone", "DE").code == 0
    with grid_server.serving(grid_server.neso(datetime.now(UTC))) as grid:
        monkeypatch.setenv("SPROUT_NESO_URL", grid.url)
        if words[0] == "grid" and words[1] != "use":
            assert sprout("grid", "use", "GB", "--provider", "neso").code == 0
        if words == ["grid", "show"]:
            assert sprout("grid", "fetch").code == 0
        with judge_server.serving() as judge:
            judge.needs_key, judge.chooser = False, wise
            words = [{"http://host:8000/v1": judge.url, "NAME": "judge-1"}.get(w, w) for w in words]
            found = sprout(*words, stdin=stdin)
    # a recording answers, but it has no logits that a judge could be read from
    assert found.code == (69 if "local" in words else 0), (words, found.stderr)


def wise(_question: str, answers: list[str]) -> str:
    """Name the better answer of a control pair, or else the first."""
    better = {each.good for each in controls()}
    return next((label for label, text in zip("ABC", answers, strict=False) if text in better), "A")


def test_what_was_counted_in_the_wrong_zone_is_counted_again(tmp_path: Path) -> None:
    store = tmp_path / "sprout.db"
    prompts = write_prompts(tmp_path / "prompts.jsonl", 5)
    assert sprout("run", prompts, *REPLAY, "-o", tmp_path / "o", "--state", store).code == 0
    change(
        store,
        "UPDATE completions SET admitted_at = '2026-10-05T10:20:00.000Z',"
        " finished_at = '2026-10-05T11:20:00.000Z'",
    )
    hours = tmp_path / "hours.csv"
    hours.write_text("t,g\n2026-10-05T09:00Z,800\n2026-10-05T10:00Z,100\n2026-10-05T11:00Z,900\n")
    columns = ("--time-column", "t", "--value-column", "g", "--zone", "GB", "--factor", "direct")
    assert sprout("grid", "import", hours, *columns, "--state", store).code == 0
    (example,) = (text for text in examples(PAGES[0]) if "WITH again" in text)
    (found,) = select(store, example.split('"')[1])
    ((energy_j, embodied_g, carbon_g),) = select(
        store,
        "SELECT sum(energy_j), sum(embodied_g), sum(operational_g + embodied_g) FROM completions",
    )
    num, num_known, kwh, was_g, is_g = found
    assert (num, num_known) == (5, 5)
    assert (kwh, was_g) == pytest.approx((energy_j / 3.6e6, carbon_g))
    assert is_g == pytest.approx(energy_j / 3.6e6 * 100 + embodied_g)  # PUE 1, 100 g/kWh at 10:20


def placed(word: str) -> str:
    """Return a word of a command as it is here: this folder's paths, a recording for a model."""
    name, is_variant, _ = word.partition("=")
    if is_variant and word.endswith(".gguf"):  # no variant is the model's own file
        Path(f"{name}.jsonl").write_bytes(RECORDING.read_bytes() + b"\n")
        return f"{name}={name}.jsonl"
    if word.endswith(".gguf"):
        return str(RECORDING)
    return Path(word).name if "/" in word and "://" not in word else word
