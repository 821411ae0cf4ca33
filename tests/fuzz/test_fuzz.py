"""A minute of the campaign in every run of the tests, and that it sees what it is there to see."""

from __future__ import annotations

import os
import random
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from tests.fuzz import running
from tests.fuzz.__main__ import table
from tests.fuzz.running import ENDED, LARGE, SENTENCE, SLOW, TAKEN, TRACEBACK, Tally, outcome_of
from tests.fuzz.targets import TARGETS, Target, fresh

# Inputs of each target: all of them together take less than a minute.
EXAMPLES = 12


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_input_is_taken_or_refused_with_one_sentence(target, tmp_path, monkeypatch):
    monkeypatch.chdir(fresh(tmp_path / "work"))
    trial = target.prepare(tmp_path / "work")

    @seed(0)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(number=st.integers(0, 10**9))
    def try_one(number: int) -> None:
        began = time.monotonic()
        try:
            trial(random.Random(f"{target.name} {number}"))
        except (running.BadInput, SystemExit) as error:
            assert "\n" not in str(error) and len(str(error)) <= running.LONGEST_SENTENCE
        assert time.monotonic() - began < running.LONGEST_SECONDS

    try_one()


def _raise(error):
    raise error


def _refuse(text, _):
    raise BadValue(text)


def _sleep(_):
    time.sleep(60)


def _end(_):
    os._exit(7)


def _fill(_):
    return bytearray(1_300_000_000)


BEHAVIOURS = {
    TAKEN: lambda draw: draw.random(),
    SENTENCE: lambda _: _raise(BadValue("file: wrong; correct it")),
    TRACEBACK: lambda _: _raise(KeyError("x")),
    SLOW: _sleep,
    LARGE: _fill,
    ENDED: _end,
}


@pytest.mark.parametrize("outcome", BEHAVIOURS)
def test_every_outcome_is_seen(outcome, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "LONGEST_SECONDS", 0.2 if outcome == SLOW else 30.0)
    tally = running.run(Target("x", lambda _: BEHAVIOURS[outcome]), tmp_path / "work", 5, 1)
    assert dict(tally.counts) == {outcome: 1}
    assert [failure[0] for failure in tally.failures] == (
        [] if outcome in (TAKEN, SENTENCE) else [5]
    )


def test_what_is_not_one_sentence_fails():
    for text in ("", "two\nlines", "x" * 2000):
        refuse = partial(_refuse, text)
        assert outcome_of(Target("x", partial(_refuse, text)), refuse, 0)[0] == TRACEBACK


def test_the_table_counts_by_outcome():
    tally = Tally()
    for outcome in (TAKEN, TAKEN, TRACEBACK):
        tally.add(1, outcome, "")
    assert "| x | 3 | 2 | 0 | 1 | 0 | 0 | 0 |" in table({"x": tally})
