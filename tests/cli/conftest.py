from pathlib import Path

import pytest
from cli.program import write_prompts


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command in a folder of its own, so that files can be named as people name them."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where SPROUT_STATE points."""
    return tmp_path / "sprout.db"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Ten good prompts."""
    return write_prompts(tmp_path / "prompts.jsonl", 10)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where answers go."""
    return tmp_path / "out.jsonl"
