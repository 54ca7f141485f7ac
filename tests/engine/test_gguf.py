from pathlib import Path

import pytest

from sprout.engine.gguf import check, fingerprint, num_bytes, parts
from sprout.errors import InputError, NoInputError


def test_the_fingerprint_is_stable_and_changes_with_any_byte_of_a_small_file(
    tmp_path: Path,
) -> None:
    data = b"GGUF" + bytes(range(256)) * 8
    path = tmp_path / "m.gguf"
    found = set()
    for changed in (data, data[:-1] + b"x", data[:4] + b"x" + data[5:], data + b"\0"):
        path.write_bytes(changed)
        assert fingerprint(path) == fingerprint(path)
        assert len(fingerprint(path)) == 16
        found.add(fingerprint(path))
    assert len(found) == 4


def test_a_model_in_several_files_is_identified_and_sized_by_all_of_them(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"m-{n:05}-of-00003.gguf" for n in (1, 2, 3))
    for path in (first, second, third):
        path.write_bytes(b"GGUF" + bytes(100))
    assert parts(first) == (first, second, third)
    assert parts(second) == (second,)  # llama.cpp takes the first only
    assert num_bytes(first) == 3 * 104
    before = fingerprint(first)
    third.write_bytes(b"GGUF" + bytes(99) + b"x")
    assert fingerprint(first) != before
    third.unlink()
    with pytest.raises(NoInputError, match=r"no model file at .*m-00003-of-00003\.gguf"):
        check(first)


def test_a_file_that_is_no_gguf_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"PK\3\4")
    with pytest.raises(InputError, match="not a GGUF file: convert"):
        check(path)


def test_a_missing_model_is_a_no_input_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(NoInputError, match="no model file at"):
            check(path)
