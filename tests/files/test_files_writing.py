import os
from pathlib import Path

import pytest

from sprout.errors import DiskError
from sprout.files.writing import replace_file, write_whole


def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # neither a file nor a folder, as /dev/null is
    os.mkfifo(pipe)
    with pytest.raises(DiskError, match="no regular file"):
        write_whole(pipe, "text", mode=0o600)
    assert pipe.is_fifo()
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


def test_a_replaced_file_keeps_its_link(tmp_path: Path) -> None:
    """As root, a report into /dev/stdout would else put a file in the place of that link."""
    target, link = tmp_path / "report.html", tmp_path / "folder" / "link"
    link.parent.mkdir()
    link.symlink_to(target)
    for text in ("old", "new"):
        replace_file(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [each.name for each in link.parent.iterdir()] == ["link"]


def test_a_file_is_written_whole_and_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "folder" / "link"
    write_whole(target, "old", mode=0o600)
    assert target.stat().st_mode & 0o777 == 0o600
    target.chmod(0o640)
    link.parent.mkdir()
    link.symlink_to(target)
    write_whole(link, "new", mode=0o600)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800", mode=0o600)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
