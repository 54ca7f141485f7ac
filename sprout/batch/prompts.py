r"""Prompt files: JSON lines in; out one `Prompt` or `Rejected` a line, and None for a blank one.

A line is a JSON object in one of three forms, which may be mixed in a file:

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [...]}}
    {"id": "a", "messages": [{"role": "user", "content": "..."}], "temperature": 0.7}
    {"id": "a", "prompt": "...", "system": "..."}

The first is the input format of OpenAI's Batch API. Every form may add, at the top, `id` or
`custom_id`, `task` (a label), `directive` (pins a level), `deadline` (a time with its offset, until
which the line may wait for greener hours) and `reference` (an expected answer, kept for
`sprout evaluate`, which compares). An option that is null is an option left out.

Nothing that could change an answer is ignored: a key whose effect cannot be served, and every key
not listed here, rejects its line. Accepted without effect are `user`, `metadata`, `store` and the
keys of `promptline.Options` that ask for what is done anyway, such as `n: 1` or `stream: false`.

Only a valid line takes its id, so a corrected copy may follow a rejected line in the same file.
"""

import codecs
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any, BinaryIO

from sprout.batch import jsonline, promptline
from sprout.batch.jsonline import LineError, shown
from sprout.batch.promptline import BatchLine, Body, Form, MessageForm, Options, PromptLine
from sprout.chat import Chat, Message, Sampling

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is rejected unparsed, and only its beginning is kept in memory.

At four bytes a token these are four million tokens, more than a context holds; batch APIs bound
whole files alone, to 200 MB and more.
"""

_DROPPED_BYTES = 1 << 16  # at once, of what follows of a line that is too long
_TOO_LONG = (
    f"the line has more than {MAX_LINE_BYTES:,} bytes; end each request with a newline, or split it"
)
_SAMPLING_NAMES = tuple(field.name for field in fields(Sampling))
_sampling_values = attrgetter(*_SAMPLING_NAMES)
_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request of a prompt file.

    Args:
        id: as given, or "line-000042" from the line's number.
        line_no: from 1, blank lines counted.
        chat: at most one system message, which is first; the last message is a user's.
        task: the label of the kind of work.
        model: as the line names it, to be echoed; it chooses nothing.
        directive: the level that the line pins.
        sampling: the line's own values over the defaults.
        content_hash: 32 hex digits of everything that decides the answer, and of the task.
        reference: what is right, in any JSON form; None when the line does not say.
        deadline: until when it may wait for greener hours; None lets the run decide.
    """

    id: str
    line_no: int
    chat: Chat
    task: str | None
    model: str | None
    directive: str | None
    sampling: Sampling
    content_hash: str
    reference: object = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """One line that cannot be served.

    Args:
        id: as given; None where there is none or the line cannot be read.
        line_no: from 1, blank lines counted.
        code: one of not_utf8, too_long, invalid_json, invalid_text, invalid_request, unsupported,
            unknown_directive, duplicate_id.
        reason: one sentence for people: what is wrong, with the key and the value.
    """

    id: str | None
    line_no: int
    code: str
    reason: str


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long only so much as shows that it is."""
    num_kept = MAX_LINE_BYTES + 1
    while line := file.readline(num_kept):
        is_over = len(line) < num_kept or line.endswith(b"\n")
        yield line
        while not is_over:
            rest = file.readline(_DROPPED_BYTES)
            is_over = not rest or rest.endswith(b"\n")


def read(
    lines: Iterable[bytes],
    *,
    defaults: Sampling,
    levels: Collection[str],
    is_new_id: Callable[[str], bool],
) -> Iterator[Prompt | Rejected | None]:
    r"""Yield what each line asks for, in order, holding one line at a time; None if it is blank.

    Args:
        lines: split on b"\n" alone, as by `bounded_lines`, ends kept or not.
        defaults: of the sampling values that a line leaves out.
        levels: the names that `directive` may pin.
        is_new_id: takes the id of a valid line; False when an earlier one has taken it.
    """
    for line_no, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_BYTES:
            yield Rejected(None, line_no, "too_long", _TOO_LONG)
            continue
        text = line.removeprefix(codecs.BOM_UTF8) if line_no == 1 else line
        if not text.strip():
            yield None
            continue
        row = _read_line(text, line_no, defaults, levels)
        if isinstance(row, Prompt) and not is_new_id(row.id):
            reason = f"the id {shown(row.id)} belongs to an earlier line; give each line its own"
            row = Rejected(row.id, line_no, "duplicate_id", reason)
        yield row


def _read_line(
    text: bytes, line_no: int, defaults: Sampling, levels: Collection[str]
) -> Prompt | Rejected:
    given_id = None
    try:
        data = jsonline.decode(text)
        given_id = promptline.given_id(data)
        return _prompt(promptline.parse(data), line_no, defaults, levels)
    except LineError as error:
        return Rejected(given_id, line_no, error.code, error.reason)
    except RecursionError:
        reason = "the JSON is nested too deeply; write a flat object"
        return Rejected(given_id, line_no, "invalid_json", reason)


def _prompt(line: Form, line_no: int, defaults: Sampling, levels: Collection[str]) -> Prompt:
    if line.id is not None and line.custom_id is not None:
        raise LineError("invalid_request", "both `id` and `custom_id` are given; keep one")
    if line.directive is not None and line.directive not in levels:
        known = f"the levels are {', '.join(levels)}"
        raise LineError("unknown_directive", f"directive: no {shown(line.directive)}; {known}")
    options = line.body if isinstance(line, BatchLine) else line
    chat = _chat(options)
    sampling = _sampling(options, defaults)
    return Prompt(
        id=line.custom_id or line.id or f"line-{line_no:06d}",
        line_no=line_no,
        chat=chat,
        task=line.task,
        model=options.model,
        directive=line.directive,
        sampling=sampling,
        content_hash=_content_hash(chat, sampling, line.directive, line.task),
        reference=line.reference,
        deadline=line.deadline,
    )


def _chat(request: Body | PromptLine) -> Chat:
    """Return the turns, with the system messages at the start merged into one."""
    if isinstance(request, PromptLine):
        systems = [] if request.system is None else [request.system]
        turns = [Message("user", request.prompt)]
    else:
        systems, turns = _turns(request.messages)
    if not turns or turns[-1].role != "user":
        raise LineError("invalid_request", "the last message is not a user's: nothing to answer")
    if not turns[-1].content.strip():
        raise LineError("invalid_request", "the last user message is empty; write the request")
    if not systems:
        return tuple(turns)
    return (Message("system", "\n\n".join(systems)), *turns)


def _turns(messages: list[MessageForm]) -> tuple[list[str], list[Message]]:
    systems: list[str] = []
    turns: list[Message] = []
    for index, message in enumerate(messages):
        if message.role in ("user", "assistant"):
            turns.append(Message(message.role, message.content))
        elif turns:
            where = f"messages[{index}] is a {message.role} message after a turn"
            raise LineError("unsupported", f"{where}; chat templates want it first")
        else:
            systems.append(message.content)
    return systems, turns


def _sampling(options: Options, defaults: Sampling) -> Sampling:
    asked, alias = options.max_tokens, options.max_completion_tokens
    if asked is not None and alias is not None and asked != alias:
        both = f"max_tokens is {asked} and max_completion_tokens is {alias}"
        raise LineError("invalid_request", f"{both}; give one")
    values = zip(_SAMPLING_NAMES, _sampling_values(options), strict=True)
    given: dict[str, Any] = {name: value for name, value in values if value is not None}
    if alias is not None:
        given["max_tokens"] = alias
    return replace(defaults, **given) if given else defaults


def _content_hash(chat: Chat, sampling: Sampling, directive: str | None, task: str | None) -> str:
    turns = [(message.role, message.content) for message in chat]
    text = _CANONICAL.encode([turns, _sampling_values(sampling), directive, task])
    return sha256(text.encode()).hexdigest()[:32]
