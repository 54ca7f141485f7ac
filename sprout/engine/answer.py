"""The text of one answer as its tokens arrive: UTF-8 across tokens, and stop strings."""

import codecs


class Answer:
    """Collects the bytes of an answer and notices the first stop string.

    Args:
        stop: strings before the first of which the answer ends.
    """

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(text.encode() for text in stop)
        self._bytes = bytearray()

    def append(self, piece: bytes) -> bool:
        """Add one token's bytes; return whether a stop string is now complete."""
        searched = len(self._bytes)
        self._bytes += piece
        found = [self._bytes.find(text, max(0, searched - len(text) + 1)) for text in self._stop]
        ends = [position for position in found if position >= 0]
        if ends:
            del self._bytes[min(ends) :]
        return bool(ends)

    @property
    def text(self) -> str:
        """The answer so far; a character cut off by the token limit is left out."""
        return codecs.getincrementaldecoder("utf-8")(errors="replace").decode(bytes(self._bytes))
