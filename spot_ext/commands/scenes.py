"""The verb `scenes`: render training videos of photographed things."""

from __future__ import annotations

import argparse
import sys

from ltr.admin.arguments import FRAME_ID, FRAMES, SEED, VIDEOS
from ltr.admin.errors import BadValue
from ltr.admin.places import add_output, input_place, work_folder
from spot_ext.commands import suggest_next, verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `scenes`."""
    parser.add_argument(
        "--out", type=work_folder, help="folder for the videos, and for the sheet contact_sheet.png"
    )
    parser.add_argument("--count", type=VIDEOS, default=12, help="videos (12)")
    parser.add_argument("--frames", type=FRAMES, default=80, help="frames of each (80)")
    parser.add_argument("--first", type=FRAME_ID, default=0, help="number of the first video (0)")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument(
        "--sources",
        default="wheels,drawn",
        help="where the pictures are from: wheels, tuxpaint, wallpapers, drawn (default: "
        "wheels,drawn)",
    )
    parser.add_argument(
        "--bank",
        type=input_place,
        help="file with the pictures of --sources; made when it is not there",
    )
    parser.add_argument("--sheet-only", action="store_true", help="write the sheet alone")


@verb(
    "scenes",
    "Render training videos of photographed things to look at: a GOT-10k tree, a sheet of frames, "
    "or both.",
    examples=["scenes --out scenes --count 12"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Write the image bank where it is missing, then the videos and their contact sheet."""
    if options.out is None and options.bank is None:
        raise BadValue(
            "scenes: give --out FOLDER for videos, --bank FILE for the pictures they are made of, "
            "or both"
        )
    from spot_ext.rendering.photographed.dataset import RenderedVideos
    from spot_ext.rendering.photographed.image_bank import write_bank
    from spot_ext.rendering.photographed.tree import write_sheet, write_tree

    sources = tuple(name.strip() for name in options.sources.split(",") if name.strip())
    if options.bank is not None and not options.bank.exists():
        bank = write_bank(sources, options.bank)
        sys.stdout.write(
            f"{options.bank}: {len(bank.photo_names)} photographs, {len(bank.cutout_names)} "
            "cut-outs\n"
        )
    if options.out is None:
        return
    bank_file = None if options.bank is None else str(options.bank)
    videos = RenderedVideos(
        options.count, options.frames, options.seed, sources, bank_file, options.first
    )
    add_output(options.out / "contact_sheet.png")
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.sheet_only:
        write_tree(videos, options.out)
    write_sheet(videos, options.out / "contact_sheet.png")
    sys.stdout.write(f"{options.out}\n")
    if not options.sheet_only:
        suggest_next("check", "got10k", options.out / "train")
