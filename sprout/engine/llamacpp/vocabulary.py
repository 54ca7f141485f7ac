"""The vocabulary of a loaded model: from text to tokens and back.

Only what the chat template wrote becomes control tokens; a text that spells one stays text.
"""

import ctypes
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sprout.engine.llamacpp.library import lib
from sprout.engine.sequence import Tokens
from sprout.engine.template import Fragment
from sprout.errors import InputError

_USUAL_PIECE_BYTES = 64


class Vocabulary:
    """The tokens of a model.

    Args:
        handle: llama_vocab_p, valid as long as its model.

    Attributes:
        control: control tokens by their texts.
        defined: tokens that llama.cpp finds in plain text too, by their texts.
    """

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - llama_cpp has no types
        self._handle = handle
        self.num_tokens = int(lib.llama_vocab_n_tokens(handle))
        self.control, self.defined = self._find(
            lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN,
            lib.LLAMA_TOKEN_ATTR_USER_DEFINED,
        )
        self._special = self.defined | self.control
        self._pieces: dict[int, bytes] = {}

    @property
    def fingerprint(self) -> str:
        """16 hex digits of every token in its order, and of which ones are control tokens."""
        digest = hashlib.sha256(repr(sorted(self.control.items())).encode())
        for token in range(self.num_tokens):
            digest.update((lib.llama_vocab_get_text(self._handle, token) or b"") + b"\0")
        return digest.hexdigest()[:16]

    @property
    def bos(self) -> str:
        """The text of the token that begins a sequence; empty when there is none."""
        return self._text(lib.llama_vocab_bos(self._handle))

    @property
    def eos(self) -> str:
        """The text of the token that ends a sequence; empty when there is none."""
        return self._text(lib.llama_vocab_eos(self._handle))

    def tokenize(self, fragments: Sequence[Fragment]) -> Tokens:
        """Return the tokens of a prompt; only fragments marked as control become such tokens."""
        tokens: list[int] = []
        for text, is_control in fragments:
            tokens += [self._special[text]] if is_control else self._tokenize_text(text)
        bos = int(lib.llama_vocab_bos(self._handle))
        if lib.llama_vocab_get_add_bos(self._handle) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return np.array(tokens, dtype=np.int32)

    def single_tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens that are this text alone, with and without a space before it."""
        spelled = (self._tokenize_text(form) for form in (text, f" {text}"))
        return tuple(dict.fromkeys(tokens[0] for tokens in spelled if len(tokens) == 1))

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; control tokens have none."""
        if token not in self._pieces:
            self._pieces[token] = self._read_piece(token)
        return self._pieces[token]

    def ends_generation(self, token: int) -> bool:
        """Return whether the model says that its answer ends here."""
        return bool(lib.llama_vocab_is_eog(self._handle, token))

    def _tokenize_text(self, text: str) -> list[int]:
        data = text.encode()
        size = len(data) + 8  # never more tokens than bytes, but for a leading space
        buffer = (lib.llama_token * size)()
        adds_bos = finds_control = False
        length = lib.llama_tokenize(
            self._handle, data, len(data), buffer, size, adds_bos, finds_control
        )
        if length < 0:
            raise InputError(f"a text of {len(data)} bytes cannot be tokenised by this model")
        return list(buffer[:length])

    def _read_piece(self, token: int) -> bytes:
        size, shows_control = _USUAL_PIECE_BYTES, False
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lib.llama_token_to_piece(self._handle, token, buffer, size, 0, shows_control)
            if length >= 0:
                return buffer.raw[:length]
            size = -length  # what it needs

    def _find(self, *kinds: int) -> list[dict[str, int]]:
        """Return the tokens of each kind by their texts."""
        found: list[dict[str, int]] = [{} for _ in kinds]
        for token in range(self.num_tokens):
            attributes = lib.llama_vocab_get_attr(self._handle, token)
            for kind, of_kind in zip(kinds, found, strict=True):
                if attributes & kind and (text := self._text(token)):
                    of_kind[text] = token
        return found

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        return (lib.llama_vocab_get_text(self._handle, token) or b"").decode(errors="replace")
