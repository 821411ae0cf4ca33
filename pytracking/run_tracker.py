"""Run a tracker on a data set: `python pytracking/run_tracker.py transt spot_transt --dataset_name
lasot`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(_FOLDER),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.arguments import DEBUG_LEVEL, PROCESSES, RUN_ID, check_numbers, positive
from ltr.admin.errors import run_script
from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.datasets import dataset_dict, get_dataset
from pytracking.evaluation.environment import ensure_local_file, env_settings
from pytracking.evaluation.running import Failure, run_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.arguments import add_device, add_tracker, add_visdom, visdom_info
from pytracking.utils.network_files import network_candidates


def run_tracker(
    tracker_name: str,
    tracker_param: str,
    run_id: int | None = None,
    dataset_name: str = "otb",
    sequence: int | str | None = None,
    debug: int = 0,
    threads: int = 0,
    visdom_info: dict | None = None,
    device: str | None = None,
    batch: int = 1,
    overwrite: bool = False,
    ray: str | None = None,
    ray_gpus: float | None = None,
    network: str | None = None,
) -> list[Failure]:
    """Run a tracker on a data set, or on one sequence of it, and store the results.

    Args:
        tracker_name: folder under `pytracking/tracker` and `pytracking/parameter`.
        tracker_param: file in `pytracking/parameter/<tracker_name>`.
        run_id: number of the repetition.
        dataset_name: a name known to `pytracking.evaluation.datasets`.
        sequence: name or number of a single sequence.
        debug: above 0 the frames are shown and nothing is stored.
        threads: number of worker processes, 0 for none.
        device: 'cpu', 'cuda:1', … instead of what the parameter file says.
        batch: sequences tracked at once in each process.
        overwrite: run again what has results.
        ray: address of a Ray cluster that tracks.
        ray_gpus: share of a GPU that each of its workers takes.
        network: checkpoint to track with instead of the parameter file's; its results get a folder
            named after it.

    Returns:
        The sequences that failed.

    """
    dataset = get_dataset(dataset_name)
    if sequence is not None:
        dataset = SequenceList([dataset[_name_or_number(sequence, dataset)]])
    tracker = Tracker(tracker_name, tracker_param, run_id, device=device)
    if network is not None:
        tracker = _with_network(tracker, network)
        print(f"Results with {network}: {tracker.results_dir}")
    trackers = [tracker]
    return run_dataset(
        dataset,
        trackers,
        debug,
        threads,
        visdom_info=visdom_info,
        batch=batch,
        overwrite=overwrite,
        ray=ray,
        ray_gpus=ray_gpus,
    )


def _with_network(tracker: Tracker, network: str) -> Tracker:
    """Return `tracker` with the weights in a file, which `network_path` of local.py may hold."""
    # It needs torch, which the help and a wrong argument do not wait for.
    from pytracking.evaluation.network_tracker import NetworkTracker

    file = Path(network).expanduser()
    if not file.is_file():
        file = network_candidates(network)[0]
    return NetworkTracker(
        tracker.name,
        tracker.parameter_name,
        file,
        Path(env_settings().results_path, tracker.name),
        f"{tracker.parameter_name}_{file.name.partition('.')[0]}",
        tracker.device,
        tracker.run_id,
    )


def _name_or_number(sequence: int | str, dataset: SequenceList) -> int | str:
    """Text that is no sequence's name but a number is a number."""
    if isinstance(sequence, str) and all(one.name != sequence for one in dataset):
        try:
            return int(sequence)
        except ValueError:
            pass
    return sequence


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run a tracker on a data set and store its boxes.")
    add_tracker(parser)
    parser.add_argument(
        "--runid",
        type=RUN_ID,
        help="number of the repetition; its results get a folder of their own",
    )
    parser.add_argument(
        "--dataset_name",
        default="otb",
        metavar="NAME",
        help=f"one of {', '.join(dataset_dict)}, or one of your own (default otb)",
    )
    parser.add_argument("--sequence", help="name or number (from 0) of a single sequence")
    parser.add_argument(
        "--network",
        metavar="FILE",
        help="checkpoint to track with instead of the parameter file's",
    )
    parser.add_argument(
        "--debug",
        type=DEBUG_LEVEL,
        default=0,
        help="above 0: show frames, store nothing, stop at an error",
    )
    parser.add_argument(
        "--threads", type=PROCESSES, default=0, help="number of worker processes (default 0: none)"
    )
    add_visdom(parser, without="a matplotlib window")
    add_device(parser)
    parser.add_argument(
        "--batch",
        type=positive,
        default=1,
        metavar="N",
        help="sequences tracked at once in each process (default 1)",
    )
    parser.add_argument("--overwrite", action="store_true", help="run again what has results")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="track on a Ray cluster: 'host:6379', 'auto', or 'local' to start one "
        "here (needs the extra [ray])",
    )
    parser.add_argument(
        "--ray_gpus",
        type=float,
        metavar="SHARE",
        help="of a GPU for each worker, e.g. 0.25 (default: 1 where the cluster has GPUs)",
    )
    args = parser.parse_args()
    check_numbers(parser, args)

    ensure_local_file()
    env_settings()  # an error in local.py is shown before anything else
    failures = run_tracker(
        args.tracker_name,
        args.tracker_param,
        args.runid,
        args.dataset_name,
        args.sequence,
        args.debug,
        args.threads,
        visdom_info=visdom_info(args),
        device=args.device,
        batch=args.batch,
        overwrite=args.overwrite,
        ray=args.ray,
        ray_gpus=args.ray_gpus,
        network=args.network,
    )
    return 1 if failures else 0


if __name__ == "__main__":
    run_script(main)
