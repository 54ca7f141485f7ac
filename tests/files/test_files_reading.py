import gzip
from pathlib import Path

import pytest

from sprout.errors import InputError, NoInputError
from sprout.files.reading import read_lines, read_text

TEXT = "a,b\r\n1,é\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_text_is_read_whole_without_its_mark_and_with_its_line_ends(
    tmp_path: Path, mark: bytes
) -> None:
    data = mark + TEXT.encode()
    for name, written in (("a.csv", data), ("a.csv.gz", gzip.compress(data))):
        path = tmp_path / name
        path.write_bytes(written)
        assert read_text(path) == TEXT
        assert list(read_lines(path)) == ["a,b\r\n", "1,é\n"]


def test_what_is_no_text_and_what_is_no_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a\.csv: not UTF-8: invalid start byte"):
        read_text(tmp_path / "a.csv")
    with pytest.raises(NoInputError, match="cannot be read: No such file"):
        read_text(tmp_path / "b.csv")
    with pytest.raises(NoInputError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
