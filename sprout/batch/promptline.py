"""One line of a prompt file: from its object to one of three forms, or a `LineError` for people.

Pydantic says whether the object has the form, and the first fault is put into words.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sprout.batch.jsonline import WANTED, LineError, shown
from sprout.clock import in_utc
from sprout.costs import ALL_TASKS

_INT32_MAX = 2**31 - 1  # llama.cpp counts tokens in int32
_SEED_MAX = 2**32 - 2  # 2**32 - 1 asks llama.cpp for a random seed, which no rerun repeats
_ID_CHARS = 512
MAX_REFERENCE_DEPTH = 20  # lists and objects in each other; who compares goes down all of them
_SHOWN_CHARS = 60  # of a foreign key inside a reason
# pydantic's names of faults
_UNSUPPORTED = {"unsupported", "part", "extra_forbidden", "literal_error"}
_TEXT_PART = '{"type": "text", "text": "..."}'


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
            got = {"kind": shown(kind)}
            raise PydanticCustomError("part", "a part of type {kind} cannot be served", got)
    return "".join(part["text"] for part in content)


def is_deeper(value: object, depth: int) -> bool:
    """Return whether more than so many lists and objects of a JSON value lie in each other."""
    layer = [value]
    for _ in range(depth + 1):  # in a loop: what is too deep must not end in a RecursionError
        layer = [
            inner
            for outer in layer
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(layer)


def _comparable(value: object) -> object:
    if is_deeper(value, MAX_REFERENCE_DEPTH):
        most = {"depth": MAX_REFERENCE_DEPTH}
        raise PydanticCustomError("depth", "should be nested at most {depth} deep", most)
    return value


def _moment(value: object) -> object:
    """Return the time that a text says, which must say of which time zone it is."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            in_utc(moment)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        wanted = {"example": "2026-11-24T06:00:00Z"}
        message = "should be a time with its offset, such as {example}"
        raise PydanticCustomError("moment", message, wanted)
    return moment


def _one_task(name: str) -> str:
    if name == ALL_TASKS:
        raise PydanticCustomError("task", "should not be the name of all tasks together")
    return name


_Id = Annotated[str, Field(min_length=1, max_length=_ID_CHARS), BeforeValidator(_id_text)]
_Task = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_task)]
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


class MessageForm(_Strict):
    """One entry of `messages`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: _Text


class Options(_Strict):
    """The keys of OpenAI's chat completions that every form may carry, and llama.cpp's own."""

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


class Body(Options):
    """A chat completion request."""

    messages: list[MessageForm]


class _Line(_Strict):
    """What every form may add at the top."""

    id: _Id | None = None
    custom_id: _Id | None = None
    task: _Task | None = None
    directive: str | None = None
    deadline: Annotated[datetime | None, BeforeValidator(_moment)] = None
    reference: Annotated[object, AfterValidator(_comparable)] = None


class BatchLine(_Line):
    """A line in the input format of OpenAI's Batch API."""

    method: Annotated[object, _only('"POST"')] = None
    url: Annotated[object, _only('"/v1/chat/completions"')] = None
    body: Body


class MessagesLine(_Line, Body):
    """A chat completion request with an id beside it."""


class PromptLine(_Line, Options):
    """A single question."""

    prompt: str
    system: str | None = None


Form = BatchLine | MessagesLine | PromptLine

_FORMS: dict[str, type[Form]] = {
    "body": BatchLine,
    "messages": MessagesLine,
    "prompt": PromptLine,
}


def given_id(data: dict[str, Any]) -> str | None:
    """Return the id for the record of a rejection, whatever else is wrong with the line."""
    for key in ("custom_id", "id"):
        value = _id_text(data.get(key))
        if isinstance(value, str) and value:
            return value[:_ID_CHARS]
    return None


def parse(data: dict[str, Any]) -> Form:
    """Return the form that an object has; a LineError says what is wrong with it."""
    forms = [key for key in _FORMS if key in data]
    if len(forms) != 1:
        found = " and ".join(forms) or ", ".join(map(shown, data)) or "an empty object"
        raise LineError("invalid_request", f"found {found[:_SHOWN_CHARS]}; {WANTED}")
    try:
        return _FORMS[forms[0]].model_validate(data)
    except ValidationError as error:
        raise LineError(*_explain(error)) from error


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
            is_object = fault["type"] == "model_type"  # pydantic's words name our class
            message = "should be an object" if is_object else fault["msg"].removeprefix("Input ")
            return f"{message}, got {shown(fault['input'])}"
