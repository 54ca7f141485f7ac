"""An OpenAI-compatible endpoint on loopback: answers in the exact shape, and checks the asker."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-loopback-0123456789"

Json = dict[str, Any]
Chooser = Callable[[str, list[str]], str]
"""What the judge says to (the whole question, the answers in their order)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer; `pause_s` before it comes, and `drip_s` after each byte of its body."""

    status: int = 200
    body: Json | str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drip_s: float = 0.0


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> Json:
    """Return the body of a chat completion, in OpenAI's exact shape."""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "judge-1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": content,
                    "refusal": None,
                    "annotations": [],
                }
                | message,
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": 200,
            "completion_tokens": 3,
            "total_tokens": 203,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


def error(
    message: str,
    code: str | None = None,
    kind: str = "invalid_request_error",
    param: str | None = None,
) -> Json:
    """Return the body of an error, in OpenAI's exact shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


_REFUSALS = {
    "max_tokens": error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "unsupported_parameter",
        param="max_tokens",
    ),
    "temperature": error(
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) "
        "value is supported.",
        "unsupported_value",
        param="temperature",
    ),
}


@dataclass
class JudgeServer:
    """What the endpoint was asked, what was wrong with it, and what it will say.

    Args:
        script: replies for the next requests, in order; then `chooser` speaks.
        needs_key: whether requests must carry KEY.
        reasons: whether its model takes neither max_tokens nor a temperature, as some of OpenAI's.
        options: the parameters of each request, beside model and messages.
    """

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    chooser: Chooser = lambda _question, _answers: "A"
    needs_key: bool = True
    reasons: bool = False
    options: list[dict[str, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, request: BaseHTTPRequestHandler, data: bytes) -> Reply:
        """Check a request and return what it is answered."""
        with self.lock:
            body = self._checked(request, data)
            question = body["messages"][-1]["content"]
            if self.reasons and (refused := next(filter(body.__contains__, _REFUSALS), None)):
                return Reply(400, _REFUSALS[refused])
            self.asked.append(question)
            if self.script:
                return self.script.pop(0)
            return Reply(body=completion(self.chooser(question, answers_in(question))))

    def _checked(self, request: BaseHTTPRequestHandler, data: bytes) -> Json:
        body: Json = json.loads(data)
        wanted: dict[str, tuple[object, object]] = {
            "path": (request.path, "/v1/chat/completions"),
            "content type": (request.headers["Content-Type"], "application/json"),
            "key": (
                request.headers["Authorization"],
                f"Bearer {KEY}" if self.needs_key else None,
            ),
            "model": (body.get("model"), "judge-1"),
            "roles": ([sorted(m) for m in body["messages"]], [["content", "role"]]),
        }
        self.options.append(
            {name: body[name] for name in body if name not in ("model", "messages")}
        )
        if not self.reasons:
            wanted["options"] = (self.options[-1], {"temperature": 0, "max_tokens": 1024})
        self.faults += [f"{name}: {got!r}" for name, (got, want) in wanted.items() if got != want]
        return body


def answers_in(question: str) -> list[str]:
    """Return the answers that a question shows, in order."""
    shown = question.split("\n# Which answer is the best?", maxsplit=1)[0].split("\n# Answer ")[1:]
    return [part.partition("\n")[2].strip() for part in shown]


@contextmanager
def serving() -> Iterator[JudgeServer]:
    """Serve on a free port of loopback; fail at the end when the asker did anything wrong."""
    state = JudgeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            reply = state.reply(self, data)
            time.sleep(reply.pause_s)
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                if "Content-Length" in reply.headers:
                    self.close_connection = True  # it is longer than what comes
                else:
                    self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                for byte in text.encode() if reply.drip_s else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip_s)
                self.wfile.write(b"" if reply.drip_s else text.encode())
            except (BrokenPipeError, ConnectionResetError):
                pass  # the asker had no patience

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert state.faults == []
