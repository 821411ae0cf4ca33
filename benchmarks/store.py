"""Measure the pseudo-label store at full scale, next to one JSON that is read and written whole.

    python -m benchmarks.store            # 41,000 videos, 9 million frames: minutes, 8 GB
    python -m benchmarks.store --quick    # a hundredth of it, seconds; small ones flatter the rival

Half of the frames are explored.

The rival keeps the state as the reference does: one indented, sorted JSON, loaded, merged and
dumped every epoch, and loaded into every loader worker as Python objects. Both work on the same
state and the same epoch of records, in this run. Where the machine has not the memory for the
rival's state, the comparison is made on fewer videos and says so. Memory is read from /proc, so on
Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import run_script
from spot_ext.boxes.labels import SequenceTrack, labelled_track
from spot_ext.training.data.exploration import coarse_box, draw_unlabelled
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.pseudo_labels.merge import RECORD

BATCH, LABELS = 24, 3  # pseudo-labels of an iteration, labels of a video
RIVAL_BYTES = 1500  # memory the rival takes at its peak for an explored frame
RIVAL = (
    "one indented, sorted JSON of everything, loaded, merged and dumped every epoch and "
    "loaded by each worker"
)


@dataclass(frozen=True)
class Scale:
    """Give the size of a state."""

    sequences: int
    frames: int  # of all videos together
    explored: int  # frames of a video
    iterations: int  # of an epoch
    workers: int
    lookups: int  # of each worker

    def of(self, sequences: int) -> Scale:
        """Return a scale with fewer videos, equally long."""
        return replace(self, sequences=sequences, frames=self.frames * sequences // self.sequences)

    def text(self) -> str:
        return (
            f"{self.sequences:,} videos, {self.frames:,} frames, "
            f"{self.sequences * self.explored:,} of them explored; "
            f"an epoch is {self.iterations} iterations x {BATCH} records"
        )


FULL = Scale(41_000, 9_000_000, 110, 1000, 12, 20_000)
QUICK = Scale(400, 88_000, 110, 50, 2, 500)


@dataclass(frozen=True)
class WorkerReport:
    """Hold what a loader worker used, in MB and seconds of CPU time."""

    opening_s: float
    lookup_s: float  # of one
    private_mb: float  # that it alone holds, after opening and all lookups
    shared_mb: float  # mapped pages, the same for all workers


def main() -> None:
    options = arguments()
    scale = QUICK if options.quick else FULL
    found = Results(
        "store", options, f"{scale.text()}; {scale.workers} workers; files in {options.folder}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        paths = make_paths(scale)
        store = explored_store(Path(folder) / "full", paths, scale)
        measure_alone(store, scale, found)
        share = rival_scale(scale)
        if share is not scale:
            found.leave_out(
                "the rival at full scale",
                f"it needs {rival_memory(scale) / 2**30:.0f} GB; compared at {share.text()}",
            )
            store = explored_store(Path(folder) / "share", make_paths(share), share)
        if found.seconds_left < 20 + 60e-6 * share.sequences * share.explored:
            found.leave_out("the comparison", "no time left")
        else:
            compare(store, share, found)
    found.finish()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="for some GB of files"
    )
    return parser.parse_args()


# The state


def make_paths(scale: Scale) -> list[SequenceTrack]:
    rng = np.random.default_rng(0)
    spare = scale.frames / scale.sequences - scale.explored
    lengths = rng.gamma(2, spare / 2, scale.sequences).astype(int) + scale.explored + 1
    return [
        SequenceTrack.labelled(
            f"TrackingNet_{i % 4:02d}_video-{i:05d}",
            0,
            labelled_track(np.sort(rng.choice(length, LABELS, replace=False))),
            rng.uniform(10, 200, (LABELS, 4)),
            length,
        )
        for i, length in enumerate(lengths.tolist())
    ]


def explored_store(folder: Path, paths: Sequence[SequenceTrack], scale: Scale) -> PseudoLabelStore:
    """A store in the middle of training: about `scale.explored` frames of each path have a box."""
    store = PseudoLabelStore.create(folder, paths)
    rng = np.random.default_rng(1)
    steps = np.arange(scale.explored) / scale.explored
    frames = np.concatenate(
        [(steps * entry.length).astype(np.int32) for entry in paths]
    )  # spread, each one once
    records = np.empty(len(frames), RECORD)
    records["path"], records["frame"] = np.repeat(np.arange(len(paths)), scale.explored), frames
    records["box_xywh"] = np.round(rng.uniform(10, 200, (len(frames), 4)), 1)
    records["units"] = rng.integers(8500, 10_000, len(frames))
    writer = store.writer()
    writer.add_records(records)
    writer.commit(1)
    store.reopen(1)
    return store


def random_records(store: PseudoLabelStore, scale: Scale) -> list[tuple]:
    """An epoch of what a trainer would record: (path, frame, box, confidence)."""
    rng, count = np.random.default_rng(2), BATCH * scale.iterations
    return [
        (path, int(rng.integers(store.track(path).length)), box, confidence)
        for path, box, confidence in zip(
            rng.integers(len(store), size=count).tolist(),
            rng.uniform(10, 200, (count, 4)).tolist(),
            rng.uniform(0.85, 1, count).tolist(),
            strict=True,
        )
    ]


# Ours


def measure_alone(store: PseudoLabelStore, scale: Scale, found: Results) -> None:
    """Measure the store by itself, with all workers at work while the trainer writes."""
    size = sum(
        file.stat().st_size for file in store.folder.iterdir() if "epoch_0000" not in file.name
    )
    seconds = timed(lambda: PseudoLabelStore.open(store.folder))
    found.add(
        Row(
            "open, checksums compared (trainer)",
            seconds,
            unit="s",
            limit=0.5,
            note=f"{size / 1e6:.0f} MB on disk",
        )
    )

    pool, queue = start_workers(store, scale)
    writer, records = store.writer(), random_records(store, scale)
    began = time.process_time()
    for record in records:
        writer.record(*record)
    each = (time.process_time() - began) / scale.iterations
    reports = [queue.get() for _ in pool]
    for worker in pool:
        worker.join()
    found.add(
        Row(
            f"the {BATCH} writes of an iteration, while {scale.workers} workers look up",
            1e3 * each,
            unit="ms",
            limit=5.0,
            note="CPU time of the trainer; nothing is locked and nobody waits",
        )
    )
    found.add(Row("open in a worker", 1e3 * max(report.opening_s for report in reports), unit="ms"))
    found.add(
        Row(
            "look a path up, draw a triplet, coarse box",
            1e6 * float(np.median([r.lookup_s for r in reports])),
            unit="us",
            note=f"CPU time, median of {scale.workers} workers with {scale.lookups:,} lookups each",
        )
    )
    found.add(
        Row(
            "memory of a worker that it alone holds",
            max(report.private_mb for report in reports),
            unit="MB",
            limit=50,
            note=f"and {max(report.shared_mb for report in reports):.0f} MB of mapped pages, the "
            "same for all workers",
        )
    )
    began = time.perf_counter()
    writer.commit(2)
    found.add(
        Row(
            "merge an epoch and write its version",
            time.perf_counter() - began,
            unit="s",
            limit=1.0,
            note="flushed to disk; the trainer waits for it",
        )
    )


def look_up(store: PseudoLabelStore, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for path in rng.integers(len(store), size=count).tolist():
        view = store.track(path)
        coarse_box(view.frame_ids, view.boxes_xywh, draw_unlabelled(view, rng).frame_id)


def start_workers(
    store: PseudoLabelStore, scale: Scale
) -> tuple[list[multiprocessing.Process], multiprocessing.SimpleQueue]:
    """Processes that are sent the store and begin to look paths up."""
    context = multiprocessing.get_context("spawn")
    queue, message = context.SimpleQueue(), pickle.dumps(store)
    pool = [
        context.Process(target=_worker, args=(message, scale.lookups, seed, queue))
        for seed in range(scale.workers)
    ]
    for worker in pool:
        worker.start()
    return pool, queue


def _worker(message: bytes, lookups: int, seed: int, queue: multiprocessing.SimpleQueue) -> None:
    before, began = memory(), time.process_time()
    store = pickle.loads(message)
    opened = time.process_time()
    look_up(store, lookups, seed)
    done, after = time.process_time(), memory()
    queue.put(
        WorkerReport(
            opened - began,
            (done - opened) / lookups,
            after["RssAnon"] - before["RssAnon"],
            after["RssFile"] - before["RssFile"],
        )
    )


# Both


def compare(store: PseudoLabelStore, scale: Scale, found: Results) -> None:
    """An epoch both ways, on the same state and the same records."""
    records = random_records(store, scale)
    update_s, hand_s, private_mb = ours(store, records)
    json_file = store.folder.parent / "state.json"
    store.reopen(1)
    rival_update_s, rival_hand_s, rival_mb = rival(store, json_file, records)
    where = "" if scale in (FULL, QUICK) else f"at {scale.sequences:,} videos; "
    found.add(
        Row(
            "update after an epoch",
            update_s,
            rival_update_s,
            rival_is=RIVAL,
            note=f"{where}record, merge, write; the rival loads, merges, dumps "
            f"{json_file.stat().st_size / 1e6:,.0f} MB",
        )
    )
    found.add(
        Row(
            "hand to one worker",
            hand_s,
            rival_hand_s,
            note="open or load the new state, in the worker",
        )
    )
    found.add(
        Row(
            f"an epoch: update and hand to {scale.workers} workers",
            update_s + scale.workers * hand_s,
            rival_update_s + scale.workers * rival_hand_s,
            target=100,
            note="work of all processes together",
        )
    )
    found.add(
        Row(
            "memory of the state in one worker",
            private_mb,
            rival_mb,
            unit="MB",
            target=20,
            note="that it alone holds",
        )
    )


def ours(store: PseudoLabelStore, records: Sequence[tuple]) -> tuple[float, float, float]:
    """Seconds of the update and of handing the state to a worker, and MB of that worker."""
    store.reopen(1)

    def update() -> None:
        writer = store.writer()
        for record in records:
            writer.record(*record)
        writer.commit(3)

    return timed(update), *in_a_process(_open_store, store.folder, 3)


def rival(
    store: PseudoLabelStore, file: Path, records: Sequence[tuple]
) -> tuple[float, float, float]:
    """Measure the JSON in the same way."""
    store.export_json(file)
    with open(file) as opened:
        state = json.load(opened)
    write_json(state, file)  # indented and sorted, as the reference has it
    del state
    keys = [store.key_of(i)[0] for i in range(len(store))]

    def update() -> None:
        state = read_json(file)
        merge_json(state, keys, records)
        write_json(state, file)

    return timed(update), *in_a_process(read_json, file)


def _open_store(folder: Path, epoch: int) -> PseudoLabelStore:
    store = PseudoLabelStore.open(folder, epoch, verify=False)
    for path in np.linspace(0, len(store) - 1, 1000).astype(int).tolist():
        store.track(path).boxes_xywh.sum()  # so that what is read on demand counts
    return store


def read_json(file: Path) -> dict:
    with open(file) as opened:
        return json.load(opened)


def write_json(state: dict, file: Path) -> None:
    with open(file, "w") as opened:
        json.dump(state, opened, indent=4, sort_keys=True)


def merge_json(state: dict, keys: Sequence[str], records: Sequence[tuple]) -> None:
    for index, frame, box, confidence in records:
        path = state[keys[index]][0]
        ids, box, confidence = (
            path["relay_frame_ids"],
            [round(v, 1) for v in box],
            round(confidence, 4),
        )
        place = bisect_left(ids, frame)
        if place == len(ids) or ids[place] != frame:
            ids.insert(place, frame)
            path["bboxes"].insert(place, box)
            path["confidence"].insert(place, confidence)
        elif frame not in path["key_frame_ids"] and confidence > path["confidence"][place]:
            path["bboxes"][place], path["confidence"][place] = box, confidence


# Measuring


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def in_a_process(action: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Seconds that `action` takes in a fresh process and MB that the process alone holds after it,
    with the result alive.
    """
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_measured, args=(queue, action, *arguments))
    process.start()
    found = queue.get()
    process.join()
    return found


def _measured(
    queue: multiprocessing.SimpleQueue, action: Callable[..., object], *arguments: object
) -> None:
    before, began = memory(), time.perf_counter()
    result = action(*arguments)
    seconds = time.perf_counter() - began
    queue.put((seconds, max(memory()["RssAnon"] - before["RssAnon"], 0.1)))
    del result


def memory() -> dict[str, float]:
    """Memory of this process in MB: its private part, and pages it shares through files; NaN where
    there is no /proc.
    """
    names, status = ("RssAnon", "RssFile"), Path("/proc/self/status")
    if not status.exists():
        return dict.fromkeys(names, float("nan"))
    found = (line.split() for line in status.read_text().splitlines() if line.startswith(names))
    return {parts[0].rstrip(":"): int(parts[1]) / 1024 for parts in found}


def rival_memory(scale: Scale) -> int:
    return RIVAL_BYTES * scale.sequences * scale.explored


def rival_scale(scale: Scale) -> Scale:
    """The scale at which the rival's state fits into the memory that is free."""
    free = (
        os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if hasattr(os, "sysconf")
        else 4 << 30
    )
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        free = next(
            int(line.split()[1]) * 1024
            for line in meminfo.read_text().splitlines()
            if line.startswith("MemAvailable")
        )
    return (
        scale
        if rival_memory(scale) < free
        else scale.of(int(scale.sequences * free / rival_memory(scale) * 0.8))
    )


if __name__ == "__main__":
    run_script(main)
