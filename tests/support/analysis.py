"""Ground truth, results and trackers to analyse."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest

from pytracking.analysis import plot_results
from pytracking.evaluation import environment

mpl.use("Agg")

G = np.tile([10.0, 10, 20, 20], (10, 1))
P = np.array([[10, 10, 20, 20]] + [[15, 10, 20, 20]] * 9)
ALL = ("success", "prec", "norm_prec")
HALF = np.arange(10) < 5
SHOWN = np.ones(10, bool)


def tracker(
    folder: Path,
    results,
    label=None,
    name="toy",
    run_id=None,
    param="p",
    delimiter="\t",
    scores=None,
    fmt="%d",
):
    """A tracker with `results` {sequence name: boxes} and presence `scores` {sequence name: values}
    on disk.
    """
    place = folder / "results" / name / (param if run_id is None else f"{param}_{run_id:03d}")
    place.mkdir(parents=True, exist_ok=True)
    for sequence, boxes in results.items():
        np.savetxt(place / f"{sequence}.txt", boxes, delimiter=delimiter, fmt=fmt)
    for sequence, values in (scores or {}).items():
        np.savetxt(place / f"{sequence}_object_presence_scores.txt", values)
    return SimpleNamespace(
        name=name,
        parameter_name=param,
        run_id=run_id,
        display_name=label,
        results_dir=str(place),
        segmentation_dir=str(folder / "masks" / name / param),
    )


def seq(name="s1", tag="otb", gt=G, vis=None):
    """A sequence with the ground truth `gt`."""
    return SimpleNamespace(
        name=name,
        dataset=tag,
        ground_truth_rect=np.array(gt, float),
        target_visible=vis,
        frames=["f"] * len(gt),
        object_class=None,
    )


def scores(one, sequence, **kwargs) -> list[float]:
    """The row of `print_results` of one tracker on one sequence, rounded."""
    table = plot_results.print_results(
        [one], [sequence], "r", plot_types=ALL, force_evaluation=True, verbose=False, **kwargs
    )
    return [round(value, 2) for value in next(iter(table.values())).values()]


@pytest.fixture
def plots(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where reports go; `env_settings()` says so. Figures that a test kept from being saved are
    closed.
    """
    settings = SimpleNamespace(
        result_plot_path=f"{tmp_path}/plots/", got_reports_path=f"{tmp_path}/got"
    )
    monkeypatch.setattr(environment, "env_settings", lambda: settings)
    yield tmp_path / "plots"
    mpl.pyplot.close("all")


@pytest.fixture
def new(tmp_path, plots) -> Callable[..., SimpleNamespace]:
    """`tracker` under tmp_path: `new({"s1": boxes}, "Label")`."""
    return functools.partial(tracker, tmp_path)
