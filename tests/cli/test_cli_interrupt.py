"""An interrupt before anything was begun: the process ends, and says no more than that."""

import signal
import subprocess
import time

import pytest
from cli.program import PATIENCE_S, sprout, start

from sprout.cli import output
from sprout.errors import DiskError


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


def test_what_an_interrupt_breaks_is_told_as_an_interrupt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for cause in (KeyboardInterrupt(), ImportError("within")):
        if isinstance(cause, ImportError):
            cause.__context__ = KeyboardInterrupt()
        with pytest.raises(output.ReportedExit) as raised:
            fail(ImportError("initialization failed"), cause)
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
