"""ltr.parallel.stopping: SIGTERM in a loop, anywhere, twice, and with a loader whose workers it has
ended.
"""

import os
import signal

import pytest

from ltr.parallel import stopping
from ltr.parallel.stop_requests import stop_requests


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def status_of(work) -> int:
    """Exit status of a child process that does `work`, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            work()
        except SystemExit as ended:
            os._exit(ended.code)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_request_is_noted_and_ends_the_batches_but_no_batch():
    with stop_requests() as request:
        seen = []
        for batch in request.until(range(9)):
            if batch == 3:
                terminate()
            seen.append(batch)
    assert seen == [0, 1, 2, 3] and request.requested
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("patience", "status"), [(0.0, -signal.SIGTERM), (60.0, 0)], ids=["later", "with the first"]
)
def test_a_second_signal_ends_the_process_unless_it_comes_with_the_first(
    monkeypatch, patience, status
):
    monkeypatch.setattr(stopping, "PATIENCE", patience)

    def twice():
        with stop_requests():
            terminate()
            terminate()

    assert status_of(twice) == status


def test_anywhere_it_leaves_with_status_143_and_blocks_within_blocks_have_their_own(capsys):
    with pytest.raises(SystemExit) as ended, stopping.ending_on_sigterm("the rest is kept"):
        with stop_requests() as request:
            terminate()
        assert request.requested
        terminate()
        raise AssertionError("not reached")
    assert (
        ended.value.code == 143
        and capsys.readouterr().err == "Stopped by SIGTERM: the rest is kept\n"
    )


def test_handlers_of_others_are_respected():
    seen = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with stop_requests() as request, stopping.ending_on_sigterm(""):
            terminate()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert seen == [1] and not request.requested


@pytest.mark.parametrize("asked", [True, False])
def test_loader_workers_that_the_signal_ended_are_no_failure(asked):
    def batches():
        yield 0
        if asked:
            terminate()
        raise RuntimeError("DataLoader worker exited unexpectedly")

    with stop_requests() as request:
        if asked:
            assert list(request.until(batches())) == [0]
        else:
            with pytest.raises(RuntimeError, match="DataLoader"):
                list(request.until(batches()))
