"""What the processes of the store's tests do; each is told paths only."""

import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sprout.costs import Conditions, Sample
from sprout.state.profiles import Profiles
from sprout.state.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOBODY = 65534
WAIT_S = 60.0

Work = Callable[[Path, int], None]


def run_together(work: Work, paths: Sequence[Path], num_processes: int) -> list[str]:
    """Do `work` on each path, one after the other, in processes that start each path together.

    Returns what went wrong, one text per failure.
    """
    # not forked from here: that would copy the threads' locks of everything the tests loaded
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sprout.state.profiles"])
    barrier = context.Barrier(num_processes)
    processes, receivers = [], []
    for number in range(num_processes):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (work, paths, number, barrier, sender)
        process = context.Process(target=_work_on, args=arguments)
        process.start()
        sender.close()
        processes.append(process)
        receivers.append(receiver)
    failures: list[str] = []
    for receiver, process in zip(receivers, processes, strict=True):
        try:
            failures += receiver.recv()
        except EOFError:
            failures.append(f"process ended with {process.exitcode}")
        receiver.close()
        process.join()
        process.close()
    return failures


def _work_on(
    work: Work, paths: Sequence[Path], number: int, barrier: Barrier, sender: Connection
) -> None:
    failures = []
    for path in paths:
        barrier.wait(WAIT_S)
        try:
            work(path, number)
        except Exception:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(traceback.format_exc())
    sender.send(failures)


def open_store(path: Path, _number: int) -> None:
    Store.open(path).close()


def count_up(path: Path, _number: int) -> None:
    """Read a counter, then write it, twenty times."""
    with Store.open(path) as store:
        for _ in range(20):
            with store.write() as connection:
                (joules,) = connection.execute("SELECT metered_j FROM runs").fetchone()
                connection.execute("UPDATE runs SET metered_j = ?", (joules + 1,))


def learn(path: Path, number: int) -> None:
    """Learn a hundred requests one at a time: 1 J each in one process, 2 J in the next."""
    with Store.open(path) as store:
        for _ in range(100):
            sample = Sample("key", "", 1.0 + number % 2, 0.5, 20, 30)
            Profiles(store).learn(Conditions("m", "x", 8, 2, 0, 256, "rapl"), [sample], NOW)


def write_on_a_full_disk(path: Path, _number: int) -> None:
    """Write until a file may not grow any more; say of what kind the error is."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Store.open(path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        for i in range(100):
            with store.write() as connection:
                row = (f"run-{i}", "prompt", "[]", "x" * 100_000)
                connection.execute(
                    "INSERT INTO texts (run_id, prompt_id, chat, answer) VALUES (?, ?, ?, ?)", row
                )


def open_as_nobody(path: Path, _number: int) -> None:
    os.setuid(NOBODY)
    Store.open(path).close()
