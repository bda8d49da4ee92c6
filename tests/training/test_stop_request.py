"""The first signal asks, the second ends."""

import os
import signal

import pytest

from tfcyclegan.errors import UserError
from tfcyclegan.training.stop_request import StopRequest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_is_remembered_and_ends_the_command_with_its_code(number, code):
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with StopRequest() as stop:
        stop.leave("epoch 1")  # nothing came: nothing happens
        os.kill(os.getpid(), number)
        assert stop.received == number
        assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        with pytest.raises(UserError, match=f"stopped by {number.name}; epoch 2 is saved") as left:
            stop.leave("epoch 2")
    assert left.value.exit_code == code
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before
