import os
import sys
from pathlib import Path
from typing import get_args

import platformdirs
import pytest

from sprout.config import sources as configuration
from sprout.config.settings import SETTINGS, LivePolicy
from sprout.config.sources import load
from sprout.errors import InputError, NoInputError, NotReadyError, UsageError
from sprout.machine import num_cores
from sprout.planning.policies import POLICIES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "conf" / "sprout.toml"
    path.parent.mkdir()
    return path


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_set_every_value_is_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPROUT_STATE")
    config = load({})
    assert set(config.sources.values()) == {"default"}
    assert set(config.sources) == set(SETTINGS)
    assert config.settings.tolerance == 0.1
    assert config.settings.directives == "concise"
    assert config.settings.threads == num_cores()
    assert config.settings.state == platformdirs.user_state_path("sprout") / "sprout.db"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, 'parallel = 3\nzone = "FR"\ntolerance = 0.3')
    monkeypatch.setenv("SPROUT_PARALLEL", "4")
    monkeypatch.setenv("SPROUT_ZONE", "DE")
    config = load({"parallel": 5, "zone": None}, file)
    found = {
        name: (getattr(config.settings, name), config.sources[name])
        for name in ("parallel", "zone", "tolerance", "explore")
    }
    assert found == {
        "parallel": (5, "flag"),
        "zone": ("DE", "SPROUT_ZONE"),
        "tolerance": (0.3, str(file)),
        "explore": (0.02, "default"),
    }


def test_a_flag_that_is_false_or_zero_is_a_flag() -> None:
    config = load({"keep_text": False, "explore": 0.0})
    assert (config.settings.keep_text, config.sources["keep_text"]) == (False, "flag")
    assert (config.settings.explore, config.sources["explore"]) == (0.0, "flag")


# where the file is


def test_the_file_is_looked_for_in_the_users_folder() -> None:
    path = platformdirs.user_config_path("sprout") / "sprout.toml"
    assert load({}).file == path
    path.parent.mkdir(parents=True)
    write(path, "parallel = 3")
    assert load({}).settings.parallel == 3


def test_the_environment_names_another_file_and_a_flag_yet_another(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, "parallel = 3")
    monkeypatch.setenv("SPROUT_CONFIG", str(file))
    assert load({}).file == file
    assert load({}).settings.parallel == 3
    other = write(tmp_path / "other.toml", "parallel = 4")
    assert load({}, other).settings.parallel == 4


def test_a_file_that_is_named_must_be_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoInputError, match=r"sprout\.toml cannot be read: No such file"):
        load({}, file)
    monkeypatch.setenv("SPROUT_CONFIG", str(file))
    with pytest.raises(NoInputError, match=r"sprout\.toml cannot be read: No such file"):
        load({})


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="cannot be read"):
        load({}, tmp_path)


@pytest.mark.parametrize("content", [b"parallel = ", b"\xff = 1"])
def test_a_file_that_is_no_toml_is_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"sprout\.toml: not (TOML|UTF-8)"):
        load({}, file)


# what is in it


def test_paths_in_the_file_are_relative_to_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPROUT_STATE")
    write(
        file,
        'model = "models/tiny.gguf"\nstate = "../state.db"\n'
        'powercap = "/fake/powercap"\ndirectives = "my.toml"',
    )
    settings = load({}, file).settings
    assert settings.model == file.parent / "models" / "tiny.gguf"
    assert settings.state == file.parent / ".." / "state.db"
    assert settings.powercap == Path("/fake/powercap")
    assert settings.directives == str(file.parent / "my.toml")


def test_the_name_of_a_packaged_set_is_no_path(file: Path) -> None:
    assert load({}, write(file, 'directives = "paper"')).settings.directives == "paper"


def test_a_tilde_in_the_file_is_the_home_folder(file: Path) -> None:
    settings = load({}, write(file, 'model = "~/tiny.gguf"')).settings
    assert settings.model == Path(os.environ["HOME"]) / "tiny.gguf"


def test_paths_in_flags_and_the_environment_are_left_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPROUT_MODEL", "tiny.gguf")
    settings = load({"state": Path("here.db")}).settings
    assert (settings.model, settings.state) == (Path("tiny.gguf"), Path("here.db"))


def test_gpus_are_a_list_in_the_file_and_comma_separated_in_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, 'gpus = ["GPU-a", "GPU-b"]')
    assert load({}, file).settings.gpus == ("GPU-a", "GPU-b")
    monkeypatch.setenv("SPROUT_GPUS", "GPU-c,GPU-d,")
    assert load({}, file).settings.gpus == ("GPU-c", "GPU-d")


def test_variants_are_a_table_in_the_file_and_name_file_pairs_elsewhere(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, '[variants]\nq4_0 = "models/x.gguf"\n"Q8" = "/y.gguf"')
    assert load({}, file).settings.variants == {
        "q4_0": file.parent / "models" / "x.gguf",
        "Q8": Path("/y.gguf"),
    }
    monkeypatch.setenv("SPROUT_VARIANTS", "a=x.gguf,b=/p=q.gguf")
    assert load({}, file).settings.variants == {"a": Path("x.gguf"), "b": Path("/p=q.gguf")}
    assert load({"variants": ["c=z.gguf"]}, file).settings.variants == {"c": Path("z.gguf")}


def test_an_empty_flag_or_variable_leaves_the_variants_of_the_file_out(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, 'variants = {q4_0 = "x.gguf"}')
    assert load({"variants": [""]}, file).settings.variants == {}
    assert load({"variants": ()}, file).settings.variants == {}
    monkeypatch.setenv("SPROUT_VARIANTS", "")
    assert load({}, file).settings.variants == {}


def test_the_embodied_rate_may_be_a_number_in_the_file(file: Path) -> None:
    assert float(load({}, write(file, "embodied = 0.25")).settings.embodied) == 0.25


def test_visible_gpus_are_read_once_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert load({}).cuda_visible is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert load({}).cuda_visible == "1,0"


# what is wrong


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("tolerance = 1.5", "tolerance"),
        ("explore = 1", "explore"),
        ("pue = 0.9", "pue"),
        ("parallel = 0", "parallel"),
        ("parallel = 2.5", "parallel"),
        ("threads = 513", "threads"),  # GGML_MAX_N_THREADS is 512
        ("ctx = 63", "ctx"),
        ("ctx = 2147483648", "ctx"),  # llama.cpp counts tokens in int32
        ("gpu_layers = -2", "gpu_layers"),
        ("max_tokens = 0", "max_tokens"),
        ("temperature = -1", "temperature"),
        ("keep_text_limit = 0", "keep_text_limit"),
        ("watts_per_core = 0", "watts_per_core"),
        ("watts_per_core = inf", "watts_per_core"),
        ("tolerance = nan", "tolerance"),
        ("zone = 5", "zone"),
        ('factor = "marginal"', "factor"),
        ("gpus = [1]", "gpus"),
        ("model = 5", "model"),
        ('keep_text = "perhaps"', "keep_text"),
        ("variants = 5", "variants"),
        ('variants = {"a/b" = "x.gguf"}', "variants"),
        ('variants = {"a b" = "x.gguf"}', "variants"),
        ('variants = {"" = "x.gguf"}', "variants"),
        ('variants = {a = ""}', "variants"),
        ("variants = {a = 5}", "variants"),
        (r'variants = {a = "x\u0000.gguf"}', "variants"),
        ("variants = [5]", "variants"),
    ],
)
def test_a_bad_value_in_the_file_is_told_with_file_key_and_value(
    file: Path, line: str, name: str
) -> None:
    with pytest.raises(InputError) as raised:
        load({}, write(file, line))
    assert str(raised.value).startswith(f"{file}: `{name}` = ")


def test_an_unknown_key_in_the_file_is_told_with_its_name(file: Path) -> None:
    with pytest.raises(InputError) as raised:
        load({}, write(file, "tolerence = 0.1"))
    assert str(raised.value) == f"{file}: unknown setting `tolerence`"


def test_a_table_in_the_file_is_an_unknown_key(file: Path) -> None:
    with pytest.raises(InputError, match="unknown setting `run`"):
        load({}, write(file, "[run]\nparallel = 1"))


def test_a_bad_value_in_the_environment_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPROUT_PARALLEL", "many")
    with pytest.raises(InputError, match="SPROUT_PARALLEL: `parallel` = 'many'"):
        load({})


def test_a_bad_flag_is_wrong_usage_and_told_as_it_is_typed() -> None:
    with pytest.raises(UsageError, match="--max-tokens = 0") as raised:
        load({"max_tokens": 0})
    assert raised.value.exit_code == 2


def test_a_good_flag_hides_a_bad_value_below_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_PARALLEL", "many")
    assert load({"parallel": 2}, write(file, "parallel = 0")).settings.parallel == 2


def test_other_variables_with_the_prefix_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPROUT_UNKNOWN", "1")
    load({})


def test_every_policy_that_can_be_followed_can_be_set() -> None:
    live = {name for name, policy in POLICIES.items() if policy.is_live}
    assert set(get_args(LivePolicy)) == live
    assert {load({"policy": name}).settings.policy for name in live} == live
    with pytest.raises(UsageError, match="--policy = 'oracle'"):
        load({"policy": "oracle"})


# the model and the threads


def test_a_model_that_is_set_is_taken_as_it_is() -> None:
    settings = load({"model": Path("/nowhere/tiny.gguf")}).settings
    assert configuration.model_path(settings) == Path("/nowhere/tiny.gguf")


def test_without_one_the_installed_model_is_taken(model_path: Path) -> None:
    assert configuration.model_path(load({}).settings) == model_path


def test_without_any_model_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({}).settings
    monkeypatch.setattr(sys, "path", [])  # so no package is installed
    with pytest.raises(NotReadyError, match=r"pass --model FILE\.gguf") as raised:
        configuration.model_path(settings)
    assert raised.value.exit_code == 78


def test_threads_are_at_least_one_and_no_more_than_allowed() -> None:
    assert 1 <= num_cores() <= len(os.sched_getaffinity(0))


def test_another_programs_key_is_read_where_ours_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    found = load({})
    assert found.keys.get("judge_key") == "sk-other"
    assert found.keys.found["judge_key"].source == "OPENAI_API_KEY"
    monkeypatch.setenv("SPROUT_JUDGE_KEY", "sk-ours")
    found = load({})
    assert found.keys.get("judge_key") == "sk-ours"
    assert found.keys.found["judge_key"].source == "SPROUT_JUDGE_KEY"
    assert "sk-" not in repr(found)


def test_a_key_of_the_wrong_kind_is_not_shown(file: Path) -> None:
    write(file, "judge_key = 12345")
    file.chmod(0o600)
    with pytest.raises(InputError) as raised:
        load({}, file)
    assert "12345" not in str(raised.value)


def test_a_key_that_cannot_be_sent_is_refused_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u00e9")  # of another program, for all we know
    keys = load({}).keys
    with pytest.raises(InputError, match="OPENAI_API_KEY: `judge_key`") as raised:
        keys.get("judge_key")
    assert "sk-" not in str(raised.value)
