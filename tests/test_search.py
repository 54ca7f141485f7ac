import tomllib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sprout.costs import Cost, Sample
from sprout.directive_sets import parse
from sprout.directives import Directive, DirectiveSet
from sprout.quality.preference import Shares, prior
from sprout.search import propose, to_toml

L0 = Directive("L0", "", paper_level="L0")


def library(*names: str) -> DirectiveSet:
    return DirectiveSet("library", "", (L0, *(Directive(name, f"Be {name}.") for name in names)))


def writing(num_tokens: float, spread: int = 1) -> Cost:
    """Twenty answers, as many `spread` tokens longer as shorter."""
    cost = Cost()
    for i in range(20):
        answer = round(num_tokens) + (spread if i % 2 else -spread)
        cost = cost.add(Sample("key", "", 1.0, 1.0, 20, answer))
    return cost


def levels(chosen: list[Directive]) -> list[str]:
    return [directive.level for directive in chosen]


def test_the_ladder_is_l0_the_shortest_and_the_one_in_the_middle() -> None:
    costs = {"L0": writing(200), "a": writing(150), "b": writing(65), "c": writing(20)}
    # the middle of 20 and 200 tokens on a ladder of equal factors: sqrt(20 * 200) = 63
    assert levels(propose(library("a", "b", "c"), costs)) == ["L0", "b", "c"]


def test_directives_that_save_nothing_are_not_proposed() -> None:
    costs = {"L0": writing(200), "a": writing(200), "b": writing(250), "c": writing(20)}
    assert levels(propose(library("a", "b", "c"), costs)) == ["L0", "c"]


def test_a_saving_within_the_noise_is_none() -> None:
    # +-100 tokens over 20 answers: standard error 100 / sqrt(20) * 1.03 = 23, of two 32,
    # and two of these 65 tokens
    costs = {"L0": writing(200, 100), "a": writing(150, 100)}
    assert levels(propose(library("a"), costs)) == ["L0"]
    costs = {"L0": writing(200, 100), "a": writing(120, 100)}
    assert levels(propose(library("a"), costs)) == ["L0", "a"]


def test_nothing_saves_so_l0_stands_alone() -> None:
    assert propose(library(), {"L0": writing(200)}) == [L0]


def test_a_directive_that_silences_the_model_is_not_proposed() -> None:
    costs = {"L0": writing(200), "a": writing(100), "silent": writing(0, 0)}
    assert levels(propose(library("a", "silent"), costs)) == ["L0", "a"]


def test_a_directive_seen_once_is_not_proposed() -> None:
    once = Cost().add(Sample("key", "", 1.0, 1.0, 20, 5))
    assert levels(propose(library("a"), {"L0": writing(200), "a": once})) == ["L0"]
    assert levels(propose(library("a"), {"L0": once, "a": writing(2)})) == ["L0"]


def judged(**shares: float) -> Shares:
    return prior(shares)


def test_judged_directives_are_those_on_the_hull_of_tokens_and_preference() -> None:
    costs = {"L0": writing(200), "a": writing(150), "b": writing(100), "c": writing(20)}
    # a: more tokens than b and less preferred. b: half of the way from c to L0 would be 0.25
    shares = judged(L0=0.4, a=0.2, b=0.3, c=0.1)
    assert levels(propose(library("a", "b", "c"), costs, shares)) == ["L0", "b", "c"]
    # 0.22 is less than the mix of c and L0 that writes 100 tokens: 0.1 + 0.3 * 80 / 180 = 0.23
    shares = judged(L0=0.4, a=0.2, b=0.22, c=0.1)
    assert levels(propose(library("a", "b", "c"), costs, shares)) == ["L0", "c"]


def test_a_short_directive_that_is_preferred_to_all_leaves_no_other() -> None:
    costs = {"L0": writing(200), "a": writing(150), "b": writing(20)}
    shares = judged(L0=0.3, a=0.3, b=0.4)
    assert levels(propose(library("a", "b"), costs, shares)) == ["L0", "b"]


def test_a_directive_that_saves_nothing_is_not_proposed_however_much_it_is_preferred() -> None:
    costs = {"L0": writing(200), "a": writing(250), "b": writing(20)}
    shares = judged(L0=0.2, a=0.7, b=0.1)
    assert levels(propose(library("a", "b"), costs, shares)) == ["L0", "b"]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_proposal_has_distinct_levels_each_shorter_than_the_last(tokens: list[int]) -> None:
    names = [f"d{number}" for number in range(len(tokens))]
    costs = {"L0": writing(301)} | {
        name: writing(count) for name, count in zip(names, tokens, strict=True)
    }
    chosen = levels(propose(library(*names), costs))
    means = [costs[name].new_tokens.mean for name in chosen]
    assert chosen[0] == "L0"
    assert 1 <= len(chosen) <= 3
    assert len(set(chosen)) == len(chosen)
    assert means == sorted(means, reverse=True)


def test_a_proposal_is_a_set_file_that_sprout_reads_back() -> None:
    chosen = [
        L0,
        Directive("brief", "Answer briefly.", "suffix", max_tokens=64, paper_level="L1"),
        Directive("terse", "Be terse.", "system"),
    ]
    (proposed,) = parse(to_toml(chosen, "Tiny-1B"), "proposal.toml").values()
    # the levels are renamed, and no prior is claimed for texts that the paper never judged
    assert proposed.directives == (
        L0,
        Directive("L1", "Answer briefly.", "suffix", max_tokens=64),
        Directive("L2", "Be terse.", "system"),
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@example("x", "\udcff\n[other]")
@given(TEXTS, st.text(st.characters()))
def test_any_text_survives_the_proposal(text: str, model_name: str) -> None:
    toml = to_toml([L0, replace(L0, level="x", text=text)], model_name)
    table = tomllib.loads(toml)["proposed"]
    assert table["directives"][1]["text"] == text
    encodable = model_name.encode(errors="replace").decode()
    assert table["about"] == f"short answers for {encodable}"


@pytest.mark.parametrize("text", ["🌱", '"quoted" \\ back', "two\nlines\x7f\x00"])
def test_texts_that_json_and_toml_escape_differently_survive(text: str) -> None:
    toml = to_toml([L0, replace(L0, level="x", text=text)], "m")
    assert tomllib.loads(toml)["proposed"]["directives"][1]["text"] == text
