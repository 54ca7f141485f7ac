"""llama.cpp through the C functions of llama-cpp-python: the only file that knows them.

Written against llama-cpp-python 0.3.36 (llama.h of 2026-11). Used: model and vocabulary look-ups,
llama_batch_init / llama_decode, llama_memory_seq_rm / seq_cp on a unified KV cache, and
llama_sampler_* chains. Not promised: that other batch sizes give bit-equal logits.
"""

import ctypes
import hashlib
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sprout import machine
from sprout.chat import Sampling
from sprout.engine import lastwords
from sprout.engine.gguf import fingerprint
from sprout.engine.scheduler import Batch
from sprout.engine.sequence import Prefix, Sequence, Tokens
from sprout.engine.template import Fragment
from sprout.errors import EngineError, InputError

try:
    import llama_cpp.llama_cpp
except (AttributeError, ImportError, OSError, RuntimeError) as error:
    # not installed; a library that it needs is not here; its own is of another version
    raise EngineError(
        f"llama.cpp cannot be loaded: {' '.join(str(error).split())}: install what is missing, or "
        "build llama-cpp-python on this machine"
    ) from error

lib = llama_cpp.llama_cpp
"""The C functions, for this package."""

_F16_BYTES = 2
_NO_CELLS = 1  # what llama_decode returns when the KV cache has no room for the batch
_UNBATCHED = {lib.LLAMA_FTYPE_MOSTLY_Q4_1: "Q4_1", lib.LLAMA_FTYPE_MOSTLY_Q5_1: "Q5_1"}
"""Types of weights for which llama.cpp has no kernel that takes many rows at once on a CPU."""

_log_lines: list[str] = []


class DecodeError(EngineError):
    """llama.cpp refuses a batch; its rows may hold a part of it."""


class NotANumberError(EngineError):
    """The model's logits are no numbers, as damaged weights and overflows make them."""

    def __init__(self) -> None:
        super().__init__(
            "the model computes no numbers for this prompt (its logits are NaN or infinite): its "
            "file is damaged, or its weights overflow their type"
        )


def build_info() -> tuple[str, bool]:
    """Return the version of llama-cpp-python and whether its build can use a GPU."""
    return llama_cpp.__version__, bool(lib.llama_supports_gpu_offload())


def has_amx_kernels() -> bool:
    """Return whether this build carries AMX kernels, which are then left unused.

    GCC's _tile_loadconfig tells the compiler of 8 of the 64 bytes it reads, so builds by GCC load a
    half-written tile configuration and die of a general protection fault (llama.cpp #20824).
    """
    return b"AMX_INT8 = 1" in (lib.llama_print_system_info() or b"")


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
    model = LlamaModel(path, 0, has_weights=False)
    try:
        return Dialect(model.vocabulary, model.num_tokens, model.template)
    finally:
        model.close()


def unbatched_type(path: Path) -> str | None:
    """Return the type of a model's weights if a CPU decodes batches of it row by row.

    Raises:
        InputError: it is not a GGUF file.
        EngineError: it cannot be read.
    """
    model = LlamaModel(path, 0, has_weights=False)
    try:
        return _UNBATCHED.get(model.weights_type or 0)
    finally:
        model.close()


class LlamaModel:
    """A loaded GGUF file and its vocabulary; without weights it only reads."""

    def __init__(self, path: Path, num_gpu_layers: int, *, has_weights: bool = True) -> None:
        self.fingerprint = fingerprint(path)
        self.uses_gpu = num_gpu_layers != 0
        if has_weights:
            _check_memory(path, num_gpu_layers)
        if num_gpu_layers and not lib.llama_supports_gpu_offload():
            raise EngineError(
                f"--gpu-layers {num_gpu_layers}: this build of llama-cpp-python has no GPU "
                'support; reinstall it with CMAKE_ARGS="-DGGML_CUDA=on"'
            )
        lib.llama_log_set(_log, ctypes.c_void_p(0))
        lastwords.arrange(lib._lib, f"{path}")  # noqa: SLF001 - llama_cpp keeps it there
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = num_gpu_layers
        params.use_extra_bufts = not has_amx_kernels()
        params.vocab_only = not has_weights
        _log_lines.clear()
        self.handle = lib.llama_model_load_from_file(bytes(path), params)
        if self.handle is None:
            raise EngineError(f"llama.cpp cannot load {path}: {_last_log()}")
        self.vocab = lib.llama_model_get_vocab(self.handle)
        self.num_trained_context = int(lib.llama_model_n_ctx_train(self.handle))
        self.num_tokens = int(lib.llama_vocab_n_tokens(self.vocab))
        self._control, self._defined = self._find_tokens(
            lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN,
            lib.LLAMA_TOKEN_ATTR_USER_DEFINED,
        )
        self._special = self._defined | self._control
        self._pieces: dict[int, bytes] = {}

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
    def weights_type(self) -> int | None:
        """What most weights are, one of LLAMA_FTYPE_MOSTLY_*; None where the file does not say."""
        buffer = ctypes.create_string_buffer(16)
        key = b"general.file_type"
        length = lib.llama_model_meta_val_str(self.handle, key, buffer, len(buffer))
        return int(buffer.value) if length > 0 and buffer.value.isdigit() else None

    @property
    def cell_bytes(self) -> int:
        """What one token takes in the KV cache: keys and values of every layer, as F16."""
        num_heads = max(1, int(lib.llama_model_n_head(self.handle)))
        head = int(lib.llama_model_n_embd(self.handle)) // num_heads
        num_layers, num_kv = (
            int(count(self.handle))
            for count in (lib.llama_model_n_layer, lib.llama_model_n_head_kv)
        )
        return num_layers * num_kv * head * 2 * _F16_BYTES

    @property
    def vocabulary(self) -> str:
        """16 hex digits of every token in its order, and of which ones are control tokens."""
        digest = hashlib.sha256(repr(sorted(self._control.items())).encode())
        for token in range(self.num_tokens):
            digest.update((lib.llama_vocab_get_text(self.vocab, token) or b"") + b"\0")
        return digest.hexdigest()[:16]

    @property
    def control_tokens(self) -> list[str]:
        """The texts of all control tokens."""
        return list(self._control)

    @property
    def defined_tokens(self) -> list[str]:
        """The texts of tokens that are found in plain text too."""
        return list(self._defined)

    @property
    def bos(self) -> str:
        """The text of the token that begins a sequence; empty when there is none."""
        return self._text(lib.llama_vocab_bos(self.vocab))

    @property
    def eos(self) -> str:
        """The text of the token that ends a sequence; empty when there is none."""
        return self._text(lib.llama_vocab_eos(self.vocab))

    def tokenize(self, fragments: Items[Fragment]) -> Tokens:
        """Return the tokens of a prompt; only fragments marked as control become such tokens."""
        tokens: list[int] = []
        for text, is_control in fragments:
            tokens += [self._special[text]] if is_control else self._tokenize_text(text)
        bos = int(lib.llama_vocab_bos(self.vocab))
        if lib.llama_vocab_get_add_bos(self.vocab) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return np.array(tokens, dtype=np.int32)

    def single_tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens that are this text alone, with and without a space before it."""
        spelled = (self._tokenize_text(form) for form in (text, f" {text}"))
        return tuple(dict.fromkeys(tokens[0] for tokens in spelled if len(tokens) == 1))

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; control tokens have none."""
        found = self._pieces.get(token)
        if found is None:
            buffer = ctypes.create_string_buffer(512)
            length = lib.llama_token_to_piece(self.vocab, token, buffer, 512, 0, False)
            found = self._pieces[token] = buffer.raw[: max(0, length)]
        return found

    def ends_generation(self, token: int) -> bool:
        """Return whether the model says that its answer ends here."""
        return bool(lib.llama_vocab_is_eog(self.vocab, token))

    def close(self) -> None:
        """Free the weights."""
        if self.handle is not None:
            lib.llama_model_free(self.handle)
            self.handle = None

    def _tokenize_text(self, text: str) -> list[int]:
        data = text.encode()
        size = len(data) + 8  # never more tokens than bytes, but for a leading space
        buffer = (lib.llama_token * size)()
        length = lib.llama_tokenize(self.vocab, data, len(data), buffer, size, False, False)
        if length < 0:
            raise InputError(f"a text of {len(data)} bytes cannot be tokenised by this model")
        return list(buffer[:length])

    def _find_tokens(self, *kinds: int) -> list[dict[str, int]]:
        """Return the tokens of each kind by their texts."""
        found: list[dict[str, int]] = [{} for _ in kinds]
        for token in range(self.num_tokens):
            attributes = lib.llama_vocab_get_attr(self.vocab, token)
            for kind, of_kind in zip(kinds, found, strict=True):
                if attributes & kind and (text := self._text(token)):
                    of_kind[text] = token
        return found

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        return (lib.llama_vocab_get_text(self.vocab, token) or b"").decode(errors="replace")


@dataclass(slots=True)
class Sampler:
    """Picks the next token of one request: greedy in numpy, otherwise a llama.cpp chain."""

    chain: Any  # llama_sampler_p, or None for greedy

    def close(self) -> None:
        """Free the chain."""
        if self.chain is not None:
            lib.llama_sampler_free(self.chain)
            self.chain = None


class LlamaContext:
    """A llama.cpp context with one KV cache shared by all rows.

    Args:
        num_cells: size of the KV cache in tokens.
        num_rows: rows that may exist at the same time.
        num_batch_tokens: tokens in one call of decode.
        num_threads: for prompts and for generation alike.
    """

    def __init__(
        self,
        model: LlamaModel,
        *,
        num_cells: int,
        num_rows: int,
        num_batch_tokens: int,
        num_threads: int,
    ) -> None:
        self._vocab_size = int(lib.llama_vocab_n_tokens(model.vocab))
        if not model.uses_gpu:
            _check_cache(model.cell_bytes * num_cells, num_cells)
        params = lib.llama_context_default_params()
        params.n_ctx = num_cells
        params.n_batch = params.n_ubatch = num_batch_tokens
        params.n_seq_max = params.n_outputs_max = num_rows
        params.n_threads = params.n_threads_batch = num_threads
        params.kv_unified = True
        params.swa_full = True  # a sliding window would lose what a shared prefix needs
        params.no_perf = True
        _log_lines.clear()
        self._context = lib.llama_init_from_model(model.handle, params)
        if self._context is None:
            raise EngineError(
                f"llama.cpp cannot make a context of {num_cells} tokens: {_last_log()}; "
                "try a smaller --ctx or --parallel"
            )
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(num_batch_tokens, 0, 1)
        self._rows_with_logits: dict[object, int] = {}

    def decode(self, batch: Batch) -> None:
        """Drop and copy rows, then run the model over the batch's tokens."""
        for slot in batch.dropped_slots:
            lib.llama_memory_seq_rm(self._memory, slot, -1, -1)
        for copy in batch.copies:
            lib.llama_memory_seq_cp(self._memory, copy.from_slot, copy.to_slot, 0, copy.num_tokens)
        self._fill(batch)
        _log_lines.clear()
        status = lib.llama_decode(self._context, self._batch)
        if status != 0:
            full = "the KV cache is full; try a smaller --parallel, or a larger --ctx"
            reason = full if status == _NO_CELLS else _last_log()
            raise DecodeError(f"llama_decode returned {status}: {reason}")

    def forget(self, row: Sequence | Prefix, first_position: int = 0) -> None:
        """Drop what the cache holds of a row from a position on."""
        lib.llama_memory_seq_rm(self._memory, row.slot, first_position, -1)

    def logits(self, row: object) -> npt.NDArray[np.float32]:
        """Return a row's latest logits, one per token of the vocabulary; valid until decode."""
        pointer = lib.llama_get_logits_ith(self._context, self._rows_with_logits[row])
        return np.ctypeslib.as_array(pointer, shape=(self._vocab_size,))

    def sample(self, row: object, sampler: Sampler) -> int:
        """Return the next token of a row that this batch completed.

        Raises:
            NotANumberError: there is no largest logit; a sampler would choose anything.
        """
        logits = self.logits(row)
        likeliest = int(logits.argmax())  # NaN is the largest of all to it
        if not np.isfinite(logits[likeliest]):
            raise NotANumberError
        if sampler.chain is None:
            return likeliest
        index = self._rows_with_logits[row]
        return int(lib.llama_sampler_sample(sampler.chain, self._context, index))

    def close(self) -> None:
        """Free the cache and the batch."""
        if self._context is not None:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self._context)
            self._context = None

    def _fill(self, batch: Batch) -> None:
        arrays = self._batch
        self._rows_with_logits = {}
        n = 0
        for chunk in batch.chunks:
            slot = chunk.row.slot
            for offset, token in enumerate(chunk.tokens.tolist()):
                arrays.token[n] = token
                arrays.pos[n] = chunk.first_position + offset
                arrays.n_seq_id[n] = 1
                arrays.seq_id[n][0] = slot
                arrays.logits[n] = 0
                n += 1
            if chunk.wants_logits and not isinstance(chunk.row, Prefix):
                arrays.logits[n - 1] = 1
                self._rows_with_logits[chunk.row] = n - 1
        arrays.n_tokens = n


def open_sampler(sampling: Sampling, seed: int) -> Sampler:
    """Return the sampler of one request; temperature 0 is greedy."""
    if sampling.temperature == 0:
        return Sampler(None)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(sampling.top_k))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(sampling.top_p, 1))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(sampling.min_p, 1))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(sampling.temperature))
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
    return Sampler(chain)


def _check_memory(path: Path, num_gpu_layers: int) -> None:
    size, total = path.stat().st_size, machine.memory().total
    if num_gpu_layers == 0 and size > total:
        raise EngineError(
            f"the model {path} needs {size / 1e9:.1f} GB, and this machine or container has "
            f"{total / 1e9:.1f} GB of memory: use a smaller quantisation, or a GPU with "
            "--gpu-layers"
        )


def check_room(paths: Items[Path]) -> None:
    """Refuse models that memory has no room for together; they are used by turns, so all stay.

    Raises:
        EngineError: their files are larger than what is free.
    """
    size, free = sum(path.stat().st_size for path in paths), machine.memory().free
    if size > free:
        raise EngineError(
            f"the model and its variants need {size / 1e9:.1f} GB and {free / 1e9:.1f} GB of "
            "memory are free: name fewer variants"
        )


def _check_cache(size: int, num_cells: int) -> None:
    """Refuse a cache that Linux would promise and then kill the process for."""
    free = machine.memory().free
    if size > free:
        raise EngineError(
            f"a KV cache of {num_cells} tokens needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
            "of memory are free: use a smaller --ctx"
        )


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, _data: object) -> None:
    if level in {3, 4}:  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR
        _log_lines.append(text.decode(errors="replace").strip())


def _last_log() -> str:
    return "; ".join(_log_lines[-3:]) or "no reason given"
