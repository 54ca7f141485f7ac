"""A judge that is a GGUF model of one's own: the choice is read from logits, not from prose.

The model is asked for a label alone, in its own chat template, and the likeliest of the labels as
its next token is its choice. So it always chooses, and never talks around the question.
"""

import json

from sprout.chat import Message
from sprout.engine.base import Chooser
from sprout.errors import InputError
from sprout.quality.comparison import LABEL_TEMPLATE, labels, question_text
from sprout.quality.judge import Card, Opinion, Question


def card(name: str, fingerprint: str) -> Card:
    """Return who a model is as a judge, without loading it."""
    return Card(f"local:{name}", "local", LABEL_TEMPLATE, {"model": fingerprint})


class LocalJudge:
    """Asks a model that runs here.

    Args:
        chooser: the open model.
        card: who it is as a judge.
    """

    def __init__(self, chooser: Chooser, card: Card) -> None:
        self._chooser = chooser
        self.card = card

    def ask(self, question: Question) -> Opinion:
        """Return the label that the model would write next."""
        names = labels(len(question.answers))
        chat = (Message("user", question_text(self.card, question)),)
        try:
            scores = self._chooser.option_logits(chat, names)
        except InputError as error:
            return Opinion(str(error), (), "too_long")
        raw = json.dumps(dict(zip(names, (round(score, 4) for score in scores), strict=True)))
        return Opinion(raw, (max(range(len(scores)), key=scores.__getitem__),))
