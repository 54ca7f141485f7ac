"""Several runs at once on one store, and on one output file."""

import subprocess
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, REPLAY, ids, read_lines, select, start, write_prompts

NUM_RUNS = 8


@pytest.mark.slow
def test_eight_runs_share_a_fresh_store(store: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 150)
    outputs = [Path(f"out-{n}.jsonl") for n in range(NUM_RUNS)]
    processes = [
        start("run", prompts, *REPLAY, "-o", output, stderr=subprocess.PIPE) for output in outputs
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, stderr) == (0, b"")

    assert select(store, "PRAGMA integrity_check") == [("ok",)]
    assert select(store, "SELECT count(*), count(finished_at) FROM runs") == [(NUM_RUNS, NUM_RUNS)]
    for output in outputs:
        lines = read_lines(output)
        assert sorted(ids(lines)) == sorted(f"q{n}" for n in range(150))
        ((count, energy_j),) = select(
            store,
            "SELECT count(c.finished_at), sum(energy_j) FROM completions c JOIN runs USING (run_id)"
            " WHERE output = ?",
            str(output.resolve()),
        )
        assert count == 150
        told_j = sum(line["sprout"]["energy_j"] for line in lines)
        assert energy_j == pytest.approx(told_j, rel=1e-9)

    # every request that was learned from is counted once
    ((learned, by_task),) = select(
        store,
        "SELECT sum(num_requests) FILTER (WHERE task = '*'),"
        " sum(num_requests) FILTER (WHERE task <> '*') FROM profiles",
    )
    assert learned == by_task
    assert learned >= NUM_RUNS * 150


@pytest.mark.slow
def test_two_runs_into_one_file_begun_together_write_it_once(out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 400)
    processes = [
        start("run", prompts, *REPLAY, "-o", out, "--parallel", 1, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    stderr = [process.communicate(timeout=PATIENCE_S)[1] for process in processes]
    # the second comes while the first writes, or after it has finished
    assert sorted(process.returncode for process in processes) in ([0, 73], [0, 75])
    assert all(text.count(b"\n") <= 1 for text in stderr)
    assert len(read_lines(out)) == 400
