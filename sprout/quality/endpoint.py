"""A judge behind an OpenAI-compatible endpoint: the choice is read from what it says."""

from sprout.quality.comparison import MARKED_TEMPLATE, question_text
from sprout.quality.completions import MAX_NEW_TOKENS, Address, Completions
from sprout.quality.judge import Card, Opinion, Question
from sprout.quality.wording import choice_in


def card(address: Address) -> Card:
    """Return who an endpoint's model is as a judge; the key is no part of it."""
    settings: dict[str, str | int | float] = {
        "url": address.base_url.rstrip("/"),
        "model": address.model,
        "temperature": 0,
        "max_tokens": MAX_NEW_TOKENS,
    }
    return Card(f"endpoint:{address.model}", "endpoint", MARKED_TEMPLATE, settings)


class EndpointJudge:
    """Asks an endpoint."""

    def __init__(self, endpoint: Completions) -> None:
        self._endpoint = endpoint
        self.card = card(endpoint.address)

    def ask(self, question: Question) -> Opinion:
        """Return its opinion; raises what `Completions.ask` raises."""
        said = self._endpoint.ask(question_text(self.card, question))
        if said.fault is not None:
            return Opinion(said.text, (), said.fault, said.usage)
        slot = choice_in(said.text, len(question.answers))
        if slot is None:
            return Opinion(said.text, (), "unparsed", said.usage)
        return Opinion(said.text, (slot,), None, said.usage)
