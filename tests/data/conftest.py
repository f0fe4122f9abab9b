import signal

import pytest


@pytest.fixture
def soon():
    """A test that waits for a pipe fails, and does not wait for ever."""

    def stop(*_):
        raise TimeoutError("still waiting after 20 seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
