"""Continuous batching: which tokens of which requests go into the next batch. Pure.

    waiting ──admit──> running: wait for prefix ─> prefill (in chunks) ─> decode ──finish──> gone

Admission reserves every KV cell that a request may come to need (prompt + max_tokens, less what
it shares), so a running request can never find the cache full. Prompts join running generations
in the same batch. A prefix that several waiting requests share is decoded once in a row of its
own and copied into theirs; idle prefixes stay until their row or their cells are wanted.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sprout.engine.prefixes import longest_match, worthwhile_length
from sprout.engine.sequence import Prefix, Sequence, Tokens


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler may use.

    Args:
        num_sequences: requests that run at the same time.
        num_cells: KV cells, shared by all of them.
        num_batch_tokens: tokens in one batch.
        num_prefixes: shared prefixes kept; 0 turns sharing off.
        num_lookahead: waiting requests that are compared with the one being admitted.
    """

    num_sequences: int
    num_cells: int
    num_batch_tokens: int
    num_prefixes: int
    num_lookahead: int = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive tokens of one row, to be decoded in this batch.

    `wants_logits`: whether the last of them ends the known tokens, so that a token is sampled.
    """

    row: Sequence | Prefix
    tokens: Tokens
    first_position: int
    wants_logits: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """The first `num_tokens` of one row's cache, to be shared with another row."""

    from_slot: int
    to_slot: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One step, in this order: rows to drop, rows to copy, chunks to decode."""

    dropped_slots: tuple[int, ...]
    copies: tuple[Copy, ...]
    chunks: tuple[Chunk, ...]


class Scheduler:
    """Holds the waiting and the running; knows neither clock nor model."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.prefixes: list[Prefix] = []
        self._free_slots = list(range(limits.num_sequences + limits.num_prefixes))[::-1]
        self._dropped: list[int] = []
        self._copies: list[Copy] = []
        self._num_steps = 0

    @property
    def num_reserved_cells(self) -> int:
        """KV cells promised to running requests and kept prefixes."""
        shared = sum(len(prefix.tokens) for prefix in self.prefixes)
        return shared + sum(_own_cells(seq, seq.prefix) for seq in self.running)

    def submit(self, sequence: Sequence) -> None:
        """Queue a request; one that reserves more than all cells would wait for ever."""
        self.waiting.append(sequence)

    def schedule(self) -> Batch:
        """Admit what fits and return the next batch; it has no chunks when nothing runs."""
        self._num_steps += 1
        while self.waiting and len(self.running) < self.limits.num_sequences:
            if not self._admit(self.waiting[0]):
                break
            self.running.append(self.waiting.popleft())
        for sequence in self.running:
            if sequence.prefix is not None and sequence.prefix.is_ready and not sequence.num_cached:
                self._copy(sequence.prefix, sequence)
        chunks = tuple(self._chunks())
        if not chunks:
            return Batch((), (), ())  # it will not be run: rows are dropped with a later one
        dropped, self._dropped = tuple(self._dropped), []
        copies, self._copies = tuple(self._copies), []
        return Batch(dropped, copies, chunks)

    def advance(self, chunk: Chunk) -> None:
        """Record that a chunk was decoded."""
        chunk.row.num_cached += len(chunk.tokens)
        if isinstance(chunk.row, Prefix) and chunk.row.is_ready:
            chunk.row.waiting.clear()

    def finish(self, sequence: Sequence) -> None:
        """Free the row and the cells of a running request, answered or abandoned."""
        self.running.remove(sequence)
        prefix = sequence.prefix
        if prefix is not None:
            prefix.num_users -= 1
            if not prefix.is_ready:
                prefix.waiting.remove(sequence.id)
                if not prefix.waiting:
                    self._drop(prefix)
        if sequence.slot is not None:
            self._free(sequence.slot)

    def give_up(self, prefix: Prefix) -> None:
        """Drop a prefix that cannot be decoded; who waits for it queues again, to go without."""
        for sequence in [s for s in self.running if s.prefix is prefix][::-1]:
            self.finish(sequence)
            sequence.slot = sequence.prefix = None
            sequence.shares_prefix = False
            self.waiting.appendleft(sequence)

    def _admit(self, sequence: Sequence) -> bool:
        prefix = self._choose_prefix(sequence)
        if not self._make_room(_own_cells(sequence, prefix), keep=prefix):
            # A shared prefix must never keep out a request that would fit without it.
            prefix = None
            if self.running or not self._make_room(sequence.num_reserved, keep=None):
                return False
        sequence.slot = self._free_slots.pop()
        sequence.prefix = prefix
        if prefix is not None:
            prefix.num_users += 1
            prefix.last_used = self._num_steps
            if not prefix.is_ready:
                prefix.waiting.append(sequence.id)
        return True

    def _choose_prefix(self, sequence: Sequence) -> Prefix | None:
        if self.limits.num_prefixes == 0 or not sequence.shares_prefix:
            return None
        cached = longest_match(sequence.tokens, self.prefixes)
        others = (other.tokens for other in islice(self.waiting, 1, self.limits.num_lookahead))
        length = worthwhile_length(sequence.tokens, others, len(cached.tokens) if cached else 0)
        if length is None or (cached is not None and not cached.is_ready):
            return cached
        return self._new_prefix(sequence, length, cached) or cached

    def _new_prefix(self, sequence: Sequence, length: int, base: Prefix | None) -> Prefix | None:
        if len(self.prefixes) == self.limits.num_prefixes and not self._evict(keep=base):
            return None
        if not self._make_room(sequence.num_reserved, keep=base):
            return None
        prefix = Prefix(tokens=sequence.tokens[:length], slot=self._free_slots.pop())
        self.prefixes.append(prefix)
        if base is not None:
            self._copy(base, prefix)
        return prefix

    def _copy(self, prefix: Prefix, row: Sequence | Prefix) -> None:
        if row.slot is not None:
            row.num_cached = len(prefix.tokens)
            self._copies.append(Copy(prefix.slot, row.slot, row.num_cached))

    def _make_room(self, num_cells: int, keep: Prefix | None) -> bool:
        while self.num_reserved_cells + num_cells > self.limits.num_cells:
            if not self._evict(keep):
                return False
        return True

    def _evict(self, keep: Prefix | None) -> bool:
        # Rows are dropped before others are copied, so one about to be copied has to stay.
        copied = {copy.from_slot for copy in self._copies}
        idle = [
            p for p in self.prefixes if p.num_users == 0 and p is not keep and p.slot not in copied
        ]
        if not idle:
            return False
        self._drop(min(idle, key=lambda p: p.last_used))
        return True

    def _drop(self, prefix: Prefix) -> None:
        self.prefixes.remove(prefix)
        self._free(prefix.slot)

    def _free(self, slot: int) -> None:
        self._free_slots.append(slot)
        self._dropped.append(slot)

    def _chunks(self) -> Iterator[Chunk]:
        room = self.limits.num_batch_tokens
        # decode: one token each, so that no running generation stalls
        for seq in self.running:
            if seq.is_decoding and room:
                room -= 1
                last = seq.tokens[:1].copy()
                last[0] = seq.new_tokens[-1]
                yield Chunk(seq, last, seq.num_cached, wants_logits=True)
        # prefill: shared prefixes first, requests wait for them
        rows: list[Prefix | Sequence] = [p for p in self.prefixes if not p.is_ready]
        rows += [s for s in self.running if not s.is_decoding and not s.waits_for_prefix]
        for row in rows:
            tokens = row.tokens[row.num_cached : row.num_cached + room]
            if len(tokens):
                room -= len(tokens)
                ends = row.num_cached + len(tokens) == len(row.tokens)
                wants_logits = ends and isinstance(row, Sequence)
                yield Chunk(row, tokens, row.num_cached, wants_logits)


def _own_cells(sequence: Sequence, prefix: Prefix | None) -> int:
    return sequence.num_reserved - (len(prefix.tokens) if prefix is not None else 0)
