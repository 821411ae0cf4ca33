"""Draw, as strips, the frames whose box a run knows: since which epoch, how confidently."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spot_ext.report.charts import bars, percent
from spot_ext.report.pictures import data_uri, name_of
from spot_ext.report.run_folder import Run
from spot_ext.training.history import sampled_paths
from spot_ext.training.pseudo_labels import MappedTrack, PseudoLabelStore

CELLS = 240  # a longer video is drawn with several frames a cell
# Colours from low to high, RGB: readable on a light and on a dark page, and without telling red
# from green.
CONFIDENCE = np.array([[214, 86, 44], [240, 178, 62], [120, 190, 120], [32, 142, 140]], np.float64)
TIME = np.array([[68, 56, 140], [49, 120, 180], [60, 180, 140], [240, 220, 80]], np.float64)


@dataclass(frozen=True)
class Strip:
    """Hold the strips of one video: pictures one pixel high, to be stretched, and where its labels
    are.
    """

    name: str
    title: str
    share: float
    by_confidence: str
    by_epoch: str | None
    keys: tuple[float, ...]  # place of each label, 0..1


@dataclass(frozen=True)
class Exploration:
    """Hold all that the page shows of the store."""

    strips: list[Strip]
    total: float
    paths: int
    frames: int
    histogram: str
    confidences: tuple[float, float]  # range of the colours
    epochs: tuple[int, int]
    exact: bool  # epochs are known for each frame, not only up to the versions kept
    note: str


def exploration(run: Run, store: PseudoLabelStore) -> Exploration:
    """Return strips of a sample of the tracks, and the histogram of shares over all of them."""
    shares = store.explored_share()
    paths = sampled_paths(len(store))
    pseudo = np.concatenate(
        [np.empty(0), *(view.confidences[~_is_label(view)] for view in map(store.track, paths))]
    )
    low, high = (
        (np.floor(pseudo.min() * 20) / 20, np.ceil(pseudo.max() * 20) / 20)
        if len(pseudo)
        else (0.5, 1.0)
    )
    sure = (float(low), float(high)) if high > low else (float(low) - 0.05, float(high))
    first_epochs, exact = _first_epochs(run, store, paths)
    last = max(1, run.epoch)
    begin = min((run.burn_in or 0) + 1, last)
    strips = [_strip(store, path, sure, first_epochs.get(path), (begin, last)) for path in paths]
    counts, edges = np.histogram(shares.per_track, 20, (0, 1))
    total_frames = sum(store.track(i).length for i in range(len(store)))
    chart = bars(
        counts.tolist(),
        [percent(edge) for edge in edges[:-1]],
        x_label="share of a video that is explored",
        label="Histogram of explored shares",
        colour="c3",
    )
    note = (
        f"a sample of {len(paths)} of {len(store):,} object paths, evenly spread"
        if len(paths) < len(store)
        else ""
    )
    return Exploration(
        strips, shares.total, len(store), total_frames, chart, sure, (begin, last), exact, note
    )


def _is_label(view: MappedTrack) -> np.ndarray:
    return np.isin(view.frame_ids, view.key_ids)


def _strip(
    store: PseudoLabelStore,
    path: int,
    sure: tuple[float, float],
    epochs: np.ndarray | None,
    span: tuple[int, int],
) -> Strip:
    view, (key, number) = store.track(path), store.key_of(path)
    cells = min(CELLS, view.length)
    cell_of = view.frame_ids.astype(np.int64) * cells // view.length
    per_cell = np.bincount(np.arange(view.length) * cells // view.length, minlength=cells)
    known = np.bincount(cell_of, minlength=cells)
    alpha = known / per_cell

    def drawn(values: np.ndarray, colours: np.ndarray) -> str:
        means = np.bincount(cell_of, values, cells) / np.maximum(known, 1)
        return png(blend(colours, means), alpha)

    confidence = (view.confidences - sure[0]) / (sure[1] - sure[0])
    when = None
    if epochs is not None:
        when = drawn((epochs - span[0]) / max(1, span[1] - span[0]), TIME)
    suffix = f" · object {number + 1}" if number else ""
    pseudo = view.confidences[~_is_label(view)]
    mean = f", mean confidence {pseudo.mean():.2f}" if len(pseudo) else ""
    return Strip(
        name_of(key) + suffix,
        f"{key}{suffix}: {len(view.frame_ids)} of {view.length} frames known, "
        f"{len(view.key_ids)} labelled{mean}",
        len(view.frame_ids) / view.length,
        drawn(confidence, CONFIDENCE),
        when,
        tuple(((view.key_ids + 0.5) / view.length).tolist()),
    )


def _first_epochs(
    run: Run, store: PseudoLabelStore, paths: list[int]
) -> tuple[dict[int, np.ndarray], bool]:
    """For each path the epoch (n,) in which its n explored frames became known: from the history,
    else from the versions of the store that were kept, which say up to when only.
    """
    found = {}
    recorded = {line.number for line in run.epochs if line.stage == "sparse"}
    exact = (
        bool(recorded)
        and recorded >= set(range(min(recorded), run.epoch + 1))
        and min(recorded) <= (run.burn_in or 0) + 1
    )
    older = (
        []
        if exact
        else [
            PseudoLabelStore.open(store.folder, epoch, verify=False)
            for epoch in store.epochs()
            if 0 < epoch <= run.epoch
        ]
    )
    if not exact and len(older) < 2:
        return {}, False
    for path in paths:
        ids = store.track(path).frame_ids
        epochs = np.full(len(ids), float(run.epoch))
        if exact:
            for line in run.epochs:
                epochs[np.isin(ids, line.explored.get(path, ()))] = line.number
        for version in reversed(older):
            epochs[np.isin(ids, version.track(path).frame_ids)] = version.epoch
        epochs[np.isin(ids, store.track(path).key_ids)] = run.burn_in or 0
        found[path] = epochs
    return found, exact


def blend(colours: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Colours (n, 3) of values in 0..1 between the stops of `colours`."""
    places = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(np.clip(values, 0, 1), places, channel) for channel in colours.T], 1)


def png(colours: np.ndarray, alpha: np.ndarray) -> str:
    """Return a row of pixels as a data URI: colours (N, 3) RGB 0 to 255, alpha (N,) 0 to 1."""
    rgba = np.concatenate([colours[:, ::-1], 255 * np.clip(alpha, 0, 1)[:, None]], 1)
    return data_uri(
        cv2.imencode(".png", rgba.round().astype(np.uint8)[None])[1].tobytes(), "image/png"
    )


def gradient(colours: np.ndarray) -> str:
    """The stops as a CSS gradient, for the legend."""
    return (
        "linear-gradient(90deg,"
        + ",".join(f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in colours)
        + ")"
    )
