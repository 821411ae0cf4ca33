"""`python -m spot_ext VERB …`: the method from the command line."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, run_script, suggestion
from spot_ext.commands.declaring import add_verb

COMMANDS: tuple[str, ...] = (  # modules that declare more verbs, see `spot_ext.commands.declaring`
    "spot_ext.commands.sample",
    "spot_ext.commands.discover",
    "spot_ext.commands.suggest",
    "spot_ext.commands.annotate",
    "spot_ext.commands.propagate",
    "spot_ext.commands.export",
    "spot_ext.commands.report",
)


def main(arguments: list[str] | None = None) -> int | None:
    """Parse the verb and run it; returns the exit status, None for 0."""
    parser = argparse.ArgumentParser(
        prog="python -m spot_ext", description="Train trackers from a few boxes per video."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_quickstart(verbs)
    _add_train(verbs)
    _add_toy(verbs)
    _add_scenes(verbs)
    _add_check(verbs)
    _add_export_onnx(verbs)
    _add_tune(verbs)
    for module in COMMANDS:
        importlib.import_module(module).add_to(verbs)
    options = parser.parse_args(arguments)
    return options.run(options)


def _add_quickstart(verbs) -> None:
    parser = add_verb(
        verbs,
        "quickstart",
        lambda options: _train(_quickstart_recipe(options.arch), options),
        "Train and evaluate on the embedded videos in minutes.",
        "quickstart --seed 1",
    )
    parser.add_argument(
        "--arch",
        metavar="NAME",
        help="network, instead of the recipe quickstart's; an unknown one lists them",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )


def _quickstart_recipe(arch: str | None) -> str:
    if arch is None:
        return "quickstart"
    from spot_ext.studies.quickstart import recipes

    known = recipes()
    if arch not in known:
        raise BadValue(
            f"there is no quickstart with the network '{arch}'{suggestion(arch, known) or '.'} "
            "Choose one of: "
            f"{', '.join(known)}."
        )
    return known[arch]


def _add_train(verbs) -> None:
    parser = add_verb(
        verbs,
        "train",
        lambda options: _train(options.recipe, options),
        "Run a recipe of ltr/train_settings/spot.",
        "train quickstart --set k=5",
    )
    parser.add_argument("recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )


def _train(recipe: str, options) -> None:
    from ltr.run_training import parse_assignments, run_training

    run_training("spot", recipe, seed=options.seed, overrides=parse_assignments(options.set))


def _add_toy(verbs) -> None:
    parser = add_verb(
        verbs, "toy", _toy, "Render the embedded videos, a GOT-10k tree.", "toy --out videos"
    )
    parser.add_argument(
        "--out", type=Path, help="folder; default: toy_path in pytracking/evaluation/local.py"
    )


def _toy(options) -> None:
    from pytracking.evaluation import environment
    from spot_ext.rendering import drawn

    if options.out is None:
        environment.ensure_local_file()
        options.out = Path(environment.env_settings().toy_path)
    tree = drawn.ensure(options.out)
    sys.stdout.write(f"{tree.root}\n")


def _add_scenes(verbs) -> None:
    parser = add_verb(
        verbs,
        "scenes",
        _scenes,
        "Render training videos of photographed things to look at: a GOT-10k tree, a sheet of "
        "frames, or both.",
        "scenes --out scenes --count 12",
    )
    parser.add_argument(
        "--out", type=Path, help="folder for the videos, and for the sheet contact_sheet.png"
    )
    parser.add_argument("--count", type=int, default=12, help="videos (12)")
    parser.add_argument("--frames", type=int, default=80, help="frames of each (80)")
    parser.add_argument("--first", type=int, default=0, help="number of the first video (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--sources",
        default="wheels,drawn",
        help="where the pictures are from: wheels, tuxpaint, wallpapers, drawn (default: "
        "wheels,drawn)",
    )
    parser.add_argument(
        "--bank", type=Path, help="file with the pictures of --sources; made when it is not there"
    )
    parser.add_argument("--sheet-only", action="store_true", help="write the sheet alone")


def _scenes(options) -> None:
    from spot_ext.rendering.photographed.tree import run

    run(options)


def _add_check(verbs) -> None:
    parser = add_verb(
        verbs,
        "check",
        _check,
        "Look for missing and unreadable frames and wrong boxes in a data set. "
        "Exit status: 0 nothing found, 1 problems found, 2 it could not be checked.",
        "check got10k videos/train --json report.json\n"
        "          (videos: python -m spot_ext toy --out videos)",
    )
    parser.add_argument(
        "dataset",
        help="name of a training or evaluation data set, e.g. got10k, lasot, otb, toy, folder",
    )
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        metavar="ROOT",
        help="its folder, as local.py would name it; default: the one in local.py",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument(
        "--decode",
        action="store_true",
        help="decode every image instead of reading its header and end: finds damage in the middle",
    )
    parser.add_argument(
        "--workers", type=int, default=None, help="threads; default: one a core, at least 4"
    )


def _check(options) -> int:
    from ltr.io.files import write_text
    from spot_ext.check import check_dataset
    from spot_ext.check.report import to_json, to_text

    try:
        report = check_dataset(
            options.dataset, options.root, options.decode, options.workers, show_progress=True
        )
        if options.json is not None:
            write_text(options.json, to_json(report))
    except (BadInput, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(to_text(report) + "\n")
    return 1 if report.problems else 0


def _add_export_onnx(verbs) -> None:
    parser = add_verb(
        verbs,
        "export-onnx",
        _export_onnx,
        "Write a network as ONNX graphs: template.onnx, track.onnx and network.json.",
        "export-onnx spot_quickstart.pth.tar onnx",
    )
    parser.add_argument(
        "network",
        metavar="NET",
        help="checkpoint, or a name in network_path of local.py; `light`: the one "
        "that comes with the package",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder")


def _export_onnx(options) -> None:
    from pytracking.features.onnx_export import export, load_for_export

    for path in export(load_for_export(options.network), options.out):
        sys.stdout.write(f"{path}\n")


def _add_tune(verbs) -> None:
    parser = add_verb(
        verbs,
        "tune",
        _tune,
        "Search the tracking parameters of a parameter file on a validation set. The same command "
        "goes on where an "
        "interrupted one was, and with a larger --trials continues a finished one.",
        "tune TRACKER PARAM --dataset got10k_val --metric ao --trials 60 --workers 4",
    )
    parser.add_argument("tracker", help="a tracker of pytracking/tracker, or of a plug-in")
    parser.add_argument("parameter", help="its parameter file; the values in it are trial 0")
    parser.add_argument(
        "--dataset",
        required=True,
        help="a validation set, not one to report: got10k_val, toy_val …",
    )
    parser.add_argument(
        "--metric", default="auc", help="auc (default; pytracking's) or ao (GOT-10k's)"
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=40,
        help="sets of values to try, the default ones included (40)",
    )
    parser.add_argument(
        "--sequences", type=int, metavar="N", help="a random choice of N sequences; default: all"
    )
    parser.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="NAME[=LOW:HIGH]",
        help="search this parameter, instead of all that the tracker class names; may be repeated",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of proposals and sequences: same seed, same trials"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; default: this one only")
    parser.add_argument(
        "--memory",
        type=int,
        default=512,
        metavar="MB",
        help="network outputs kept by each process (512)",
    )
    parser.add_argument(
        "--run",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="where the trials are kept; default: below results_path, by tracker, data set, "
        "metric and seed",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.py", help="also write the parameter file there"
    )
    parser.add_argument(
        "--per-dataset", action="store_true", help="let the values apply to this data set only"
    )


def _tune(options) -> None:
    from spot_ext.commands.tune import run

    run(options)


def command() -> None:
    """What the installed command `spot` runs."""
    run_script(main)


if __name__ == "__main__":
    command()
