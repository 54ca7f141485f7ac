r"""Prompt files: JSON lines in, one `Prompt` or one `Rejected` out for each line that is not blank.

A line is a JSON object in one of three forms, which may be mixed in a file:

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [...]}}
    {"id": "a", "messages": [{"role": "user", "content": "..."}], "temperature": 0.7}
    {"id": "a", "prompt": "...", "system": "..."}

The first is the input format of OpenAI's Batch API. Every form may add, at the top, `id` or
`custom_id`, `task` (a label), `directive` (pins a level) and `reference` (an expected answer, not
read here). An option that is null is an option left out.

Nothing that could change an answer is ignored: a key whose effect cannot be served, and every key
not listed here, rejects its line. Accepted without effect are `user`, `metadata`, `store` and the
keys of `_Options` that ask for what is done anyway, such as `n: 1` or `stream: false`.

Only a valid line takes its id, so a corrected copy may follow a rejected line in the same file.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sprout.chat import Chat, Message, Sampling

MAX_LINE_BYTES = 16 * 2**20
"""A longer line is rejected unparsed; it is the caller who has already read it into memory."""

_INT32_MAX = 2**31 - 1  # llama.cpp counts tokens in int32
_SEED_MAX = 2**32 - 2  # 2**32 - 1 asks llama.cpp for a random seed, which no rerun repeats
_ID_CHARS = 512
_SHOWN_CHARS = 60  # of a foreign value inside a reason
_SAMPLING_NAMES = tuple(field.name for field in fields(Sampling))
_sampling_values = attrgetter(*_SAMPLING_NAMES)
_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")
_UNSUPPORTED = (
    "unsupported",
    "part",
    "extra_forbidden",
    "literal_error",
)  # pydantic's names of faults
_TEXT_PART = '{"type": "text", "text": "..."}'
_WANTED = "a line is an object with one of `body`, `messages` and `prompt`"


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
    """

    id: str
    line_no: int
    chat: Chat
    task: str | None
    model: str | None
    directive: str | None
    sampling: Sampling
    content_hash: str


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


def read(
    lines: Iterable[bytes],
    *,
    defaults: Sampling,
    levels: Collection[str],
    is_new_id: Callable[[str], bool],
) -> Iterator[Prompt | Rejected]:
    r"""Yield what each line that is not blank asks for, in order, holding one line at a time.

    Args:
        lines: split on b"\n" alone, as a file opened in binary mode does, ends kept or not.
        defaults: of the sampling values that a line leaves out.
        levels: the names that `directive` may pin.
        is_new_id: takes the id of a valid line; False when an earlier one has taken it.
    """
    for line_no, line in enumerate(lines, start=1):
        text = line.removeprefix(codecs.BOM_UTF8) if line_no == 1 else line
        if not text.strip():
            continue
        row = _read_line(text, line_no, defaults, levels)
        if isinstance(row, Prompt) and not is_new_id(row.id):
            reason = f"the id {_shown(row.id)} belongs to an earlier line; give each line its own"
            row = Rejected(row.id, line_no, "duplicate_id", reason)
        yield row


class _LineError(Exception):
    """Why a line is rejected, in the words of `Rejected`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _only(*served: str) -> AfterValidator:
    """Return a validator of a key that may only ask for what is done anyway, given as JSON."""

    def check(value: object) -> object:
        if value is None or json.dumps(value) in served:
            return value
        raise PydanticCustomError("unsupported", "only {only} can be served", {"only": served[0]})

    return AfterValidator(check)


def _id_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


def _joined_parts(content: object) -> object:
    """Return the text of a list of text parts; anything else is passed on to be checked."""
    if not isinstance(content, list):
        return content
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or part.keys() != {"type", "text"} or not isinstance(part["text"], str):
            got = {"kind": _shown(kind)}
            raise PydanticCustomError("part", "a part of type {kind} cannot be served", got)
    return "".join(part["text"] for part in content)


_Id = Annotated[str, Field(min_length=1, max_length=_ID_CHARS), BeforeValidator(_id_text)]
_Text = Annotated[str, BeforeValidator(_joined_parts)]
_Count = Annotated[int, Field(gt=0, le=_INT32_MAX)]
_Fraction = Annotated[float, Field(ge=0, le=1)]
_Stops = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(max_length=16),
    BeforeValidator(_as_tuple),
]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant"]
    content: _Text


class _Options(_Strict):
    model: str | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=_INT32_MAX)] | None = None
    min_p: _Fraction | None = None
    seed: Annotated[int, Field(ge=0, le=_SEED_MAX)] | None = None
    stop: _Stops | None = None
    # Without effect on an answer.
    user: str | None = None
    metadata: dict[str, object] | None = None
    store: bool | None = None
    # What is done anyway.
    n: Annotated[object, _only("1")] = None
    stream: Annotated[object, _only("false")] = None
    tools: Annotated[object, _only("[]")] = None
    response_format: Annotated[object, _only('{"type": "text"}')] = None
    logprobs: Annotated[object, _only("false")] = None
    frequency_penalty: Annotated[object, _only("0", "0.0")] = None
    presence_penalty: Annotated[object, _only("0", "0.0")] = None
    logit_bias: Annotated[object, _only("{}")] = None


class _Body(_Options):
    messages: list[_Message]


class _Line(_Strict):
    id: _Id | None = None
    custom_id: _Id | None = None
    task: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    directive: str | None = None
    reference: object = None


class _BatchLine(_Line):
    method: Annotated[object, _only('"POST"')] = None
    url: Annotated[object, _only('"/v1/chat/completions"')] = None
    body: _Body


class _MessagesLine(_Line, _Body):
    pass


class _PromptLine(_Line, _Options):
    prompt: str
    system: str | None = None


_FORMS: dict[str, type[_BatchLine | _MessagesLine | _PromptLine]] = {
    "body": _BatchLine,
    "messages": _MessagesLine,
    "prompt": _PromptLine,
}


def _read_line(
    text: bytes, line_no: int, defaults: Sampling, levels: Collection[str]
) -> Prompt | Rejected:
    given_id = None
    try:
        data = _decode(text)
        given_id = _id_as_given(data)
        return _prompt(data, line_no, defaults, levels)
    except _LineError as error:
        code, reason = error.code, error.reason
    except ValidationError as error:
        code, reason = _explain(error)
    except RecursionError:
        code, reason = "invalid_json", "the JSON is nested too deeply; write a flat object"
    return Rejected(given_id, line_no, code, reason)


def _decode(text: bytes) -> dict[str, Any]:
    """Return the object that a line holds; every string in it can be stored and sent."""
    if len(text) > MAX_LINE_BYTES:
        raise _LineError("too_long", f"the line has {len(text)} bytes; at most {MAX_LINE_BYTES}")
    if b"\0" in text or text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _LineError(
            "not_utf8", "this looks like UTF-16; convert the file: iconv -f UTF-16 -t UTF-8"
        )
    try:
        data = _JSON.decode(text.decode())
    except UnicodeDecodeError as error:
        byte = f"byte 0x{text[error.start]:02x} at offset {error.start}"
        raise _LineError("not_utf8", f"{byte} is not UTF-8; convert the file to UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{error.msg} at column {error.colno}"
        raise _LineError("invalid_json", f"{where}; write one JSON object a line") from error
    except ValueError as error:
        raise _LineError("invalid_json", f"{error}; write one JSON object a line") from error
    if not isinstance(data, dict):
        raise _LineError("invalid_json", f"{_shown(data)} is not an object; {_WANTED}")
    # Only an escape can bring in what UTF-8 and JSON forbid, so most lines are spared the walk.
    if b"\\u" in text and any(_UNSENDABLE.search(string) for string in _strings(data)):
        raise _LineError(
            "invalid_text", "a string holds \\u0000 or half of a surrogate pair; remove it"
        )
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {_shown(twice)} appears twice")
    return data


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def _id_as_given(data: dict[str, Any]) -> str | None:
    """Return the id for the record of a rejection, whatever else is wrong with the line."""
    for key in ("custom_id", "id"):
        value = _id_text(data.get(key))
        if isinstance(value, str) and value:
            return value[:_ID_CHARS]
    return None


def _prompt(
    data: dict[str, Any], line_no: int, defaults: Sampling, levels: Collection[str]
) -> Prompt:
    forms = [key for key in _FORMS if key in data]
    if len(forms) != 1:
        raise _LineError("invalid_request", f"found {' and '.join(forms) or 'none'}; {_WANTED}")
    line = _FORMS[forms[0]].model_validate(data)
    if line.id is not None and line.custom_id is not None:
        raise _LineError("invalid_request", "both `id` and `custom_id` are given; keep one")
    if line.directive is not None and line.directive not in levels:
        known = f"the levels are {', '.join(levels)}"
        raise _LineError("unknown_directive", f"directive: no {_shown(line.directive)}; {known}")
    options = line.body if isinstance(line, _BatchLine) else line
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
    )


def _chat(request: _Body | _PromptLine) -> Chat:
    """Return the turns, with the system messages at the start merged into one."""
    if isinstance(request, _PromptLine):
        systems = [] if request.system is None else [request.system]
        turns = [Message("user", request.prompt)]
    else:
        systems, turns = _turns(request.messages)
    if not turns or turns[-1].role != "user":
        raise _LineError("invalid_request", "the last message is not a user's: nothing to answer")
    if not turns[-1].content.strip():
        raise _LineError("invalid_request", "the last user message is empty; write the request")
    if not systems:
        return tuple(turns)
    return (Message("system", "\n\n".join(systems)), *turns)


def _turns(messages: list[_Message]) -> tuple[list[str], list[Message]]:
    systems: list[str] = []
    turns: list[Message] = []
    for index, message in enumerate(messages):
        if message.role in ("user", "assistant"):
            turns.append(Message(message.role, message.content))
        elif turns:
            where = f"messages[{index}] is a {message.role} message after a turn"
            raise _LineError("unsupported", f"{where}; chat templates want it first")
        else:
            systems.append(message.content)
    return systems, turns


def _sampling(options: _Options, defaults: Sampling) -> Sampling:
    asked, alias = options.max_tokens, options.max_completion_tokens
    if asked is not None and alias is not None and asked != alias:
        both = f"max_tokens is {asked} and max_completion_tokens is {alias}"
        raise _LineError("invalid_request", f"{both}; give one")
    values = zip(_SAMPLING_NAMES, _sampling_values(options), strict=True)
    given: dict[str, Any] = {name: value for name, value in values if value is not None}
    if alias is not None:
        given["max_tokens"] = alias
    return replace(defaults, **given) if given else defaults


def _content_hash(chat: Chat, sampling: Sampling, directive: str | None, task: str | None) -> str:
    turns = [(message.role, message.content) for message in chat]
    text = _CANONICAL.encode([turns, _sampling_values(sampling), directive, task])
    return sha256(text.encode()).hexdigest()[:32]


def _explain(error: ValidationError) -> tuple[str, str]:
    """Return the code and the reason of the first fault, or of the first that is unsupported."""
    faults = error.errors(include_url=False)
    fault = min(faults, key=lambda fault: fault["type"] not in _UNSUPPORTED)
    code = "unsupported" if fault["type"] in _UNSUPPORTED else "invalid_request"
    return code, f"{_path(fault)}: {_complaint(fault)}"


def _path(fault: ErrorDetails) -> str:
    path = ""
    for part in fault["loc"]:
        name = part if isinstance(part, int) or part.isidentifier() else repr(part)
        path += f"[{name}]" if isinstance(name, int) else f".{name[:_SHOWN_CHARS]}"
    return path.removeprefix(".")


def _complaint(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "this key is not served; remove it or correct its name"
        case "missing":
            return "is missing; add it"
        case "part":
            return f"{fault['msg']}; send text as {_TEXT_PART}"
        case "string_too_short":
            return "should not be empty; leave it out or fill it in"
        case "string_too_long" | "too_long":
            return f"is too long; at most {fault['ctx']['max_length']} fit"
        case _:
            message = fault["msg"].removeprefix("Input ")
            return f"{message}, got {_shown(fault['input'])}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return repr(value[:_SHOWN_CHARS])
        case _:
            return json.dumps(value)[:_SHOWN_CHARS]
