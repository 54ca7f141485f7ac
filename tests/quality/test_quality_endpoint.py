import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from local.judge_server import KEY, JudgeServer, Reply, completion, error, serving

from sprout.errors import NotReadyError, PermissionDeniedError, TryLaterError
from sprout.quality.completions import MAX_TRIES, Address, Completions
from sprout.quality.endpoint import EndpointJudge, card
from sprout.quality.judge import Question, Usage

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUESTION = Question("What is {2 + 2}?", ("Four.", "Five {answers}.", "Six."))


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving() as state:
        yield state


class Naps:
    """Remembers how long a judge wanted to sleep."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@contextmanager
def asking(address: Address, naps: Naps) -> Iterator[EndpointJudge]:
    with Completions(address, naps, lambda: NOW) as completions:
        yield EndpointJudge(completions)


@pytest.fixture
def judge(server: JudgeServer, naps: Naps) -> Iterator[EndpointJudge]:
    with asking(Address(server.url + "/", "judge-1", KEY, timeout_s=5.0), naps) as opened:
        yield opened


def test_it_asks_once_and_reads_label_and_usage(judge: EndpointJudge, server: JudgeServer) -> None:
    server.script = [Reply(body=completion("B"))]
    opinion = judge.ask(QUESTION)
    assert (opinion.chosen, opinion.fault, opinion.raw) == ((1,), None, "B")
    assert opinion.usage == Usage(200, 3, None)
    (question,) = server.asked
    # braces in a prompt or an answer are text, not places to fill
    assert "What is {2 + 2}?" in question
    assert "# Answer B\nFive {answers}.\n" in question
    assert question.endswith("one of: [[A]], [[B]], [[C]]")


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("[[C]]", (2,)),
        ("C", (2,)),
        ("Output (b)", (1,)),
        ('```json\n{"best": "B"}\n```', (1,)),
        ("<think>Is it [[A]]? No.</think>\n\n[[B]]", (1,)),
        ("A is too long.\n\nVerdict: C", (2,)),
    ],
)
def test_it_reads_what_judges_write(
    said: str, chosen: tuple[int, ...], judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body=completion(said))]
    assert judge.ask(QUESTION).chosen == chosen


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (completion("D"), "unparsed"),
        (completion("The best answer is B."), "unparsed"),
        (completion(""), "unparsed"),
        (completion(None), "unparsed"),
        (completion("I'm sorry, but I can't compare these."), "unparsed"),
        (completion("<think>Is it A or B?"), "unparsed"),
        (completion(None, refusal="I cannot help with that."), "refused"),
    ],
)
def test_what_names_no_label_is_a_fault_and_never_a_tie(
    body: dict[str, object], fault: str, judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body=body)]
    opinion = judge.ask(QUESTION)
    assert (opinion.chosen, opinion.fault) == ((), fault)
    assert opinion.usage.num_prompt_tokens == 200  # it was paid for all the same
    assert len(server.asked) == 1


def test_a_filtered_answer_is_a_refusal(judge: EndpointJudge, server: JudgeServer) -> None:
    server.script = [Reply(body=completion("[[A]]", finish_reason="content_filter"))]
    assert judge.ask(QUESTION).fault == "refused"


def test_an_answer_that_was_cut_off_is_no_verdict(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body=completion("[[A]]\n\nBut then", finish_reason="length"))]
    opinion = judge.ask(QUESTION)
    assert (opinion.chosen, opinion.fault) == ((), "unparsed")
    assert opinion.raw == "[[A]]\n\nBut then"


def test_a_rate_limit_is_waited_out_as_long_as_the_endpoint_says(
    judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    limited = error("Rate limit reached", "rate_limit_exceeded", "requests")
    date = (NOW + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    server.script = [
        Reply(429, limited, {"Retry-After": "7"}),
        Reply(429, limited, {"Retry-After": date}),
        Reply(503, "upstream is away"),
        Reply(429, limited, {"Retry-After": "soon"}),
        Reply(body=completion("A")),
    ]
    assert judge.ask(QUESTION).chosen == (0,)
    assert naps.taken == [7, 30, 4, 8]  # without a word from it: 1, 2, 4, 8 s
    assert len(server.asked) == 5


def test_nobody_waits_for_a_day(judge: EndpointJudge, server: JudgeServer, naps: Naps) -> None:
    limited = error("Rate limit reached for requests per day", "rate_limit_exceeded", "requests")
    server.script = [Reply(429, limited, {"Retry-After": "86400"})]
    with pytest.raises(TryLaterError, match=r"asked again in 86400 s \(status 429.*per day"):
        judge.ask(QUESTION)
    assert (naps.taken, len(server.asked)) == ([], 1)


def test_it_gives_up_after_some_tries(
    judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.script = [Reply(500, error("boom"))] * MAX_TRIES
    with pytest.raises(
        TryLaterError, match=r"after 5 tries \(status 500.*verdicts so far"
    ) as raised:
        judge.ask(QUESTION)
    assert raised.value.exit_code == 75
    assert naps.taken == [1, 2, 4, 8]


def test_a_slow_endpoint_is_not_waited_for_for_ever(server: JudgeServer, naps: Naps) -> None:
    server.script = [Reply(body=completion("A"), pause_s=1.0)] * MAX_TRIES
    address = Address(server.url, "judge-1", KEY, timeout_s=0.05)
    with (
        asking(address, naps) as judge,
        pytest.raises(TryLaterError, match=r"no answer within 0\.05 s"),
    ):
        judge.ask(QUESTION)


def test_an_endpoint_that_drips_is_not_waited_for_for_ever(server: JudgeServer, naps: Naps) -> None:
    """Each byte comes in time, and the answer would take ten seconds."""
    server.script = [Reply(body=completion("A"), drip_s=0.03)] * MAX_TRIES
    address = Address(server.url, "judge-1", KEY, timeout_s=0.1)
    with (
        asking(address, naps) as judge,
        pytest.raises(TryLaterError, match=r"no answer within 0\.1 s"),
    ):
        judge.ask(QUESTION)


def test_an_endpoint_that_is_down_says_try_later(naps: Naps) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = Address(f"http://127.0.0.1:{port}/v1", "judge-1", KEY, timeout_s=1.0)
    with asking(address, naps) as judge, pytest.raises(TryLaterError, match="refused"):
        judge.ask(QUESTION)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_said_at_once_and_not_shown(
    status: int, judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.script = [Reply(status, error("Incorrect API key provided", "invalid_api_key"))]
    with pytest.raises(PermissionDeniedError, match="SPROUT_JUDGE_KEY") as raised:
        judge.ask(QUESTION)
    assert KEY not in str(raised.value)
    assert naps.taken == []


def test_a_model_that_takes_no_such_parameters_is_asked_without_them(
    judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.reasons = True
    server.chooser = lambda _question, _answers: "[[B]]"
    assert [judge.ask(QUESTION).chosen for _ in range(2)] == [(1,), (1,)]
    assert server.options == [
        {"temperature": 0, "max_tokens": 1024},
        {"temperature": 0, "max_completion_tokens": 1024},
        {"max_completion_tokens": 1024},
        {"max_completion_tokens": 1024},
    ]
    assert sum(naps.taken) == 0


@pytest.mark.parametrize("param", ["model", None, [], "temperature"])
def test_another_parameter_that_is_refused_is_said(
    param: object, judge: EndpointJudge, server: JudgeServer
) -> None:
    body = error("Unsupported", "unsupported_value")
    body["error"]["param"] = param
    server.script = [Reply(400, body)]
    server.reasons = param == "temperature"  # that is left out already
    with pytest.raises(NotReadyError, match="Unsupported"):
        judge.ask(QUESTION)


def test_an_unknown_model_names_the_settings_to_check(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(404, error("The model `judge-1` does not exist", "model_not_found"))]
    with pytest.raises(NotReadyError, match=r"does not exist.*check `judge_url`"):
        judge.ask(QUESTION)


LLAMA_CPP = {
    "message": "request (5013 tokens) exceeds the available context size (4096 tokens), "
    "try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 5013,
    "n_ctx": 4096,
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            400,
            error("This model's maximum context length is 4096 tokens.", "context_length_exceeded"),
        ),
        # OpenAI, newer models
        (400, error("Input tokens exceed the configured limit.", "context_length_exceeded")),
        # llama.cpp, as its builds have said it over time
        (400, {"error": LLAMA_CPP | {"code": 400}}),
        (500, {"error": LLAMA_CPP | {"code": 500}}),
        (
            400,
            error(
                "the request exceeds the available context size. try increasing the context size "
                "or enable context shift"
            ),
        ),
        # vLLM, with its code in a number
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 4096 tokens. However, you "
                "requested 5077 tokens (5013 in the messages, 64 in the completion).",
                "type": "BadRequestError",
                "code": 400,
            },
        ),
        (
            400,
            error(
                "The decoder prompt (length 5013) is longer than the maximum model length of 4096."
            ),
        ),
        # SGLang, llama-cpp-python
        (400, error("The input (5013 tokens) is longer than the model's context length (4096).")),
        (400, error("Requested tokens (5013) exceed context window of 4096")),
        (413, error("prompt is too long: 5013 tokens > 4096 maximum", kind="request_too_large")),
    ],
)
def test_a_question_beyond_the_context_fails_alone(
    status: int, body: dict[str, object], judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.script = [Reply(status, body)]
    assert judge.ask(QUESTION).fault == "too_long"
    assert len(server.asked) == 1
    assert naps.taken == []


def test_an_endpoint_that_failed_after_too_long_a_time_is_asked_again(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(500, error("the request took too long")), Reply(body=completion("B"))]
    assert judge.ask(QUESTION).chosen == (1,)


WHOLE = json.dumps(completion("[[B]]"))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "<html>hello</html>"),
        Reply(200, "[]"),
        Reply(200, {"choices": [{}]}),
        Reply(200, error("Provider returned error", "502")),  # as OpenRouter says it
        Reply(200, 'data: {"choices": [{"delta": {"content": "B"}}]}\n\ndata: [DONE]\n\n'),
        Reply(200, WHOLE[:100]),
        Reply(200, WHOLE[:100], {"Content-Length": str(len(WHOLE))}),  # and the connection ends
    ],
)
def test_what_is_no_chat_completion_is_asked_for_again(
    reply: Reply, judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.script = [reply, Reply(body=WHOLE), *[reply] * MAX_TRIES]
    assert judge.ask(QUESTION).chosen == (1,)
    with pytest.raises(TryLaterError, match=r"after 5 tries \("):
        judge.ask(QUESTION)
    assert naps.taken == [1, 1, 2, 4, 8]


@pytest.mark.parametrize(
    "body",
    [
        completion(None) | {"choices": []},
        completion(None) | {"usage": None},
        completion(None, "length", reasoning_content="Is it [[A]]? Then"),
        completion("", reasoning_content="It is [[A]]."),
        completion(None, "tool_calls", tool_calls=[{"type": "function"}]),
        completion("[[A]", "length"),
    ],
)
def test_a_completion_that_says_nothing_fails_alone(
    body: dict[str, object], judge: EndpointJudge, server: JudgeServer, naps: Naps
) -> None:
    server.script = [Reply(body=body)]
    opinion = judge.ask(QUESTION)
    assert (opinion.chosen, opinion.fault) == ((), "unparsed")
    assert (naps.taken, len(server.asked)) == ([], 1)


def test_reasoning_beside_the_answer_does_not_count(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body=completion("[[B]]", reasoning_content="Perhaps [[A]]."))]
    opinion = judge.ask(QUESTION)
    assert (opinion.chosen, opinion.raw) == ((1,), "[[B]]")


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_question_that_a_filter_stops_fails_alone(
    code: str, judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(400, error("The response was filtered", code))]
    assert judge.ask(QUESTION).fault == "refused"


def test_a_redirect_takes_no_key_elsewhere(judge: EndpointJudge, server: JudgeServer) -> None:
    server.script = [Reply(307, "", {"Location": "http://127.0.0.1:1/v1/chat/completions"})]
    with pytest.raises(NotReadyError, match="status 307"):
        judge.ask(QUESTION)


def test_the_price_is_the_stated_one_or_comes_from_the_prices(
    server: JudgeServer, naps: Naps
) -> None:
    address = Address(server.url, "judge-1", KEY, 5.0, usd_per_million=(2.5, 10.0))
    stated = completion("A")
    stated["usage"]["cost"] = 0.125
    untrue = completion("A")
    untrue["usage"]["cost"] = True
    server.script = [Reply(body=body) for body in (completion("A"), stated, untrue)]
    with asking(address, naps) as judge:
        # 200 tokens at 2.5 USD a million, and 3 at 10
        assert judge.ask(QUESTION).usage.price_usd == pytest.approx(0.00053)
        assert judge.ask(QUESTION).usage.price_usd == 0.125
        assert judge.ask(QUESTION).usage.price_usd == pytest.approx(0.00053)


def test_without_a_key_no_header_is_sent(server: JudgeServer, naps: Naps) -> None:
    server.needs_key = False
    with asking(Address(server.url, "judge-1", None, 5.0), naps) as judge:
        assert judge.ask(QUESTION).chosen == (0,)


def test_the_card_knows_model_and_address_and_no_key() -> None:
    one = Address("http://127.0.0.1:1/v1", "judge-1", KEY, 5.0)
    other_key = Address("http://127.0.0.1:1/v1/", "judge-1", "another", 9.0)
    other_model = Address("http://127.0.0.1:1/v1", "judge-2", KEY, 5.0)
    assert KEY not in card(one).definition
    assert KEY not in repr(one)
    assert card(one).key == card(other_key).key != card(other_model).key
    assert json.loads(card(one).definition)["settings"]["model"] == "judge-1"
