"""The command, the folder's two forms, and the comparison itself."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from ltr.admin.errors import BadInput
from tests.golden import formulas
from tests.golden.__main__ import main
from tests.golden.comparison import Comparison, committed_tolerances
from tests.golden.folder import COMMITTED, Arrays, Golden, parse_slices
from tests.golden.tolerances import Tolerance

ONE = ["--only", "middleware"]


class SameForAll:
    """Tolerances that are the same for all quantities."""

    def __init__(self, absolute: float):
        self.absolute = absolute

    def get(self, _check: str, _what: str) -> Tolerance:
        return Tolerance(self.absolute)


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(COMMITTED / "seed0", tmp_path / "seed0")
    return tmp_path / "seed0"


def test_all_within_the_tolerance(copied, capsys):
    assert main([str(copied), *ONE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "6 passed, 0 failed" and all(line.endswith("pass") for line in lines[:-1])
    tolerance = committed_tolerances().get("middleware", "box in the frame px")
    assert lines[0].startswith("middleware box in the frame px ")
    assert f" tolerance {tolerance} " in lines[0]


def test_a_number_that_differs(copied, capsys):
    with np.load(copied / "middleware.npz") as file:
        arrays = dict(file)
    arrays["recovered"][0, 0] += 0.01
    np.savez(copied / "middleware.npz", **arrays)
    assert main([str(copied), *ONE]) == 1
    out = capsys.readouterr().out
    assert (
        "5 passed, 1 failed" in out
        and "abs 1.00e-02" in out.splitlines()[0]
        and out.splitlines()[0].endswith("FAIL")
    )


def test_a_check_that_breaks_down_fails_and_the_others_go_on(copied, capsys):
    (copied / "sampler_helpers.json").write_text("[1]")
    assert main([str(copied), "--only", "sampler"]) == 1
    captured = capsys.readouterr()
    assert "Traceback" in captured.err and "FAIL: " in captured.out
    assert "sampler_state_update state" in captured.out and "2 passed, 1 failed" in captured.out


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "crops.npz").unlink(), "lacks crops.npz; copy"),
        (lambda folder: shutil.rmtree(folder / "analysis" / "gt"), "lacks analysis/gt; copy"),
        (lambda folder: (folder / "meta.json").unlink(), "has no meta.json"),
        (lambda folder: (folder / "meta.json").write_text("{}"), "does not name the seed"),
    ],
    ids=["a file", "a folder", "the seed's file", "the seed"],
)
def test_what_is_missing_is_named(copied, capsys, damage, message):
    damage(copied)
    assert main([str(copied)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_unknown_check(copied, capsys):
    assert main([str(copied), "--only", "nosuch"]) == 2
    assert "no check is called" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ours", "theirs", "passed", "absolute"),
    [
        ([1.0, 2.0], [1.0, 2.05], True, 0.05),
        ([1.0, 2.0], [1.0, 2.2], False, 0.2),
        ([np.nan, np.inf], [np.nan, np.inf], True, 0),
        ([np.nan], [1.0], False, np.inf),
        ([np.inf], [-np.inf], False, np.inf),
        ([1.0], [[1.0]], False, np.inf),
        ([], [], True, 0),
    ],
    ids=["within", "beyond", "the same NaN", "a NaN", "infinite", "other shape", "empty"],
)
def test_comparison(ours, theirs, passed, absolute):
    compare = Comparison("check", SameForAll(0.1))
    compare.close("what", ours, theirs)
    (result,) = compare.results
    assert result.passed is passed and result.absolute == pytest.approx(absolute)


def test_the_worst_of_several_comparisons_counts():
    compare = Comparison("check", SameForAll(0.2))
    for ours in (1.0, 1.5, 1.1):
        compare.close("what", ours, 1.0)
    compare.equal("other", {"a": 1}, {"a": 1})
    first, second = compare.results
    assert (first.name, first.passed, first.absolute) == (
        "check what",
        False,
        0.5,
    ) and second.passed


@pytest.mark.parametrize(("outliers", "passed"), [(0.0, False), (0.2, False), (0.25, True)])
def test_outliers_are_a_share_of_the_values(outliers, passed):
    compare = Comparison("check", SameForAll(0.1))
    compare.close("what", [1.0, 2.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0], outliers=outliers)
    assert compare.results[0].passed is passed


def test_slack_is_added_to_the_tolerance():
    compare = Comparison("check", SameForAll(0.1))
    compare.close("within", 1.55, 1.0, slack=0.5)
    compare.close("beyond", 1.65, 1.0, slack=0.5)
    assert [result.passed for result in compare.results] == [True, False]


@pytest.mark.parametrize("text", ["::2", ":, 1:7:3", ":3, :, ::4"])
def test_slices_are_read_as_they_are_written(text, tmp_path):
    array = np.arange(6 * 8 * 9).reshape(6, 8, 9)
    part = eval(f"array[{text}]")
    np.testing.assert_array_equal(array[parse_slices(text)], part)
    np.savez(tmp_path / "x.npz", **{f"a.b[{text}]": part, "whole": array})
    stored = Arrays(tmp_path / "x.npz")
    ours, theirs = stored.like("a.b", torch.from_numpy(array))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(stored.first("a.b"), part)
    assert "a.b" not in stored and "whole" in stored and stored.names("a") == [".b"]
    with pytest.raises(BadInput, match=r"no array 'a\.b'"):
        stored["a.b"]


def test_committed_numbers_are_the_shared_ones(shared_dir):
    for path in sorted((COMMITTED / "seed0").glob("*.npz")):
        whole = np.load(shared_dir / "golden" / "seed0" / path.name)
        stored = Arrays(path)
        for name in stored.names(""):
            np.testing.assert_array_equal(
                *stored.like(name, whole[name]), err_msg=f"{path.name} {name}"
            )


def test_formulas_are_those_of_the_shared_numbers(shared_dir):
    spec = importlib.util.spec_from_file_location("golden_fill", shared_dir / "golden" / "fill.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    for variant in ("plain", "zm"):
        expected = theirs.fill(nn.Sequential(*net), 3, variant=variant).state_dict()
        expected = {name: value.clone() for name, value in expected.items()}
        ours = formulas.fill(nn.Sequential(*net), 3, variant).state_dict()
        assert all(torch.equal(ours[name], expected[name]) for name in expected)
    assert torch.equal(
        formulas.image(5, "x", 37, 50, cell=6, count=2), theirs.image(5, "x", 37, 50, cell=6, b=2)
    )


def test_files_of_all_seeds_are_found_in_any_of_their_places(tmp_path):
    (tmp_path / "seed7").mkdir()
    (tmp_path / "seed7" / "meta.json").write_text(json.dumps({"seed": 7}))
    golden = Golden(tmp_path / "seed7")
    assert golden.seed == 7 and golden.common("lr_schedules.json").parent == COMMITTED
    (tmp_path / "lr_schedules.json").write_text("{}")
    assert golden.common("lr_schedules.json").parent == tmp_path
    (tmp_path / "seed7" / "lr_schedules.json").write_text("{}")
    assert golden.common("lr_schedules.json").parent == tmp_path / "seed7"
