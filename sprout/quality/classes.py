"""The class of a prompt that has no `task`: read from its words, or "other" when that is unsure.

Trained on the prompts that do have one. With scikit-learn: TF-IDF of words and pairs, and logistic
regression. Without it: naive Bayes on words, whose log-likelihoods are divided by the square root
of the prompt's length, because words are not independent and plain naive Bayes is never in doubt.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from sprout.quality.preference import FloatArray

OTHER = "other"
SURE = 0.6
"""Least probability of a class; below it the prompt counts as `OTHER`."""

MIN_LABELLED = 10
"""A class with fewer labelled prompts is not learned: it would be a guess."""

_WORD = re.compile(r"[^\W\d_]+|\d|[^\w\s]")
_WORDS_READ = 400  # of each prompt: a long document says no more of its task

Classifier = Callable[[Sequence[str]], list[str]]
"""Returns the class of each text."""


def train(texts: Sequence[str], tasks: Sequence[str], *, plain: bool = False) -> Classifier:
    """Return a classifier of these labelled texts.

    Args:
        texts, tasks: in the same order.
        plain: do without scikit-learn, also where it is installed.
    """
    common = {task for task, count in Counter(tasks).items() if count >= MIN_LABELLED}
    rows = [(text, task) for text, task in zip(texts, tasks, strict=True) if task in common]
    if len(common) < 2:  # noqa: PLR2004 - nothing to tell apart
        return lambda wanted: [OTHER] * len(wanted)
    known, labels = [text for text, _ in rows], [task for _, task in rows]
    probabilities = None if plain else _logistic_regression(known, labels)
    if probabilities is None:
        probabilities = _naive_bayes(known, labels)
    names = sorted(common)

    def classify(wanted: Sequence[str]) -> list[str]:
        if not wanted:
            return []
        return [
            names[int(row.argmax())] if row.max() >= SURE else OTHER
            for row in probabilities(wanted)
        ]

    return classify


_Probabilities = Callable[[Sequence[str]], FloatArray]
"""Returns [text, class], classes in the order of their names; each row sums to 1."""


def _logistic_regression(texts: Sequence[str], tasks: Sequence[str]) -> _Probabilities | None:
    """Return a model of scikit-learn; None where it is not installed."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError:
        return None
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD.pattern)
    # without an intercept, a text of unknown words is as likely of every class
    model = make_pipeline(features, LogisticRegression(C=10.0, max_iter=1000, fit_intercept=False))
    model.fit([_start(text) for text in texts], list(tasks))
    return lambda wanted: np.asarray(model.predict_proba([_start(text) for text in wanted]))


def _naive_bayes(texts: Sequence[str], tasks: Sequence[str]) -> _Probabilities:
    names = sorted(set(tasks))
    words = {word: i for i, word in enumerate(sorted({w for t in texts for w in _words(t)}))}
    counts = np.ones((len(names), len(words)))  # one more of each: no word is impossible
    for text, task in zip(texts, tasks, strict=True):
        for word, count in Counter(_words(text)).items():
            counts[names.index(task), words[word]] += count
    # without a prior, a text of unknown words is as likely of every class
    log_likely = np.log(counts / counts.sum(axis=1, keepdims=True))

    def probabilities(wanted: Sequence[str]) -> FloatArray:
        rows = []
        for text in wanted:
            known = [words[word] for word in _words(text) if word in words]
            scores = log_likely[:, known].sum(axis=1) / np.sqrt(max(1, len(known)))
            likely = np.exp(scores - scores.max())
            rows.append(likely / likely.sum())
        return np.array(rows)

    return probabilities


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:_WORDS_READ]


def _start(text: str) -> str:
    return " ".join(_words(text))
