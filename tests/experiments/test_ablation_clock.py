"""Commands inside a budget: stopped in time, stopped on request, and what their end is called."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tfcyclegan.experiments.ablation import clock as ablation_clock

SAVES = [
    sys.executable,
    "-c",
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(143)))\n"
    "print('started', flush=True); time.sleep(60)",
]
"""A command that saves on SIGTERM, as training does."""
SETUP = f"""
import sys
from pathlib import Path
from tfcyclegan.experiments.ablation.clock import Clock
from tfcyclegan.errors import UserError
try:
    with Clock(0) as clock:
        clock.run({SAVES!r}, Path(sys.argv[1]))
except UserError as error:
    print(error); sys.exit(error.exit_code)
"""


def fails(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_that_works_and_one_that_fails(tmp_path):
    clock, log = ablation_clock.Clock(0), tmp_path / "new" / "log.txt"
    with pytest.raises(ablation_clock.Failed, match="^error: first$"):
        clock.run(fails("print('error: first'); raise SystemExit(1)"), log)
    clock.run(fails("print('fine')"), log)
    # An older error is not blamed for what died without a word.
    with pytest.raises(ablation_clock.Failed, match="exit code 3; see .*log.txt"):
        clock.run(fails("raise SystemExit(3)"), log)
    assert log.read_text() == "error: first\nfine\n"


def test_the_budget_ends_a_command_early_enough_to_save(tmp_path):
    clock, log = ablation_clock.Clock(4 / 60), tmp_path / "log.txt"
    with pytest.raises(ablation_clock.OutOfTime):
        clock.run(SAVES, log)
    assert 3.5 < clock.elapsed() < 4
    assert log.read_text() == "started\nsaved\n"
    with pytest.raises(ablation_clock.OutOfTime):
        clock.run(fails("print('late')"), log)
    assert "late" not in log.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_command_save_and_is_told(tmp_path, number, code):
    log = tmp_path / "log.txt"
    process = subprocess.Popen(
        [*fails(SETUP), str(log)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    while not (log.is_file() and log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    text, _ = process.communicate(timeout=20)
    assert process.returncode == code
    assert f"stopped by {number.name}; what ran is saved, and the same command continues." in text
    assert log.read_text() == "started\nsaved\n"
