"""The model's own chat template, rendered so that no text of a user can write control tokens.

A template puts text and control tokens into one string. Each content is first replaced by a
sentinel; what the template itself wrote is then everything between the sentinels, and only there
are control tokens looked for. Contents stay plain text, whatever they spell.

Some models keep the markers of roles as user-defined tokens, which llama.cpp finds in any text.
Those that the template writes are control tokens here; where a content spells one it is cut in two.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2

from sprout.chat import Chat, Message, Role
from sprout.directives import TemplateTraits
from sprout.engine.confined import MAX_COMPILING_STEPS, Sandbox, confined
from sprout.errors import EngineError, InputError

Fragment = tuple[str, bool]
"""A piece of the prompt, and whether it is a control token that the template wrote."""

_PROBED: tuple[Role, ...] = ("user", "assistant", "user")
_MARKER = re.compile(r"[<\[{|].+[>\]}|]")  # what a user-defined token of a role looks like
_SHOWN_CHARS = 300
_SPARE_CHARS = 1 << 20  # that a template may write beside four times the contents


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """What a template writes around contents that it leaves as they are.

    Args:
        literals: its own text before, between and after the contents.
        order: which message's content stands in each place; one may be moved, left out or doubled.
    """

    literals: tuple[str, ...]
    order: tuple[int, ...]


class ChatTemplate:
    """Renders chats as the model was trained to read them.

    Args:
        source: the Jinja template from the GGUF.
        bos, eos: the texts of the model's first and last token, which templates may print.
        control_tokens: the texts of all control tokens.
        defined_tokens: the texts of tokens that llama.cpp finds in plain text too.
        now: the date that templates with `strftime_now` print.
    """

    def __init__(
        self,
        source: str,
        *,
        bos: str,
        eos: str,
        control_tokens: Sequence[str],
        defined_tokens: Sequence[str] = (),
        now: datetime,
    ) -> None:
        environment = Sandbox()
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = now.strftime
        try:
            with confined(len(source), MAX_COMPILING_STEPS):
                self._template = environment.from_string(source)
        except Exception as error:  # foreign code, folded while it is compiled
            raise EngineError(f"the model's chat template does not parse: {_why(error)}") from error
        self._names = {"bos_token": bos, "eos_token": eos}
        self._skeleton: Callable[[tuple[Role, ...]], _Skeleton | None]
        self._skeleton = lru_cache(maxsize=64)(self._find_skeleton)
        markers = self._find_markers(defined_tokens)
        self._marker = _any_of(markers)
        self._control = _any_of([*control_tokens, *markers])

    def traits(self) -> TemplateTraits:
        """Return what the template does with system prompts, found by rendering probes."""
        probe = (Message("user", _sentinel(1)),)
        bare = self._render(probe)
        try:
            full = self._render((Message("system", _sentinel(0)), *probe))
        except InputError:
            return TemplateTraits(default_system=None, has_system_role=False)
        if _sentinel(0) not in full:
            return TemplateTraits(default_system=None, has_system_role=False)
        before, _, after = full.partition(_sentinel(0))
        is_injected = len(bare) > len(before) + len(after) and bare.startswith(before)
        if not (is_injected and bare.endswith(after)):
            return TemplateTraits(default_system=None, has_system_role=True)
        injected = bare[len(before) : len(bare) - len(after)]
        return TemplateTraits(default_system=injected.strip() or None, has_system_role=True)

    def fragments(self, chat: Chat) -> list[Fragment]:
        """Return the prompt as plain text and control tokens, in order.

        Raises:
            InputError: the template refuses this chat, or rewrites a content that spells a
                control token before or after, so that the two cannot be told apart.
        """
        rendered = self._render(chat)
        if not rendered:
            raise InputError("the model's chat template makes an empty prompt of this chat")
        skeleton = self._skeleton(tuple(message.role for message in chat))
        if skeleton is not None:
            for contents in _variants(chat):
                placed = [contents[i] for i in skeleton.order]
                if _join(skeleton.literals, placed) == rendered:
                    return self._split(skeleton.literals, placed)
        if self._may_be_forged(chat, rendered, skeleton):
            raise InputError(
                "a message spells a control token of this model, and its chat template rewrites "
                "message contents: remove the control token from the prompt"
            )
        return self._split([rendered], [])

    def _may_be_forged(self, chat: Chat, rendered: str, skeleton: _Skeleton | None) -> bool:
        """Return whether a control token of a rewritten chat may come from a content."""
        if any(self._control.search(message.content) for message in chat):
            return True
        if skeleton is None:
            return False
        own = Counter(token for text in skeleton.literals for token in self._control.findall(text))
        return bool(Counter(self._control.findall(rendered)) - own)

    def _split(self, literals: Sequence[str], contents: Sequence[str]) -> list[Fragment]:
        fragments: list[Fragment] = []
        text = ""
        for literal, content in zip(literals, [*contents, ""], strict=True):
            position = 0
            for match in self._control.finditer(literal):
                text += literal[position : match.start()]
                fragments += [*self._plain(text), (match.group(), True)]
                text, position = "", match.end()
            text += literal[position:] + content
        return [*fragments, *self._plain(text)]

    def _plain(self, text: str) -> Iterator[Fragment]:
        """Yield a text in pieces none of which spells a marker."""
        start = 0
        for match in self._marker.finditer(text):
            cut = match.start() + 1
            yield text[start:cut], False
            start = cut
        if start < len(text):
            yield text[start:], False

    def _find_markers(self, defined_tokens: Sequence[str]) -> list[str]:
        """Return which of these tokens the template itself writes around contents."""
        candidates = _any_of(list(filter(_MARKER.fullmatch, defined_tokens)))
        skeleton = self._skeleton(_PROBED) or self._skeleton(_PROBED[:1])
        literals = () if skeleton is None else skeleton.literals
        return sorted({found for text in literals for found in candidates.findall(text)})

    def _find_skeleton(self, roles: tuple[Role, ...]) -> _Skeleton | None:
        chat = tuple(Message(role, _sentinel(i)) for i, role in enumerate(roles))
        try:
            rendered = self._render(chat)
        except InputError:
            return None
        places = {_sentinel(i): i for i in range(len(roles))}  # a template may spell others
        found = list(_any_of(places).finditer(rendered))
        ends = [0, *(match.end() for match in found)]
        starts = [*(match.start() for match in found), len(rendered)]
        literals = tuple(rendered[end:start] for end, start in zip(ends, starts, strict=True))
        return _Skeleton(literals, tuple(places[match.group()] for match in found))

    def _render(self, chat: Chat) -> str:
        messages: list[dict[str, Any]] = [{"role": m.role, "content": m.content} for m in chat]
        num_chars = sum(len(message.content) for message in chat)
        try:
            with confined(num_chars):
                rendered = self._template.render(
                    messages=messages, add_generation_prompt=True, **self._names
                )
        except Exception as error:  # foreign code may raise anything
            reason = _why(error)
            raise InputError(f"the model's chat template refuses this chat: {reason}") from error
        if len(rendered) > 4 * num_chars + _SPARE_CHARS:
            raise InputError(f"the model's chat template makes {len(rendered)} characters of this")
        return rendered


def _variants(chat: Chat) -> list[list[str]]:
    """Return the contents as they are, and trimmed as many templates do."""
    contents = [message.content for message in chat]
    return [contents, [content.strip() for content in contents]]


def _join(literals: Sequence[str], contents: Sequence[str]) -> str:
    return "".join(text for pair in zip(literals, [*contents, ""], strict=True) for text in pair)


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what finds the longest of these texts at each place; an empty one is none."""
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _why(error: Exception) -> str:
    """Return in a few words what a template died of."""
    if isinstance(error, MemoryError):
        return "it takes too much memory"
    return str(error)[:_SHOWN_CHARS] or type(error).__name__


def _sentinel(index: int) -> str:
    return f"\ue000{index}\ue001"  # private-use characters: no template writes them


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
