"""SIGTERM while sequences are tracked: what is finished stays, nothing is half-done."""

import os
import signal

import pytest

from pytracking.evaluation import Tracker, get_dataset, running
from pytracking.evaluation.results import results_exist


def test_finished_sequences_are_kept_and_the_process_leaves_with_143(
    got10k, machine, monkeypatch, capsys
):
    save, tracker, dataset = (
        running.save_results,
        Tracker("moving", "default"),
        get_dataset("got10k_val"),
    )

    def asked_in_the_second(seq, *arguments):
        if seq is dataset[1]:
            os.kill(os.getpid(), signal.SIGTERM)
        save(seq, *arguments)

    monkeypatch.setattr(running, "save_results", asked_in_the_second)
    with pytest.raises(SystemExit) as ended:
        running.run_dataset(dataset, [tracker])
    assert ended.value.code == 143 and "finished sequences are kept" in capsys.readouterr().err
    assert [results_exist(seq, tracker.results_dir) for seq in dataset] == [True, False]
    assert not [name for name in os.listdir(tracker.results_dir) if name.endswith(".tmp")]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
