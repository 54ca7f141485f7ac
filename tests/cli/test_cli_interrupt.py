"""An interrupt before anything was begun: the process ends, and says no more than that."""

import os
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, RECORDING, REPLAY, select, sprout, start, wait_until
from meter.meter_fake_rapl import add_zone

from sprout.cli import output, wiring
from sprout.cli.host import Host
from sprout.cli.measuring import CALIBRATION, bundled_prompts, measure_levels
from sprout.config.sources import load
from sprout.errors import DiskError, EngineError
from sprout.state.profiles import Profiles
from sprout.state.store import Store


@pytest.mark.slow
@pytest.mark.parametrize("wait_s", [0.06, 0.1, 0.15, 0.3])
def test_an_interrupt_while_modules_load_is_no_traceback(wait_s: float) -> None:
    process = start("doctor", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(wait_s)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    # the interpreter, before it runs a line of ours, has its own words
    assert b"/sprout/" not in stderr.replace(b"/sprout/__main__.py", b"")
    assert b"ImportError" not in stderr
    assert process.returncode in {-signal.SIGINT, 0, 1, 130}


def fail(error: Exception, cause: BaseException | None) -> None:
    with output.command("trial"):
        raise error from cause


@pytest.mark.parametrize("error", [ImportError("failed"), EngineError("cannot be loaded")])
def test_what_an_interrupt_breaks_is_told_as_an_interrupt(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    for cause in (KeyboardInterrupt(), ImportError("within")):
        if isinstance(cause, ImportError):
            cause.__context__ = KeyboardInterrupt()
        with pytest.raises(output.ReportedExit) as raised:
            fail(error, cause)
        assert raised.value.code == 130
        assert capsys.readouterr().err == "sprout trial: interrupted\n"


def test_a_bug_stays_a_bug_and_an_error_of_ours_keeps_its_code() -> None:
    with pytest.raises(ImportError, match="no module"):
        fail(ImportError("no module"), ValueError("why"))
    with pytest.raises(output.ReportedExit) as raised:
        fail(DiskError("full"), None)
    assert raised.value.code == 74


def test_a_command_inside_another_program_leaves_its_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert sprout("--version").code == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_of_a_calibration_ends_it_at_the_next_step(store: Path) -> None:
    """On a slow machine a group of prompts takes minutes."""
    config = load({"model": RECORDING, "state": store}, None)
    power = wiring.open_power(config)
    host = Host(config, wiring.engine_options(config.settings), power.meter)
    with Store.open(store) as opened, closing(host):
        known = wiring.know(opened, config, power, 300.0)
        engine, prompts = host.open(), bundled_prompts(config.settings)
        out = output.Out("trial")
        assert measure_levels(out, known, engine, prompts, CALIBRATION, lambda: True) == []
        assert not engine.engine.is_busy
        assert Profiles(opened).costs(known.conditions) == {}


@pytest.mark.slow
def test_an_interrupt_while_the_idle_machine_is_watched_is_heard(store: Path) -> None:
    add_zone(Path("powercap"), "intel-rapl:0", "package-0", 1_000_000)
    process = start(
        "profile", *REPLAY, "--idle", 600, stderr=subprocess.PIPE,
        env={**os.environ, "SPROUT_POWERCAP": "powercap"},
    )  # fmt: skip
    wait_until(store.exists, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143
    assert b"stopped after 0 answers" in stderr
    assert select(store, "SELECT count(*) FROM baselines") == [(0,)]
