"""`sprout init`: a sprout.toml that says everything, written once, for its owner alone."""

import os
import pty
import subprocess
import tomllib
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, command_line, sprout

from sprout.config.setting import description
from sprout.config.settings import SETTINGS
from sprout.config.sources import defaults, file_path, load
from sprout.config.template import UNSET, literal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conf" / "sprout.toml"


def test_flags_are_settings_of_the_file(file: Path, tmp_path: Path) -> None:
    model = tmp_path / 'a "model".gguf'
    model.write_bytes(b"GGUF")
    found = sprout("init", "--zone", "DE", "--model", model, "--config", file)
    assert found.code == 0
    assert str(file) in found.stdout
    config = load({}, file)
    assert (config.settings.zone, config.settings.model) == ("DE", model)
    assert tomllib.loads(file.read_text()) == {"zone": "DE", "model": str(model)}


def test_without_anything_said_every_value_is_its_default(file: Path) -> None:
    assert sprout("init", "--config", file).code == 0
    assert tomllib.loads(file.read_text()) == {}
    assert load({}, file).settings == load({}).settings


def test_every_setting_is_there_with_its_meaning_and_its_default(file: Path) -> None:
    sprout("init", "--config", file)
    text = file.read_text()
    for name, field in SETTINGS.items():
        assert f"\n# {description(field)}\n# {name} = " in text
    shown = [
        line.removeprefix("# ")
        for line in text.splitlines()
        if " = " in line and not line.endswith(UNSET)
    ]
    # with its marks taken away each line is TOML, and says what is in force anyway
    values = tomllib.loads("\n".join(shown))
    expected = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in defaults().items()
        if value is not None
    }
    assert {name: str(value) for name, value in values.items()} == {
        name: str(value) for name, value in expected.items()
    }


def test_only_its_owner_may_read_the_file(file: Path) -> None:
    old = os.umask(0)
    try:
        sprout("init", "--config", file)
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_stays_unless_it_is_forced(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("parallel = 3\n")
    found = sprout("init", "--zone", "DE", "--config", file)
    assert found.code == 73
    assert "--force" in found.stderr
    assert file.read_text() == "parallel = 3\n"
    assert sprout("init", "--zone", "DE", "--config", file, "--force").code == 0
    assert load({}, file).settings.zone == "DE"
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_name_it_is_written_where_it_is_looked_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sprout("init", "--zone", "FR").code == 0
    assert load({}).settings.zone == "FR"
    assert load({}).sources["zone"] == str(file_path())
    monkeypatch.setenv("SPROUT_CONFIG", str(file))
    assert sprout("init", "--zone", "GB").code == 0
    assert load({}).settings.zone == "GB"


def test_a_model_that_is_not_there_is_refused_and_nothing_written(file: Path) -> None:
    found = sprout("init", "--model", "none.gguf", "--config", file)
    assert found.code == 66
    assert not file.exists()


def test_a_zone_without_a_yearly_average_is_warned_of_without_a_terminal_too(file: Path) -> None:
    found = sprout("init", "--zone", "XX", "--config", file)
    assert found.code == 0
    assert found.stderr.count("\n") == 1
    assert "warning: no yearly average is known for XX" in found.stderr
    assert sprout("init", "--zone", "DE", "--config", file, "--force").stderr == ""


def test_a_provider_that_is_none_is_refused(file: Path) -> None:
    assert sprout("init", "--provider", "my aunt", "--config", file).code == 2
    assert not file.exists()


def answer(file: Path, answers: str, *words: str) -> tuple[int, str]:
    """Run it on a terminal, with answers typed ahead; return its exit status and what it said."""
    main_end, other_end = pty.openpty()
    os.write(main_end, answers.encode())
    with subprocess.Popen(
        command_line("init", "--config", file, *words),
        stdin=other_end,
        stdout=subprocess.PIPE,
        stderr=other_end,
        env=os.environ | {"TERM": "dumb"},
    ) as process:
        try:
            process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    os.close(other_end)
    said = os.read(main_end, 1 << 16).decode()
    os.close(main_end)
    return process.returncode, said


@pytest.mark.slow
def test_on_a_terminal_at_most_three_questions_are_asked(file: Path) -> None:
    code, said = answer(file, "DE\n\n\n")
    assert code == 0
    assert 2 <= said.count("(empty: ") <= 3
    assert tomllib.loads(file.read_text()) == {"zone": "DE"}


@pytest.mark.slow
def test_what_a_flag_says_is_not_asked(file: Path) -> None:
    code, said = answer(file, "\n\n", "--zone", "FR")
    assert code == 0
    assert "Grid zone" not in said
    assert load({}, file).settings.zone == "FR"


@pytest.mark.slow
def test_a_question_that_is_broken_off_writes_nothing(file: Path) -> None:
    code, _ = answer(file, "\x04")  # the end of input, as Ctrl-D types it
    assert code == 130
    assert not file.exists()


@pytest.mark.parametrize("value", ["plain", 'quo"te', "back\\slash", "tab\tnew\nline", "µ€"])
def test_any_text_is_read_back_as_it_was(value: str) -> None:
    assert tomllib.loads(f"x = {literal(value)}") == {"x": value}
    table = {value: (value, 1), "y": {"z": True}}
    assert tomllib.loads(f"x = {literal(table)}") == {"x": {value: [value, 1], "y": {"z": True}}}


def test_what_toml_cannot_say_is_an_error() -> None:
    with pytest.raises(TypeError, match="no value of TOML"):
        literal(object())
