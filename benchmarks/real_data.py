"""Do the main job on real sequences: train on a GOT-10k tree, evaluate on held-out sequences.

    python -m benchmarks.real_data DATA [--seed 0] [--recipe quickstart] [--full] [--set NAME=VALUE]

DATA holds `got10k/{train,val}`, `lasot` and `otb` in the layouts of these data sets. Training reads
three boxes per video of `got10k/train`; nothing else of DATA is trained on. Prints one table per
test set (burn-in only / trained on as long with labels only / SPOT, with --full also with all
labels) and writes them as JSON, with settings and machine. Resumes when started again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch

from benchmarks import WORKSPACE
from benchmarks.data_tree import TEST_SETS, configure
from ltr.admin.errors import run_script
from ltr.io.files import write_text


def main() -> None:
    """Configure, train, evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--out",
        type=Path,
        default=WORKSPACE / "real_data",
        help="workspace of this benchmark",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--recipe",
        default="quickstart",
        help="of ltr/train_settings/spot: quickstart, quickstart_ocean, …",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="also train with all labels: how far from full supervision",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="tracking processes"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )
    options = parser.parse_args()
    run(options, configure(options.data, options.out)[1])


def run(options: argparse.Namespace, out: Path) -> None:
    """Train both ways on GOT-10k and print a table per test set."""
    from ltr.admin.settings import Settings
    from ltr.recipes import find_recipe, parse_assignments
    from pytracking.analysis.tables import format_rows
    from pytracking.evaluation import get_dataset
    from spot_ext.studies import evaluate, quickstart
    from spot_ext.training.config import DatasetConfig

    config = find_recipe("spot", options.recipe).config().override(parse_assignments(options.set))
    config = config.replace(datasets=(DatasetConfig("Got10k", {}),), publish=None)
    settings = Settings()
    settings.seed, settings.overrides = options.seed, {}
    settings.project_path = f"ltr/spot/{options.recipe.replace('quickstart', 'real_data')}"
    settings.print_interval = config.iterations
    start = time.time()
    candidates = quickstart.train_candidates(settings, config)
    if options.full:
        candidates.append(quickstart.train_with_all_labels(settings, config))
    results = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "seed": options.seed,
        "settings": config.to_plain(),
        "tables": {},
    }
    for name in TEST_SETS:
        dataset = get_dataset(name)
        trackers = evaluate.track(candidates, dataset, out / "candidates", options.threads)
        rows = evaluate.score_rows(
            trackers, dataset, f"{Path(settings.project_path).name}_{name}_seed_{options.seed:03d}"
        )
        print(format_rows(rows, "markdown", f"{name}, {len(dataset)} sequences"))
        results["tables"][name] = {row.label: dict(row.scores) for row in rows}
    results["seconds"] = round(time.time() - start, 1)
    path = (
        out
        / f"{Path(settings.project_path).name}{'_full' * options.full}_seed_{options.seed:03d}.json"
    )
    write_text(path, json.dumps(results, indent=2) + "\n")
    print(path)


if __name__ == "__main__":
    run_script(main)
