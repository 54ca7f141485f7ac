"""A report of runs of many kinds, for every module that shows one."""

from pathlib import Path

import pytest
from report.report_stores import read, write_mixed

from sprout.report.facts import Report
from sprout.state.store import Store


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def mixed(store_path: Path) -> Report:
    with Store.open(store_path) as store:
        write_mixed(store, 8)
        return read(store)
