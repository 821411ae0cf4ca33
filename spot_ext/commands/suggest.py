"""The verb `suggest`: name the frames whose labels would help a trained run most."""

from __future__ import annotations

import argparse
import json
import sys

from ltr.admin.arguments import FRAMES, LABELS, LABELS_OF_A_VIDEO, SEED, VIDEOS
from ltr.admin.places import add_output, input_place, output_folder
from spot_ext.commands import verb

TEXT = """Name the frames of a trained run whose labels would help most, at most a few of a video.

The newest teacher follows every object from both sides of every unlabelled frame. Frames where the
two tracks disagree, where the predicted IoU is low, or that training has not explored come first.
Writes suggestions.json, .csv (video, object, frame, score, reason; frames count from 0) and .png, a
sheet of pictures. No annotation of the videos is read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `suggest`."""
    parser.add_argument(
        "run_folder",
        type=input_place,
        metavar="RUN",
        help="folder of the run: its checkpoints and its store",
    )
    parser.add_argument("--n", type=LABELS, default=12, dest="count", help="frames to name (12)")
    parser.add_argument(
        "--per-video",
        type=LABELS_OF_A_VIDEO,
        default=2,
        metavar="M",
        help="frames of a video, at most (2)",
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        metavar="DIR",
        help="folder for the files; default: RUN/suggestions",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the JSON instead of lines to read"
    )
    parser.add_argument(
        "--videos",
        type=VIDEOS,
        metavar="N",
        help="look at a random choice of N videos only; default: all",
    )
    parser.add_argument(
        "--steps",
        type=FRAMES,
        metavar="N",
        help="frames looked at between two labels, at most; longer gaps are crossed in larger "
        "steps (120)",
    )
    parser.add_argument("--seed", type=SEED, default=0, help="of the choice of videos")
    parser.add_argument(
        "--device", default=None, help="cpu, cuda, cuda:1 …; default: cuda where there is some"
    )


@verb(
    "suggest",
    TEXT,
    examples=["suggest workspace/checkpoints/ltr/spot/quickstart/seed_000 --n 12"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Score the frames, choose, write the files and print them."""
    from ltr.admin.environment import ensure_local_file
    from ltr.parallel.device import device_name
    from spot_ext.propagate import suggestion_files
    from spot_ext.propagate.suggest import SuggestConfig, suggest
    from spot_ext.propagate.trained_run import TrainedRun

    steps = {} if options.steps is None else {"max_steps": options.steps}
    config = SuggestConfig(
        options.count, options.per_video, options.videos, seed=options.seed, **steps
    )
    ensure_local_file()
    trained = TrainedRun.open(options.run_folder, device_name(options.device))
    out = options.out
    if out is None:
        out = trained.folder / "suggestions"
        add_output(out, is_folder=True)
    suggestions = suggest(trained, config)
    files = suggestion_files.write(trained, suggestions, out)
    if options.json:
        sys.stdout.write(
            json.dumps(suggestion_files.as_plain(trained, suggestions), indent=2) + "\n"
        )
        return
    sys.stdout.write(suggestion_files.as_text(suggestions) + "\n" * bool(suggestions))
    if len(suggestions) < config.count:
        sys.stdout.write(
            f"{len(suggestions)} of the {config.count} frames asked for: more would be "
            "neighbours, or more than "
            f"{config.per_video} of a video; --per-video {config.per_video + 1} allows more\n"
        )
    sys.stdout.write("".join(f"{file}\n" for file in files))
