"""A GGUF file that llama.cpp loads in milliseconds: one layer, byte tokens, random weights.

Enough to send a hostile header, vocabulary or chat template through the real loading path.
"""

import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any

U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
WIDTH, FEED_FORWARD, ALIGNMENT = 32, 32, 32
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
SPECIAL: tuple[tuple[str, int], ...] = (
    ("<|im_start|>", CONTROL),
    ("<|im_end|>", CONTROL),
    ("<|user|>", USER_DEFINED),
)


def tiny_gguf(
    *,
    template: str | None = CHATML,
    special: Sequence[tuple[str, int]] = SPECIAL,
    changes: Mapping[str, tuple[int, Any]] | None = None,
    weights: Mapping[str, float] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> bytes:
    """Return the bytes of a model.

    Args:
        special: tokens behind the byte tokens, with their kinds; the second ends an answer.
        changes: metadata, by key: (type, value), over what stands here.
        weights: tensors whose every number is this one.
        shapes: of tensors, over what stands here.
    """
    tokens = [*_byte_tokens(), "Hi", *(text for text, _ in special)]
    kinds = [NORMAL] * 257 + [kind for _, kind in special]
    facts: dict[str, tuple[int, Any]] = {
        "general.architecture": (STRING, "llama"),
        "llama.context_length": (U32, 256),
        "llama.embedding_length": (U32, WIDTH),
        "llama.block_count": (U32, 1),
        "llama.feed_forward_length": (U32, FEED_FORWARD),
        "llama.attention.head_count": (U32, 2),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
        "tokenizer.ggml.model": (STRING, "gpt2"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
        "tokenizer.ggml.token_type": (ARRAY, (I32, kinds)),
        "tokenizer.ggml.merges": (ARRAY, (STRING, ["H i"])),
        "tokenizer.ggml.bos_token_id": (U32, 257),
        "tokenizer.ggml.eos_token_id": (U32, 258),
    }
    if template is not None:
        facts["tokenizer.chat_template"] = (STRING, template)
    facts |= changes or {}
    shapes, fixed = {**_shapes(len(tokens)), **(shapes or {})}, weights or {}
    rng = random.Random(1)  # noqa: S311 - to be repeatable
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(facts))
    for key, (kind, value) in facts.items():
        head += _text(key) + struct.pack("<I", kind) + _value(kind, value)
    data = b""
    for name, shape in shapes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        size = 1
        for side in shape:
            size *= side
        numbers = [rng.gauss(0, 0.1) for _ in range(size)]
        data += struct.pack(f"<{size}f", *([fixed[name]] * size if name in fixed else numbers))
        data += bytes(-len(data) % ALIGNMENT)
    return head + bytes(-len(head) % ALIGNMENT) + data


def _shapes(num_tokens: int) -> dict[str, tuple[int, ...]]:
    square, vector = (WIDTH, WIDTH), (WIDTH,)
    return {
        "token_embd.weight": (WIDTH, num_tokens),
        "output_norm.weight": vector,
        "blk.0.attn_norm.weight": vector,
        "blk.0.attn_q.weight": square,
        "blk.0.attn_k.weight": square,
        "blk.0.attn_v.weight": square,
        "blk.0.attn_output.weight": square,
        "blk.0.ffn_norm.weight": vector,
        "blk.0.ffn_gate.weight": (WIDTH, FEED_FORWARD),
        "blk.0.ffn_up.weight": (WIDTH, FEED_FORWARD),
        "blk.0.ffn_down.weight": (FEED_FORWARD, WIDTH),
    }


def _byte_tokens() -> list[str]:
    """Return GPT-2's printable stand-ins of all bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain}
    names |= {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [names[byte] for byte in range(256)]


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind: int, value: Any) -> bytes:
    match kind:
        case 8:
            return _text(value)
        case 9:
            of, items = value
            return struct.pack("<IQ", of, len(items)) + b"".join(_value(of, i) for i in items)
        case 6:
            return struct.pack("<f", value)
        case 5:
            return struct.pack("<i", value)
        case _:
            return struct.pack("<I", value)
