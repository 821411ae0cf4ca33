"""The tolerances' rule, their file, the table in docs/fidelity.md, and the measurement itself."""

import json

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from tests.golden.checks import CHECKS
from tests.golden.checks.train_step import SURE_GRADIENT
from tests.golden.comparison import Check, Comparison
from tests.golden.exact import ExactGolden, InFloat64
from tests.golden.fidelity import read_table, table
from tests.golden.folder import COMMITTED, Golden
from tests.golden.spread import OBSERVED, Recorder
from tests.golden.tolerances import (
    ABSOLUTE,
    FLOOR_FLOAT32,
    MARGIN,
    MIXED,
    RELATIVE,
    Distance,
    Quantity,
    Tolerance,
    Tolerances,
    distance,
    rounded_up,
)


@pytest.fixture(scope="module")
def committed():
    return Tolerances.load()


def test_document_holds_the_table(committed):
    assert read_table() == table(committed)


def test_no_tolerance_is_below_what_a_machine_has_shown(committed):
    seen = 0
    for machine in json.loads(OBSERVED.read_text())["machines"]:
        for name, shown in machine["differences"].items():
            check, what = name.split(" ", 1)
            if what not in committed.quantities.get(check, {}):
                continue
            tolerance = committed.get(check, what)
            assert shown.get("absolute", 0) <= tolerance.absolute or tolerance.relative, name
            assert shown.get("relative", 0) <= tolerance.relative or tolerance.absolute, name
            seen += 1
    assert seen > 100


def test_sure_gradients_are_above_their_tolerance(committed):
    for stage in ("burnin", "spsup"):
        tolerance = committed.get(f"train_step_transt_{stage}", "gradients")
        assert 2 * tolerance.absolute <= SURE_GRADIENT


def test_file_that_was_edited_by_hand(tmp_path, committed):
    committed.save(tmp_path / "file.json", {})
    stored = json.loads((tmp_path / "file.json").read_text())
    stored["checks"]["middleware"]["box in the frame px"]["tolerance"]["absolute"] = 1.0
    (tmp_path / "file.json").write_text(json.dumps(stored))
    with pytest.raises(BadInput, match="not the one that its spread gives"):
        Tolerances.load(tmp_path / "file.json")


def test_unknown_quantity_names_the_command(committed):
    with pytest.raises(BadInput, match=r"python -m tests\.golden\.spread"):
        committed.get("crops", "nosuch")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (1, 1), (1.1, 2), (3e-7, 5e-7), (5.1e-7, 1e-6), (0.02, 0.02)],
)
def test_rounding_up(value, expected):
    assert rounded_up(value) == pytest.approx(expected)


def test_tolerance_follows_from_the_spread():
    quantity = Quantity(ABSOLUTE, 1.0, False, Distance(1e-4), Distance(3e-4), Distance(2e-4))
    assert quantity.tolerance == Tolerance(rounded_up(MARGIN * 3e-4))
    observed = Quantity(ABSOLUTE, 1.0, False, Distance(), Distance(), Distance(), Distance(4e-3))
    assert observed.tolerance == Tolerance(0.01)
    silent = Quantity(RELATIVE, 1.0, False, Distance(), Distance(), Distance())
    assert silent.tolerance == Tolerance(0, rounded_up(FLOOR_FLOAT32))


def test_distances_by_kind():
    theirs = np.array([100.0, 1.0, 1e-6])
    ours = theirs + np.array([1.0, 0.1, 1e-6])
    assert distance(ours, theirs, ABSOLUTE).absolute == pytest.approx(1.0)
    assert distance(ours, theirs, RELATIVE).relative == pytest.approx(1.0)
    mixed = distance(ours, theirs, MIXED)
    assert mixed.absolute == pytest.approx(1e-6) and mixed.relative == pytest.approx(0.1)
    assert distance(ours, theirs, ABSOLUTE, outliers=0.34).absolute == pytest.approx(0.1)
    assert distance(ours, theirs, ABSOLUTE, slack=0.4).absolute == pytest.approx(0.6)


def test_float64_computes_in_float64_with_the_same_draws():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(4, generator=generator)
    with InFloat64():
        again = torch.randn(4, generator=generator.manual_seed(0))
        third = torch.tensor([1], dtype=torch.uint8).float() / 3
        zeros = torch.zeros(2, dtype=torch.float32) + again[:2]
    assert torch.equal(again.float(), drawn)
    assert third.dtype == torch.float64 and third.item() == 1 / 3
    assert zeros.dtype == torch.float64


def test_rounded_inputs_are_the_same_float32_numbers_but_for_the_last_bit():
    exact = ExactGolden(COMMITTED / "seed0", 0).arrays("middleware.npz")["best_bbox"]
    rounded = ExactGolden(COMMITTED / "seed0", 0, noise=1).arrays("middleware.npz")["best_bbox"]
    assert rounded.dtype == np.float64 and not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=2.0**-24, atol=0)


def test_recorder_keeps_results_as_they_were(committed):
    recorder = Recorder("check")
    values = np.array([1.0, 2.0])
    recorder.close("what", values, np.zeros(2), slack=0.5)
    values[0] = 9.0
    (kept,) = recorder.recorded["what"].values
    assert kept.tolist() == [1.0, 2.0] and recorder.recorded["what"].slack == 0.5


def test_checks_multiply_in_full_float32_whatever_the_process_has_chosen(committed):
    inside = []
    check = Check("check", lambda golden, compare: inside.append(precision()), ())
    before = precision()
    torch.set_float32_matmul_precision("medium")
    try:
        check.compare(Golden(COMMITTED / "seed0"), Comparison("check", committed))
        after = precision()
    finally:
        torch.set_float32_matmul_precision(before)
    assert inside == ["highest"] and after == "medium"


def test_numeric_tests_start_in_full_float32():
    assert precision() == "highest"


def precision() -> str:
    return torch.get_float32_matmul_precision()


def test_every_toleranced_check_exists(committed):
    assert set(committed.quantities) <= {check.name for check in CHECKS}
