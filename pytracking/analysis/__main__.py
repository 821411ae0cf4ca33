"""Tables and plots from result files.

python -m pytracking.analysis TRACKER PARAM [TRACKER PARAM ...] --dataset_name NAME
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, run_script
from ltr.admin.places import add_overwrite, declared_places, output_file
from ltr.io.files import write_text
from pytracking.analysis.attributes import (
    attribute_scores,
    plot_attributes_bars,
    plot_attributes_radar,
)
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.plot_results import per_sequence_rows, plot_results, result_rows
from pytracking.analysis.result_lengths import warn_of_other_lengths
from pytracking.analysis.scores import PLOT_TYPES
from pytracking.analysis.tables import STYLES, ResultRow, format_rows, make_rows
from pytracking.analysis.toolkits import toolkit_rows
from pytracking.evaluation import get_dataset, get_dataset_attributes, trackerlist

logger = logging.getLogger(__name__)

SUFFIXES = {".md": "markdown", ".tex": "latex", ".csv": "csv"}
EPILOG = """examples:
  python -m pytracking.analysis transt transt50 transt spot_transt --dataset_name otb
  python -m pytracking.analysis transt spot_transt --runid 0 1 2 --spread --dataset_name lasot --out table.tex
  python -m pytracking.analysis transt transt50 --dataset_name lasot --show attributes
  python -m pytracking.analysis rts rts50 --dataset_name dv2017_val --show vos"""  # noqa: E501


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate from the result files on disk, print one table and the paths of what was written."""
    parser = _parser()
    args = parser.parse_args(arguments)
    with declared_places(parser, args):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    args.format = args.format or SUFFIXES.get(Path(args.out).suffix if args.out else "", "text")
    trackers = _trackers(args)
    if args.show == "vos":
        _show_masks(trackers, args)
        return
    if args.show == "playback":
        _play(trackers, args)
        return
    report = args.report or "_".join(args.dataset_name)
    options = {
        "skip_missing_seq": args.skip_missing_seq,
        "exclude_invalid_frames": args.exclude_invalid_frames,
        "verbose": args.format == "text",
        "force_evaluation": True,
    }
    dataset = _sequences_of(args)
    rows, files = _SHOWN[args.show](trackers, dataset, args, report, options)
    table = format_rows(rows, args.format, report + (" (corrected)" if args.corrected else ""))
    note = warn_of_other_lengths(trackers, dataset)
    _output(table + _NOTE_STYLES[args.format].format(note) if note else table, args.out)
    for path in files:
        print(path)


def _sequences_of(args: argparse.Namespace) -> list:
    dataset = get_dataset(*args.dataset_name)
    if len(dataset) and all(len(seq.ground_truth_rect) == 1 for seq in dataset):
        raise BadValue(
            f"{' '.join(args.dataset_name)} has no public ground truth after the first frames, so "
            "there is nothing "
            "to score here; send the results to the data set's server (pytracking/util_scripts "
            "packs them)"
        )
    return dataset


def _scores(
    trackers: list, dataset: list, args: argparse.Namespace, report: str, options: dict
) -> tuple[list[ResultRow], list[Path]]:
    merge = args.merge or args.spread
    options["corrected"] = args.corrected
    rows = result_rows(
        trackers, dataset, report, args.merge, args.plot_types, spread=args.spread, **options
    )
    rows = [
        ResultRow(row.label, {**row.scores, **more}, row.spread)
        for row, more in zip(
            rows,
            _got10k_columns(trackers, dataset, merge, args.skip_missing_seq, len(rows)),
            strict=True,
        )
    ]
    options["force_evaluation"] = False
    return rows, plot_results(trackers, dataset, report, merge, args.plot_types, **options)


def _got10k_columns(
    trackers: list, dataset: list, merge: bool, skip: bool, n_rows: int
) -> list[dict[str, float]]:
    try:
        table = got10k_table(trackers, dataset, merge, skip)
    except BadValue as error:  # GOT-10k accepts only whole results on public ground truth
        logger.warning("AO and SR are left out: %s", error)
        return [{}] * n_rows
    return [
        {
            "AO": 100 * row.ao,
            "SR50": 100 * row.sr50,
            "SR75": 100 * row.sr75,
            **({} if row.speed_fps is None else {"FPS": row.speed_fps}),
        }
        for row in table
    ]


def _sequences(
    trackers: list, dataset: list, args: argparse.Namespace, report: str, options: dict
) -> tuple[list[ResultRow], list[Path]]:
    return per_sequence_rows(
        trackers, dataset, report, args.merge, corrected=args.corrected, **options
    ), []


def _toolkits(
    trackers: list, dataset: list, args: argparse.Namespace, report: str, options: dict
) -> tuple[list[ResultRow], list[Path]]:
    return toolkit_rows(trackers, dataset, report, args.merge, **options), []


def _attributes(
    trackers: list, dataset: list, args: argparse.Namespace, report: str, options: dict
) -> tuple[list[ResultRow], list[Path]]:
    if len(args.dataset_name) > 1:
        raise BadValue(
            f"Attributes are those of one data set, got {' and '.join(args.dataset_name)}; give "
            "one name"
        )
    datasets = get_dataset_attributes(args.dataset_name[0])
    report, options["corrected"] = f"{report}/attributes", args.corrected
    scores, labels, _ = attribute_scores(trackers, datasets, report, args.merge, **options)
    options["force_evaluation"] = False
    files = plot_attributes_bars(trackers, datasets, report, args.merge, **options)
    if len(scores) > 2:
        files += plot_attributes_radar(trackers, datasets, report, args.merge, **options)
    return make_rows(labels, scores), files


_SHOWN: Mapping[str, Any] = {
    "scores": _scores,
    "sequences": _sequences,
    "toolkits": _toolkits,
    "attributes": _attributes,
}


# A table for a program takes no sentence; it is on stderr in any case.
_NOTE_STYLES = {"text": "{}", "markdown": "\n{}", "latex": "% {}", "csv": ""}


def _show_masks(trackers: list, args: argparse.Namespace) -> None:
    from pytracking.analysis.evaluate_vos import evaluate_vos

    for name in args.dataset_name:
        evaluate_vos(trackers, name, force=True)
        for tracker in trackers:
            print(Path(tracker.segmentation_dir) / f"{name}_per-sequence_results.csv")


def _play(trackers: list, args: argparse.Namespace) -> None:
    from pytracking.analysis.playback_results import playback_results

    if args.sequence is None:
        raise BadValue("--show playback needs --sequence, the name or number of the sequence")
    playback_results(
        trackers,
        get_dataset(*args.dataset_name)[
            int(args.sequence) if args.sequence.isdecimal() else args.sequence
        ],
    )


def _trackers(args: argparse.Namespace) -> list:
    if len(args.names) % 2:
        raise BadValue(
            f"Trackers come in pairs of tracker name and parameter name, got {len(args.names)} "
            "names; "
            f"what is the parameter name of '{args.names[-1]}'?"
        )
    pairs = list(zip(args.names[::2], args.names[1::2], strict=True))
    if args.label and len(args.label) != len(pairs):
        raise BadValue(
            f"--label needs one label for each of the {len(pairs)} trackers, got {len(args.label)}"
        )
    labels = args.label or [None] * len(pairs)
    return [
        tracker
        for (name, parameter), label in zip(pairs, labels, strict=True)
        for tracker in trackerlist(name, parameter, args.runid, label)
    ]


def _output(table: str, path: Path | None) -> None:
    print(table)
    if path:
        write_text(path, table)
        print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytracking.analysis",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Score result files, print a table, and draw plots as PDF and PNG. AUC, OP "
        "and precision follow\n"
        "pytracking; AO and SR follow GOT-10k (frames pooled, first and hidden frames left out).\n"
        "Scores are percent, F1 Scores in [0, 1].",
    )
    parser.add_argument(
        "names", nargs="+", metavar="TRACKER PARAM", help="pairs of tracker name and parameter name"
    )
    parser.add_argument(
        "--dataset_name",
        required=True,
        nargs="+",
        metavar="NAME",
        help="data set, for example otb, lasot, toy; several are scored as one",
    )
    parser.add_argument(
        "--runid",
        type=int,
        nargs="+",
        metavar="N",
        help="run ids, for trackers that were run several times",
    )
    parser.add_argument(
        "--label", nargs="+", help="labels in tables and plots, one for each tracker"
    )
    parser.add_argument(
        "--show",
        default="scores",
        choices=(*_SHOWN, "vos", "playback"),
        help=(
            "scores: table and plots (default); sequences: average overlap of each sequence; "
            "attributes: AUC per challenge "
            "attribute, radar and bars; toolkits: the same results scored by pytracking, pysot "
            "and GOT-10k; vos: J of masks; "
            "playback: watch --sequence"
        ),
    )
    parser.add_argument("--sequence", help="name or number of the sequence to play")
    parser.add_argument(
        "--plot_types",
        nargs="+",
        default=["success", "prec", "norm_prec"],
        choices=PLOT_TYPES,
        help="plots and their columns; f1_prec_rec needs visibility labels",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--merge", action="store_true", help="average the runs of a tracker")
    group.add_argument(
        "--spread", action="store_true", help="average them and show the standard deviation (n - 1)"
    )
    parser.add_argument(
        "--corrected",
        action="store_true",
        help=(
            "leave out pytracking's oddities: boxes at x = 0 or y = 0 count, frames without a "
            "target count nowhere, and a "
            "perfect tracker has AUC 100; the table says so"
        ),
    )
    parser.add_argument(
        "--exclude_invalid_frames", action="store_true", help="divide by the number of valid frames"
    )
    parser.add_argument(
        "--skip_missing_seq", action="store_true", help="leave out sequences without results"
    )
    parser.add_argument(
        "--report", help="folder of the plots under result_plot_path (default: the data set's name)"
    )
    parser.add_argument(
        "--format",
        choices=tuple(STYLES),
        help="style of the table (default: as the ending of --out says, else text)",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="FILE",
        help="also write the table there (.md, .tex, .csv or text)",
    )
    add_overwrite(parser)
    return parser


if __name__ == "__main__":
    run_script(main)
