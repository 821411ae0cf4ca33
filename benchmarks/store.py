"""How fast and how small the pseudo-label store is at full scale, next to one JSON that is read and written whole.

    python benchmarks/store.py            # 41,000 videos, 9 million frames; some minutes, 1 GB of disk under --folder
    python benchmarks/store.py --small    # a fiftieth of it, a few seconds

The rival keeps the state as the reference does: one indented, sorted JSON, loaded, merged and dumped every epoch, and
sent to every loader worker as Python objects. Because of its time it runs on a share of the videos (--rival-sequences);
the ratios compare both on that share, in this run. Memory is read from /proc, so on Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import platform
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a plain clone
from ltr.admin.errors import run_script
from spot_ext.labels.exploration import coarse_box, draw_unlabelled
from spot_ext.store import PathEntry, PseudoLabelStore

BATCH, LOOKUPS = 24, 20_000


def main() -> None:
    args = arguments()
    print(f"{args.sequences:,} videos, {args.frames:,} frames, {args.labels} labels and {args.explored} explored frames"
          f" each; an epoch = {args.iterations} x {BATCH} records; seed {args.seed}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, files in {args.folder}\n")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        full = measure_store(Path(folder) / "full", make_paths(args, args.sequences), args)
        measure_worker(full)
        print(f"\nboth ways on {args.rival_sequences:,} of the videos:")
        share = make_paths(args, args.rival_sequences)
        ours = measure_store(Path(folder) / "share", share, args)
        ours.export_json(Path(folder) / "state.json")
        measure_json(Path(folder) / "state.json", ours, args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a fiftieth of the size")
    parser.add_argument("--sequences", type=int, default=41_000)
    parser.add_argument("--frames", type=int, default=9_000_000, help="of all videos together")
    parser.add_argument("--labels", type=int, default=3, help="labelled frames of a video")
    parser.add_argument("--explored", type=int, default=50, help="explored frames of a video, labels included")
    parser.add_argument("--iterations", type=int, default=1000, help="of an epoch")
    parser.add_argument("--rival-sequences", type=int, default=4_000, help="videos in the comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    if args.small:
        args.sequences, args.frames, args.rival_sequences = args.sequences // 50, args.frames // 50, 400
        args.iterations //= 10
    args.rival_sequences = min(args.rival_sequences, args.sequences)
    return args


def timed(what: str, action: Callable, note: str = ""):
    """Run `action`, print how long it took, and return its result and the seconds."""
    start = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - start
    print(f"  {what:<58} {seconds:9.3f} s  {note}")
    return result, seconds


def make_paths(args: argparse.Namespace, count: int) -> list[PathEntry]:
    rng = np.random.default_rng(args.seed)
    lengths = rng.gamma(2, args.frames / args.sequences / 2, count).astype(int) + args.explored + 1
    paths = []
    for i, length in enumerate(lengths.tolist()):
        ids = np.sort(rng.choice(length, args.labels, replace=False))
        boxes = rng.uniform(10, 200, (args.labels, 4))
        paths.append(PathEntry(f"TrackingNet_{i % 4:02d}_video-{i:05d}", 0, length, ids, boxes))
    return paths


def random_records(paths: list[PathEntry], count: int, rng: np.random.Generator, low: float) -> list[tuple]:
    chosen = rng.integers(len(paths), size=count).tolist()
    return [(path, int(rng.integers(paths[path].length)), box, confidence) for path, box, confidence in
            zip(chosen, rng.uniform(10, 200, (count, 4)).tolist(), rng.uniform(low, 1, count).tolist(), strict=True)]


def explore(store: PseudoLabelStore, paths: list[PathEntry], args: argparse.Namespace,
            rng: np.random.Generator) -> None:
    """Give every path its explored frames, so that an epoch in the middle of training is measured."""
    writer = store.writer()
    for path, entry in enumerate(paths):
        free = np.setdiff1d(np.arange(entry.length), entry.key_ids)
        for frame in rng.choice(free, args.explored - args.labels, replace=False).tolist():
            writer.record(path, frame, (12.3, 45.6, 78.9, 100.1), 0.9)
        if path % 2000 == 1999:  # the tuples of two million records would not measure the store
            writer.commit(1)
    writer.commit(1)
    store.reopen(1)


def measure_store(folder: Path, paths: list[PathEntry], args: argparse.Namespace) -> PseudoLabelStore:
    rng = np.random.default_rng(args.seed)
    store, _ = timed("store: create", lambda: PseudoLabelStore.create(folder, paths))
    explore(store, paths, args, rng)
    size = (folder / "epoch_0001.safetensors").stat().st_size
    timed("store: open with checksums (trainer)", lambda: PseudoLabelStore.open(folder), f"{size / 1e6:.1f} MB on disk")
    timed("store: open (loader worker)", lambda: PseudoLabelStore.open(folder, verify=False))
    timed(f"store: {LOOKUPS:,} x look a path up, draw a triplet, coarse box", lambda: look_up(store, LOOKUPS))
    records = random_records(paths, BATCH * args.iterations, rng, low=0.85)
    writer = store.writer()
    _, recording = timed(f"store: record {len(records):,} pseudo-labels", lambda: [writer.record(*r) for r in records])
    before = memory(reset_peak=True)["VmRSS"]
    stats, merging = timed("store: merge and write the next version", lambda: writer.commit(2))
    peak = memory()["VmHWM"] - before
    print(f"  = {recording + merging:.3f} s an epoch; trainer's memory at its peak +{peak:.0f} MB;"
          f" {stats.new:,} new, {stats.replaced:,} replaced, {stats.refused:,} refused")
    return store


def look_up(store: PseudoLabelStore, count: int) -> None:
    rng = np.random.default_rng(1)
    for path in rng.integers(len(store), size=count).tolist():
        view = store.path(path)
        coarse_box(view.explored_ids, view.boxes_xywh, draw_unlabelled(view, rng).frame_id)


def memory(reset_peak: bool = False) -> dict[str, float]:
    """Memory of this process in MB: resident, its private part, pages shared through files, and the peak so far."""
    names, status = ("VmRSS", "RssAnon", "RssFile", "VmHWM"), Path("/proc/self/status")
    if not status.exists():
        return dict.fromkeys(names, float("nan"))
    if reset_peak:
        Path("/proc/self/clear_refs").write_text("5")
    found = (line.split() for line in status.read_text().splitlines() if line.startswith(names))
    return {parts[0].rstrip(":"): int(parts[1]) / 1024 for parts in found}


def measure_worker(store: PseudoLabelStore) -> None:
    """Memory of a loader worker that is sent the store and looks paths up."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    message = pickle.dumps(store)
    worker = context.Process(target=worker_memory, args=(message, queue))
    worker.start()
    start, opened, used = queue.get()
    worker.join()
    for what, now in (("opening", opened), (f"{LOOKUPS:,} lookups", used)):
        print(f"  worker after {what}: +{now['RssAnon'] - start['RssAnon']:.1f} MB of its own,"
              f" +{now['RssFile'] - start['RssFile']:.1f} MB of pages shared with all workers")
    print(f"  sent to each worker: {len(message)} bytes")


def worker_memory(message: bytes, queue: multiprocessing.SimpleQueue) -> None:
    start = memory()
    store = pickle.loads(message)
    opened = memory()
    look_up(store, LOOKUPS)
    queue.put((start, opened, memory()))


def measure_json(file: Path, ours: PseudoLabelStore, args: argparse.Namespace) -> None:
    """The rival on the same state and an epoch of equally many records."""
    file.write_text(json.dumps(json.loads(file.read_text()), indent=4, sort_keys=True))  # as the reference writes it
    keys = [ours.key_of(i)[0] for i in range(len(ours))]
    paths = [PathEntry(key, 0, ours.path(i).length, (), np.empty((0, 4))) for i, key in enumerate(keys)]
    records = random_records(paths, BATCH * args.iterations, np.random.default_rng(2), low=0.85)
    size = file.stat().st_size / 1e6
    state, loading = timed("JSON: load", lambda: json.loads(file.read_text()), f"{size:.1f} MB on disk")
    _, merging = timed(f"JSON: merge {len(records):,} pseudo-labels", lambda: merge_json(state, keys, records))
    _, dumping = timed("JSON: dump", lambda: file.write_text(json.dumps(state, indent=4, sort_keys=True)))
    message, packing = timed("JSON: pickle for a worker", lambda: pickle.dumps(state), "of each worker, every epoch")
    before = memory()["RssAnon"]
    copy, unpacking = timed("JSON: unpickle in a worker", lambda: pickle.loads(message))
    print(f"  worker: +{memory()['RssAnon'] - before:.1f} MB of its own; sent to each worker: {len(message):,} bytes")
    del copy

    writer, start = ours.writer(), time.perf_counter()
    for record in records:
        writer.record(*record)
    writer.commit(3)
    epoch = time.perf_counter() - start
    start = time.perf_counter()
    pickle.loads(pickle.dumps(ours))
    opening = time.perf_counter() - start
    rival = loading + merging + dumping
    print(f"\nupdate after an epoch: JSON {rival:.2f} s, store {epoch:.3f} s: {rival / epoch:.0f} times faster")
    print(f"hand to one worker:    JSON {packing + unpacking:.2f} s, store {opening:.4f} s:"
          f" {(packing + unpacking) / opening:.0f} times faster")


def merge_json(state: dict, keys: list[str], records: list[tuple]) -> None:
    for index, frame, box, confidence in records:
        path = state[keys[index]][0]
        ids, box, confidence = path["relay_frame_ids"], [round(v, 1) for v in box], round(confidence, 4)
        place = bisect_left(ids, frame)
        if place == len(ids) or ids[place] != frame:
            ids.insert(place, frame)
            path["bboxes"].insert(place, box)
            path["confidence"].insert(place, confidence)
        elif frame not in path["key_frame_ids"] and confidence > path["confidence"][place]:
            path["bboxes"][place], path["confidence"][place] = box, confidence


if __name__ == "__main__":
    run_script(main)
