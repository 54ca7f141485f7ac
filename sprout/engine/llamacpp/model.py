"""A GGUF file that llama.cpp has loaded: its weights, its shape and its chat template."""

import ctypes
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sprout.engine import gguf
from sprout.engine.llamacpp import lastwords, log
from sprout.engine.llamacpp.build import has_amx_kernels, has_gpu
from sprout.engine.llamacpp.library import lib
from sprout.engine.llamacpp.vocabulary import Vocabulary
from sprout.errors import EngineError

_F16_BYTES = 2
_NO_DEVICES = ctypes.c_void_p()
"""An empty list, ended by NULL: without one llama.cpp computes batches of 32 tokens and more on a
GPU that it sees, also when no layer is there, and nobody meters it."""
_UNBATCHED = {lib.LLAMA_FTYPE_MOSTLY_Q4_1: "Q4_1", lib.LLAMA_FTYPE_MOSTLY_Q5_1: "Q5_1"}
"""Types of weights for which llama.cpp has no kernel that takes many rows at once on a CPU."""


class LlamaModel:
    """A model and its vocabulary; without weights it only tells what it is.

    Raises:
        NoInputError, PermissionDeniedError, InputError: there is no GGUF file to be read.
        EngineError: llama.cpp cannot load it.
    """

    def __init__(self, path: Path, num_gpu_layers: int, *, has_weights: bool = True) -> None:
        gguf.check(path)
        if num_gpu_layers and not has_gpu():
            raise EngineError(
                f"--gpu-layers {num_gpu_layers}: llama.cpp sees no GPU: check the driver and "
                "CUDA_VISIBLE_DEVICES, or reinstall llama-cpp-python with "
                'CMAKE_ARGS="-DGGML_CUDA=on"'
            )
        log.keep_troubles()
        lastwords.arrange(lib._lib, f"{path}")  # noqa: SLF001 - llama_cpp keeps it there
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = num_gpu_layers
        if num_gpu_layers == 0:
            params.devices = ctypes.addressof(_NO_DEVICES)
        params.use_extra_bufts = not has_amx_kernels()
        params.vocab_only = not has_weights
        log.forget_troubles()
        self.handle = lib.llama_model_load_from_file(bytes(path), params)
        if self.handle is None:
            raise EngineError(f"llama.cpp cannot load {path}: {log.reason()}")
        self.vocabulary = Vocabulary(lib.llama_model_get_vocab(self.handle))
        self.num_trained_context = int(lib.llama_model_n_ctx_train(self.handle))

    @property
    def template(self) -> str:
        """The Jinja source of the chat template in the GGUF."""
        source = lib.llama_model_chat_template(self.handle, None)
        if source is None:
            raise EngineError("this GGUF has no chat template: use an instruct (chat) model")
        try:
            return str(source.decode())
        except UnicodeDecodeError as error:
            raise EngineError(
                "the chat template of this GGUF is not UTF-8: it is damaged"
            ) from error

    @property
    def cell_bytes(self) -> int:
        """What one token takes in the KV cache: keys and values of every layer, as F16."""
        num_heads = max(1, int(lib.llama_model_n_head(self.handle)))
        usual = int(lib.llama_model_n_embd(self.handle)) // num_heads
        kind = self._fact("general.architecture")
        lengths = (self._number(f"{kind}.attention.{of}_length") for of in ("key", "value"))
        head_bytes = sum(usual if length is None else length for length in lengths) * _F16_BYTES
        num_layers = int(lib.llama_model_n_layer(self.handle))
        return num_layers * int(lib.llama_model_n_head_kv(self.handle)) * head_bytes

    @property
    def unbatched_type(self) -> str | None:
        """The type of most of its weights if a CPU decodes batches of it row by row."""
        return _UNBATCHED.get(self._number("general.file_type") or 0)

    def close(self) -> None:
        """Free the weights."""
        if self.handle is not None:
            lib.llama_model_free(self.handle)
            self.handle = None

    def _number(self, key: str) -> int | None:
        text = self._fact(key)
        return int(text) if text.isdecimal() else None

    def _fact(self, key: str) -> str:
        """Return what the file says under a key; empty where it says nothing."""
        buffer = ctypes.create_string_buffer(64)
        lib.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a model reads chats: 16 hex digits of its vocabulary, and its chat template."""

    vocabulary: str
    num_tokens: int
    template: str


def dialect(path: Path) -> Dialect:
    """Return how the model in a GGUF file reads chats, without loading its weights.

    Raises:
        InputError: it is not a GGUF file.
        EngineError: it cannot be read, or has no chat template.
    """
    with closing(LlamaModel(path, 0, has_weights=False)) as model:
        words = model.vocabulary
        return Dialect(words.fingerprint, words.num_tokens, model.template)


def unbatched_type(path: Path) -> str | None:
    """Return the type of a model's weights if a CPU decodes batches of it row by row.

    Raises:
        InputError: it is not a GGUF file.
        EngineError: it cannot be read.
    """
    with closing(LlamaModel(path, 0, has_weights=False)) as model:
        return model.unbatched_type
