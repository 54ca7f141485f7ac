"""Every `sprout` command in the README's code blocks runs as it is written there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.program import RECORDING, sprout, write_prompts

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CRON = re.compile(r"^(?:\S+ +){5}(?=cd |\$|/)")  # five fields of time
CSV = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
    "2025-01-01 00:00:00,Germany,Germany,DE,300.1,350.2,50,45,entsoe.eu,false,\n"
)


def commands() -> Iterator[str]:
    """Yield the commands, without what the shell does with their input and output."""
    for kind, block in BLOCK.findall(README.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines() if kind in {"", "sh"} else ():
            found = re.search(r"(?:^|[;&|] *|/)sprout ((?!\.).*)", CRON.sub("", line.strip()))
            if found is not None and not line.startswith((" ", "#")):
                yield found.group(1).split("  #")[0].strip()


COMMANDS = list(dict.fromkeys(commands()))


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 8, COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPROUT_MODEL", str(RECORDING))
    prompts = write_prompts(tmp_path / "prompts.jsonl", 5)
    (tmp_path / "DE_2025_hourly.csv").write_text(CSV, encoding="utf-8")
    before, _, redirected = command.partition("<")
    words = shlex.split(before.split(">")[0].replace("$(date +\\%F)", "today"))
    # paths of somebody's machine become this folder's; their models become a recording
    words = [placed(word) for word in words]
    stdin = prompts.read_bytes() if redirected else b""
    if words[0] not in {"init", "run", "status", "doctor"}:
        assert sprout("run", prompts, "-o", "before.jsonl", "--zone", "DE").code == 0
    found = sprout(*words, stdin=stdin)
    # a judge is a model or a server of its own; that it is not here is what can be said here
    is_elsewhere = bool({"local", "endpoint"} & set(words))
    assert found.code in ({0, 69, 75} if is_elsewhere else {0}), (words, found.stderr)


def placed(word: str) -> str:
    """Return a word of a command as it is here: this folder's paths, a recording for a model."""
    if word.endswith(".gguf"):
        return str(RECORDING)
    if "://" in word:
        return re.sub(r"//[^/]+", "//127.0.0.1:9", word)  # where nobody listens
    return Path(word).name if "/" in word else word
