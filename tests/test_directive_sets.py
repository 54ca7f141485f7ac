import pytest

from sprout.config.setting import default
from sprout.config.settings import SETTINGS
from sprout.directive_sets import load, packaged, parse
from sprout.directives import Directive
from sprout.errors import InputError, UsageError


def test_packaged_sets_are_there_and_start_bare() -> None:
    sets = packaged()
    assert list(sets) == ["paper", "concise", "library"]
    assert default(SETTINGS["directives"]) in sets
    for directive_set in sets.values():
        assert directive_set.about
        assert directive_set.directives[0].level == "L0"
        assert directive_set.directives[0].text == ""


def test_the_paper_set_is_the_papers() -> None:
    assert load("paper").directives == (
        Directive("L0", "", paper_level="L0"),
        Directive("L1", "Always answer briefly", "system", paper_level="L1"),
        Directive("L2", "Always answer very briefly", "system", paper_level="L2"),
    )


def test_the_library_holds_every_level_of_the_other_sets() -> None:
    sets = packaged()
    library = {directive.key for directive in sets["library"].directives}
    for name in ("paper", "concise"):
        assert {directive.key for directive in sets[name].directives} <= library


def test_an_unknown_set_is_a_usage_error_that_lists_the_sets() -> None:
    with pytest.raises(UsageError, match="'terse': choose one of paper, concise, library"):
        load("terse")


BARE = '[[mine.directives]]\nlevel = "L0"\ntext = ""\n'


def test_a_file_of_ones_own_is_read() -> None:
    text = (
        f'[mine]\nabout = "for me"\n{BARE}\n'
        '[[mine.directives]]\nlevel = "L1"\ntext = "Short!"\nplacement = "suffix"\nmax_tokens = 9\n'
        '[[mine.directives]]\nlevel = "cut"\ntext = ""\nmax_tokens = 9\n'
    )
    mine = parse(text, "my.toml")["mine"]
    assert (mine.name, mine.about) == ("mine", "for me")
    assert mine.directives == (
        Directive("L0", ""),
        Directive("L1", "Short!", "suffix", max_tokens=9),
        Directive("cut", "", max_tokens=9),
    )


LEVEL = f'{BARE}[[mine.directives]]\nlevel = "L1"\ntext = "Short!"\n'
NAMED = f'{BARE}[[mine.directives]]\nlevel = "L1"\nplacement = "system"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.toml: no directive set"),
        ("[mine", "my.toml: not TOML"),
        ("mine = 3", "my.toml: mine: 3 is not a table"),
        ("[mine]", r"my.toml: mine.directives\[0\]: the first level must be the bare one"),
        ("[mine]\ndirectives = 3", "mine.directives: 3 is not a list"),
        ("[mine]\ndirectives = [3]", r"mine.directives\[0\]: 3 is not a table"),
        ("[mine]\nabout = 3", "mine.about: 3 is not a string"),
        (f"[mine]\nlevels = 3\n{BARE}", "mine.levels: unknown key; known are about, directives"),
        ('[[mine.directives]]\ntext = ""', r"mine.directives\[0\].level: missing"),
        ('[[mine.directives]]\nlevel = "L0"', r"mine.directives\[0\].text: missing"),
        (BARE.replace("L0", "L1"), "the first level must be the bare one"),
        (f"{BARE}max_tokens = 5", "the first level must be the bare one"),
        (LEVEL, r"mine.directives\[1\].placement: missing"),
        (f'{LEVEL}placement = "prefix"', r"placement: 'prefix' is not one of system, suffix"),
        (f'{LEVEL}placement = "system"\nmax_tokens = 0', "max_tokens: 0 is not at least 1"),
        (f'{LEVEL}placement = "system"\nmax_tokens = true', "True is not a whole number"),
        (f'{LEVEL}placement = "system"\npaper_level = "L9"', "'L9' is not one of L0, L1, L2"),
        (f'{LEVEL}placement = "system"\ntone = "dry"', "tone: unknown key"),
        (f'{NAMED}text = ""', r"directives\[1\].text: asks what directives\[0\] asks"),
        (f"{BARE}{BARE}max_tokens = 5", r"directives\[1\].level: 'L0' is also directives\[0\]"),
    ],
)
def test_a_bad_file_is_an_input_error_that_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse(text, "my.toml")
    assert str(error.value).startswith("my.toml: ")
