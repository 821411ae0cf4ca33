"""`python -m spot_ext VERB …`: the method from the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ltr.admin.errors import BadValue, run_script, suggestion

DATASETS = {"lasot": "Lasot", "got10k": "Got10k", "trackingnet": "TrackingNet", "folder": "VideoFolder"}


def main(arguments: list[str] | None = None) -> None:
    """Parse the verb and run it."""
    parser = argparse.ArgumentParser(prog="python -m spot_ext", description="Train trackers from a few boxes per video.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_quickstart(verbs)
    _add_train(verbs)
    _add_sample(verbs)
    _add_toy(verbs)
    options = parser.parse_args(arguments)
    options.run(options)


def _verb(verbs, name: str, run, text: str, example: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text, epilog=f"example:  python -m spot_ext {example}",
                              formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run)
    return parser


def _add_quickstart(verbs) -> None:
    parser = _verb(verbs, "quickstart", lambda options: _train("quickstart", options),
                   "Train and evaluate on the embedded videos in minutes.", "quickstart --seed 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of the recipe")


def _add_train(verbs) -> None:
    parser = _verb(verbs, "train", lambda options: _train(options.recipe, options),
                   "Run a recipe of ltr/train_settings/spot.", "train transt_sparse --set k=5")
    parser.add_argument("recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of the recipe")


def _train(recipe: str, options) -> None:
    from ltr.run_training import parse_assignments, run_training
    run_training("spot", recipe, seed=options.seed, overrides=parse_assignments(options.set))


def _add_sample(verbs) -> None:
    parser = _verb(verbs, "sample", _sample, "Choose which frames of a data set get a box, and write the label file.",
                   "sample got10k --root data/got10k/train --k 3 --seed 0 --out labels")
    parser.add_argument("dataset", help=f"one of {', '.join(DATASETS)}")
    parser.add_argument("--root", type=Path, help="folder of the data set; default: the one in ltr/admin/local.py")
    parser.add_argument("--split", help="split or comma-separated TrackingNet sets; default: the whole training set")
    parser.add_argument("--k", type=int, default=3, help="boxes per video")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--walk-back", action="store_true", help="move to the last human box (default for TrackingNet)")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder or file for the result")


def _sample(options) -> None:
    from ltr.admin.environment import ensure_local_file
    from spot_ext.config import DatasetConfig
    from spot_ext.labels import key_frames, result_file
    from spot_ext.recipe import open_dataset
    if options.dataset not in DATASETS:
        raise BadValue(f"data set '{options.dataset}' is not known{suggestion(options.dataset, DATASETS)} "
                       f"Choose one of: {', '.join(DATASETS)}.")
    ensure_local_file()
    arguments = {"root": str(options.root)} if options.root is not None else {}
    if options.dataset == "trackingnet" and options.split is not None:
        arguments["set_ids"] = [_set_id(part) for part in options.split.split(",")]
    elif options.split is not None or options.dataset == "lasot":
        arguments["split"] = options.split or "train"
    dataset = open_dataset(DatasetConfig(DATASETS[options.dataset], arguments))
    labels = key_frames.choose(dataset, options.k, options.seed, options.walk_back or options.dataset == "trackingnet")
    if options.out.suffix != ".json":
        options.out.mkdir(parents=True, exist_ok=True)
    path = result_file.write(labels, options.out)
    sys.stdout.write(f"{len(labels.videos)} videos, {labels.num_labels} boxes, {len(labels.failures)} videos left out: "
                     f"{path}\n")


def _set_id(text: str) -> int:
    if not text.strip().isdigit():
        raise BadValue(f"--split {text}: TrackingNet's sets are numbers, e.g. --split 0,1,2,3")
    return int(text)


def _add_toy(verbs) -> None:
    parser = _verb(verbs, "toy", _toy, "Render the embedded videos, a GOT-10k tree.", "toy --out videos")
    parser.add_argument("--out", type=Path, help="folder; default: toy_path in pytracking/evaluation/local.py")


def _toy(options) -> None:
    from pytracking.evaluation import environment
    from spot_ext.data import toy
    if options.out is None:
        environment.ensure_local_file()
        options.out = Path(environment.env_settings().toy_path)
    tree = toy.ensure(options.out)
    sys.stdout.write(f"{tree.root}\n")


if __name__ == "__main__":
    run_script(main)
