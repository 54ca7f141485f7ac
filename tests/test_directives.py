import pytest

from sprout.chat import Chat, Message, Sampling
from sprout.directive_sets import load
from sprout.directives import (
    PAPER_PREFERENCE,
    Directive,
    TemplateTraits,
    apply,
    in_order,
    parted,
)

L0 = Directive("L0", "")
SYSTEM = Directive("L1", "Be brief.", "system")
SUFFIX = Directive("L2", "Be brief.", "suffix")

PLAIN = TemplateTraits(default_system=None, has_system_role=True)
DEFAULT = TemplateTraits(default_system="You are helpful.", has_system_role=True)
NO_ROLE = TemplateTraits(default_system=None, has_system_role=False)

QUESTION: Chat = (Message("user", "Why?"),)
WITH_SYSTEM: Chat = (Message("system", "You are a pirate."), Message("user", "Why?"))
LONG: Chat = (
    Message("system", "You are a pirate."),
    Message("user", "Why?"),
    Message("assistant", "Because."),
    Message("user", "And how?"),
)


@pytest.mark.parametrize("template", [PLAIN, DEFAULT])
@pytest.mark.parametrize("chat", [QUESTION, WITH_SYSTEM, LONG])
def test_l0_leaves_the_chat_as_it_is(chat: Chat, template: TemplateTraits) -> None:
    assert apply(L0, chat, template) == chat


def test_l0_without_system_role_moves_the_chats_system_message_into_the_first_turn() -> None:
    assert apply(L0, LONG, NO_ROLE) == (
        Message("user", "You are a pirate.\n\nWhy?"),
        Message("assistant", "Because."),
        Message("user", "And how?"),
    )
    assert apply(L0, QUESTION, NO_ROLE) == QUESTION


@pytest.mark.parametrize("template", [PLAIN, DEFAULT])
def test_system_text_follows_the_chats_own_system_message(template: TemplateTraits) -> None:
    assert apply(SYSTEM, LONG, template) == (
        Message("system", "You are a pirate.\n\nBe brief."),
        *LONG[1:],
    )


def test_system_text_follows_the_templates_default_when_the_chat_has_none() -> None:
    assert apply(SYSTEM, QUESTION, DEFAULT) == (
        Message("system", "You are helpful.\n\nBe brief."),
        *QUESTION,
    )


def test_system_text_stands_alone_when_there_is_no_other() -> None:
    assert apply(SYSTEM, QUESTION, PLAIN) == (Message("system", "Be brief."), *QUESTION)


def test_an_empty_system_message_stays_the_chats_own() -> None:
    chat = (Message("system", ""), *QUESTION)
    assert apply(SYSTEM, chat, DEFAULT) == (Message("system", "Be brief."), *QUESTION)


def test_system_text_without_system_role_goes_before_the_first_turn() -> None:
    assert apply(SYSTEM, LONG, NO_ROLE) == (
        Message("user", "You are a pirate.\n\nBe brief.\n\nWhy?"),
        Message("assistant", "Because."),
        Message("user", "And how?"),
    )
    assert apply(SYSTEM, QUESTION, NO_ROLE) == (Message("user", "Be brief.\n\nWhy?"),)


@pytest.mark.parametrize("template", [PLAIN, DEFAULT])
def test_suffix_text_ends_the_last_user_turn(template: TemplateTraits) -> None:
    assert apply(SUFFIX, LONG, template) == (
        *LONG[:3],
        Message("user", "And how?\n\nBe brief."),
    )
    assert apply(SUFFIX, QUESTION, template) == (Message("user", "Why?\n\nBe brief."),)


def test_suffix_text_ends_the_last_user_turn_even_when_an_answer_follows() -> None:
    chat = (*QUESTION, Message("assistant", "Becau"))
    assert apply(SUFFIX, chat, PLAIN)[0] == Message("user", "Why?\n\nBe brief.")


def test_suffix_text_without_system_role_keeps_the_chats_system_message() -> None:
    assert apply(SUFFIX, WITH_SYSTEM, NO_ROLE) == (
        Message("user", "You are a pirate.\n\nWhy?\n\nBe brief."),
    )


@pytest.mark.parametrize("directive", [L0, SYSTEM, SUFFIX])
def test_a_chat_without_user_message_is_refused(directive: Directive) -> None:
    with pytest.raises(ValueError, match="user message"):
        apply(directive, (Message("system", "Hello."),), PLAIN)


def test_key_tells_apart_what_reaches_the_model() -> None:
    keys = {
        L0.key,
        SYSTEM.key,
        SUFFIX.key,
        Directive("L1", "Be brief.", "system", max_tokens=64).key,
        Directive("L1", "Be brief", "system").key,
    }
    assert len(keys) == 5
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)


def test_key_ignores_names_and_the_placement_of_nothing() -> None:
    assert Directive("x", "Be brief.", "system", paper_level="L1").key == SYSTEM.key
    assert Directive("L0", "", "suffix").key == L0.key


@pytest.mark.parametrize(("ceiling", "limit"), [(None, 256), (64, 64), (1024, 256)])
def test_a_level_lowers_the_limit_of_a_request_but_never_raises_it(
    ceiling: int | None, limit: int
) -> None:
    sampling = Sampling(max_tokens=256, temperature=0.5)
    limited = Directive("L1", "Be brief.", max_tokens=ceiling).limit(sampling)
    assert limited == Sampling(max_tokens=limit, temperature=0.5)


def test_a_variant_repeats_every_directive_under_its_name() -> None:
    own = load("concise")
    both = own.with_variants({"q4_0": "f" * 16, "q8_0": "e" * 16})
    assert both.levels == (
        "L0", "L1", "L2", "q4_0/L0", "q4_0/L1", "q4_0/L2", "q8_0/L0", "q8_0/L1", "q8_0/L2"
    )  # fmt: skip
    assert both.directives[4].text == own.directives[1].text
    assert {each.paper_level for each in both.directives[3:]} == {None}
    assert both.of_model() == own == own.with_variants({})


def test_the_key_of_a_variants_level_tells_its_file() -> None:
    own = load("concise")
    keys = [own.with_variants({"q": fingerprint}) for fingerprint in ("f" * 16, "e" * 16)]
    first, second = ([each.key for each in found.directives] for found in keys)
    assert first[:3] == second[:3] == [each.key for each in own.directives]
    assert len({*first, *second}) == 9
    renamed = own.with_variants({"other": "f" * 16})
    assert [each.key for each in renamed.directives] == first


def test_levels_of_the_model_come_before_those_of_variants() -> None:
    assert in_order(["a/L1", "L1", "Q8/L0", "L0"]) == ["L0", "L1", "Q8/L0", "a/L1"]
    assert [parted(level) for level in ("L0", "q4_0/L1")] == [("", "L0"), ("q4_0", "L1")]


def test_the_prior_is_the_mean_over_the_papers_six_tasks() -> None:
    # Sums over the six tasks: 2.27, 2.07 and 1.66.
    assert [PAPER_PREFERENCE[level] for level in ("L0", "L1", "L2")] == pytest.approx(
        [0.378333, 0.345, 0.276667], abs=1e-6
    )
    assert sum(PAPER_PREFERENCE.values()) == pytest.approx(1)
