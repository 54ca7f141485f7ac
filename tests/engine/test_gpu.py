"""On an NVIDIA GPU with a CUDA build: the same engine, metered by NVML."""

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path

import llama_cpp.llama_cpp as lib
import pytest

from sprout.chat import Message, Sampling
from sprout.engine.base import Completion, Request
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.open import EngineOptions, open_engine
from sprout.meter.nvml import open_nvml

pytestmark = [pytest.mark.gpu, pytest.mark.model]

NUM_DEVICES = "_Z21llama_model_n_devicesPK11llama_model"  # llama_model_n_devices, in C++


def test_the_gpu_answers_and_its_counter_moves(model_path: Path) -> None:
    options = EngineOptions(parallel=8, threads=2, ctx=4096, gpu_layers=-1, shares_prefixes=True)
    engine = open_engine(model_path, options, datetime.now(UTC))
    meter = open_nvml((), None)
    before_j = meter.read_j()
    started_s = time.perf_counter()
    for number in range(8):
        chat = (Message("user", f"Tell a story about the number {number}."),)
        engine.submit(Request(str(number), chat, Sampling(max_tokens=64), "L0"))
    done: list[Completion] = []
    while engine.is_busy:
        done.extend(engine.step().completions)
    # counters tick every 10 to 100 ms
    while meter.read_j() == before_j and time.perf_counter() - started_s < 5:
        pass
    engine.close()
    assert sorted(completion.id for completion in done) == [str(number) for number in range(8)]
    assert all(completion.num_new_tokens > 0 for completion in done)
    assert meter.read_j() > before_j


@pytest.mark.skipif(not hasattr(lib._lib, NUM_DEVICES), reason="no function of llama.h tells")
@pytest.mark.parametrize(("num_gpu_layers", "uses_gpu"), [(0, False), (-1, True)])
def test_llama_cpp_has_a_gpu_only_where_layers_are_on_it(
    model_path: Path, num_gpu_layers: int, *, uses_gpu: bool
) -> None:
    model = LlamaModel(model_path, num_gpu_layers)
    num_devices = getattr(lib._lib, NUM_DEVICES)(ctypes.c_void_p(model.handle))
    model.close()
    assert (num_devices > 0) == uses_gpu
