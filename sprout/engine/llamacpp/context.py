"""A llama.cpp context: the KV cache, and running the model over a batch.

Used: llama_batch_init / llama_decode, and llama_memory_seq_rm / seq_cp on a unified KV cache.
"""

import numpy as np
import numpy.typing as npt

from sprout.engine.llamacpp import log
from sprout.engine.llamacpp.library import lib
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.llamacpp.sampler import Sampler
from sprout.engine.scheduler import Batch
from sprout.engine.sequence import Prefix, Sequence
from sprout.errors import EngineError

_NO_CELLS = 1  # what llama_decode returns when the KV cache has no room for the batch


class DecodeError(EngineError):
    """llama.cpp refuses a batch; its rows may hold a part of it."""


class NotANumberError(EngineError):
    """The model's logits are no numbers, as damaged weights and overflows make them."""

    def __init__(self) -> None:
        super().__init__(
            "the model computes no numbers for this prompt (its logits are NaN or infinite): its "
            "file is damaged, or its weights overflow their type"
        )


class LlamaContext:
    """A context with one KV cache shared by all rows.

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
        self._num_tokens = model.vocabulary.num_tokens
        params = lib.llama_context_default_params()
        params.n_ctx = num_cells
        params.n_batch = params.n_ubatch = num_batch_tokens
        params.n_seq_max = params.n_outputs_max = num_rows
        params.n_threads = params.n_threads_batch = num_threads
        params.kv_unified = True
        params.swa_full = True  # a sliding window would lose what a shared prefix needs
        params.no_perf = True
        log.forget_troubles()
        self._context = lib.llama_init_from_model(model.handle, params)
        if self._context is None:
            raise EngineError(
                f"llama.cpp cannot make a context of {num_cells} tokens: {log.reason()}; "
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
        log.forget_troubles()
        status = lib.llama_decode(self._context, self._batch)
        if status != 0:
            full = "the KV cache is full; try a smaller --parallel, or a larger --ctx"
            reason = full if status == _NO_CELLS else log.reason()
            raise DecodeError(f"llama_decode returned {status}: {reason}")

    def forget(self, row: Sequence | Prefix, first_position: int = 0) -> None:
        """Drop what the cache holds of a row from a position on."""
        lib.llama_memory_seq_rm(self._memory, row.slot, first_position, -1)

    def logits(self, row: object) -> npt.NDArray[np.float32]:
        """Return a row's latest logits, one per token of the vocabulary; valid until decode."""
        pointer = lib.llama_get_logits_ith(self._context, self._rows_with_logits[row])
        return np.ctypeslib.as_array(pointer, shape=(self._num_tokens,))

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
