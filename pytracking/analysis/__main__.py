"""Print the table and draw the plots of result files.

    python -m pytracking.analysis TRACKER PARAM [TRACKER PARAM ...] --dataset_name NAME
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ltr.admin.errors import BadValue, run_script
from pytracking.analysis.got10k import Got10kScores, got10k_table
from pytracking.analysis.plot_results import plot_results, result_rows
from pytracking.analysis.tables import ResultRow, format_rows
from pytracking.evaluation import get_dataset, trackerlist

ALL_PLOTS = ("success", "prec", "norm_prec")


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate from the result files on disk, print one table and the paths of the plots."""
    args = _parser().parse_args(arguments)
    if len(args.names) % 2:
        raise BadValue(f"Trackers come in pairs of tracker name and parameter name, got {len(args.names)} names; "
                       f"what is the parameter name of '{args.names[-1]}'?")
    trackers = [tracker for name, parameter in zip(args.names[::2], args.names[1::2], strict=True)
                for tracker in trackerlist(name, parameter, args.runid)]
    dataset = get_dataset(args.dataset_name)
    report = args.report or args.dataset_name
    table = got10k_table(trackers, dataset, skip_missing_seq=args.skip_missing_seq)
    options = {"skip_missing_seq": args.skip_missing_seq, "verbose": args.format == "text", "force_evaluation": True}
    rows = result_rows(trackers, dataset, report, plot_types=ALL_PLOTS, **options)
    print(format_rows([_join(row, scores) for row, scores in zip(rows, table, strict=True)], args.format, report))
    options["force_evaluation"] = False
    for path in plot_results(trackers, dataset, report, plot_types=ALL_PLOTS, **options):
        print(path)


def _join(row: ResultRow, scores: Got10kScores) -> ResultRow:
    columns = {"AO": 100 * scores.ao, "SR50": 100 * scores.sr50, "SR75": 100 * scores.sr75}
    if scores.speed_fps is not None:
        columns["FPS"] = scores.speed_fps
    return ResultRow(row.label, {**row.scores, **columns})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytracking.analysis", description=(
        "Score result files and draw success, precision and normalised precision plots. AUC, OP and precision follow "
        "pytracking; AO and SR follow GOT-10k (frames pooled, first and hidden frames left out). Scores are percent."))
    parser.add_argument("names", nargs="+", metavar="TRACKER PARAM", help="pairs of tracker name and parameter name")
    parser.add_argument("--dataset_name", required=True, help="name of the data set, for example otb, lasot, toy")
    parser.add_argument("--report", help="folder of the plots under result_plot_path (default: the data set's name)")
    parser.add_argument("--runid", type=int, help="run id of the results, for trackers that were run several times")
    parser.add_argument("--format", default="text", choices=("text", "markdown", "csv"), help="style of the table")
    parser.add_argument("--skip_missing_seq", action="store_true", help="leave out sequences without results")
    return parser


if __name__ == "__main__":
    run_script(main)
