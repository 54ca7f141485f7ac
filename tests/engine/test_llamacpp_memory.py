"""Models and caches that memory has no room for are refused before anything is taken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from local.tiny_gguf import U32, WIDTH, tiny_gguf

from sprout import machine
from sprout.engine.llamacpp import memory
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.open import EngineOptions, open_chooser, open_engine
from sprout.errors import EngineError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = EngineOptions(parallel=2, threads=1, ctx=256, gpu_layers=0, shares_prefixes=False)
CELL_BYTES = 1 * 2 * 16 * 2 * 2  # layers, heads, size of a head, keys and values, F16


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_gguf())
    return path


def hole(path: Path) -> Path:
    """Make a file of 4 TiB that takes no disk."""
    with path.open("wb") as file:
        file.write(b"GGUF")
        file.truncate(1 << 42)
    return path


def test_a_model_larger_than_the_free_memory_is_not_loaded(tmp_path: Path) -> None:
    huge = hole(tmp_path / "huge.gguf")
    with pytest.raises(EngineError) as raised:
        open_engine(huge, OPTIONS, NOW)
    assert str(raised.value).startswith(f"the model {huge} needs 4398.0 GB and ")
    assert "of memory are free: use a smaller quantisation" in str(raised.value)


def test_all_files_of_a_model_count(tiny: Path, tmp_path: Path) -> None:
    first = tiny.rename(tmp_path / "m-00001-of-00002.gguf")
    hole(tmp_path / "m-00002-of-00002.gguf")
    with pytest.raises(EngineError, match=r"m-00001-of-00002\.gguf needs 4398\.0 GB"):
        open_engine(first, OPTIONS, NOW)


def test_variants_stay_in_memory_together(tiny: Path, tmp_path: Path) -> None:
    assert memory.room_beside([tiny, tiny]) > 0
    with pytest.raises(EngineError, match=r"the model and its variants need 4398\.\d GB and"):
        memory.room_beside([tiny, hole(tmp_path / "huge.gguf")])


@pytest.mark.parametrize("open_it", [open_engine, open_chooser])
def test_a_cache_larger_than_the_free_memory_is_not_tried(
    tiny: Path, open_it: Callable[[Path, EngineOptions, datetime], object]
) -> None:
    with pytest.raises(EngineError, match=r"a KV cache of 2000000000 tokens needs 256\.0 GB, and"):
        open_it(tiny, replace(OPTIONS, ctx=2_000_000_000), NOW)


def test_every_variant_has_a_cache_of_its_own(tiny: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(tiny.read_bytes())
    # two thirds of what is free: once it fits, twice it does not
    ctx = machine.memory().free * 2 // 3 // CELL_BYTES
    options = replace(OPTIONS, ctx=ctx, variants={"q4": other})
    with pytest.raises(EngineError, match=rf"2 KV caches of {ctx} tokens need .*or fewer variants"):
        open_engine(tiny, options, NOW)


def test_heads_may_be_of_another_size_than_their_part_of_the_embedding(tmp_path: Path) -> None:
    # as in Qwen3: 64 numbers where the part is 16
    path = tmp_path / "wide.gguf"
    sizes = {"llama.attention.key_length": (U32, 64), "llama.attention.value_length": (U32, 64)}
    shapes = {
        "blk.0.attn_q.weight": (WIDTH, 2 * 64),
        "blk.0.attn_k.weight": (WIDTH, 2 * 64),
        "blk.0.attn_v.weight": (WIDTH, 2 * 64),
        "blk.0.attn_output.weight": (2 * 64, WIDTH),
    }
    path.write_bytes(tiny_gguf(changes=sizes, shapes=shapes))
    model = LlamaModel(path, 0)
    assert model.cell_bytes == 1 * 2 * 64 * 2 * 2
    model.close()
