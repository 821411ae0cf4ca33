"""The verb `annotate`: draw boxes on a page in the browser."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.util import find_spec

from ltr.admin.arguments import LABELS_OF_A_VIDEO, PORT, SEED
from ltr.admin.errors import BadInput
from ltr.admin.installing import install_command
from ltr.admin.invocation import spot_command
from ltr.admin.places import edited_file, input_place
from spot_ext.commands import verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `annotate`."""
    parser.add_argument(
        "folder",
        type=input_place,
        metavar="FOLDER",
        help="the videos: sub-folders of images, video files",
    )
    parser.add_argument(
        "--boxes",
        type=edited_file,
        metavar="FILE",
        help="the CSV file to read and write (FOLDER/boxes.csv)",
    )
    parser.add_argument(
        "--k", type=LABELS_OF_A_VIDEO, default=3, help="frames to label per video (3)"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="of their choice, as in `sample` (0)")
    parser.add_argument(
        "--suggest",
        type=input_place,
        action="append",
        default=[],
        metavar="FILE",
        help="also ask for the frames in FILE, for example review.csv of `label` or a file of "
        "`suggest`; a file of `sample` replaces the choice. May be repeated",
    )
    parser.add_argument(
        "--propagated",
        type=input_place,
        metavar="FILE",
        help="boxes to show dashed, for correction, as from `label`",
    )
    parser.add_argument("--port", type=PORT, help="default: the first free one from 8765; 0: any")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the address as one line of JSON, when the page is ready",
    )


@verb(
    "annotate",
    "Draw boxes in the frames SPOT wants labelled, on a page in your browser; every change is "
    "saved at once. Ctrl-C ends it.",
    examples=[
        "toy --out videos",
        "annotate videos/val --boxes few.csv",
        "annotate videos/val --boxes few.csv --propagated labelled/boxes.csv "
        "--suggest labelled/review.csv   # after `label`",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, then say what is done and what comes next."""
    _require_page_packages()
    from spot_ext.annotate.serving import serve
    from spot_ext.annotate.session import Session

    session = Session(
        options.folder, options.boxes, options.k, options.seed, options.propagated, options.suggest
    )
    serve(
        session,
        options.port,
        not options.no_browser,
        lambda url: _announce(session, url, options.json),
    )
    label_command = spot_command(
        "label", options.folder, "--boxes", session.boxes.path, "--out", "labelled"
    )
    if not options.json:
        _say(
            f"\n{_progress(session)}, {session.boxes.count()} boxes in {session.boxes.path}\n"
            f"next:  {label_command}"
        )


def _require_page_packages() -> None:
    lacking = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if lacking:
        raise BadInput(f"the page needs the package {lacking[0]}: {install_command('annotate')}")


def _announce(session, url: str, as_json: bool) -> None:
    if as_json:
        _say(
            json.dumps(
                {
                    "url": url,
                    "boxes_file": str(session.boxes.path.resolve()),
                    "videos": len(session.frame_counts),
                }
            )
        )
    else:
        _say(f"{url}\n{_progress(session)}; boxes are saved to {session.boxes.path}; Ctrl-C ends")


def _progress(session) -> str:
    videos = session.overview()["videos"]
    return (
        f"{sum(video['done'] for video in videos)} of "
        f"{sum(len(video['wanted']) for video in videos)} wanted frames done"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
