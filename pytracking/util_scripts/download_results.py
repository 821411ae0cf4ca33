"""Published result archives: unpack them into the results folder, where the analysis finds them.

    python pytracking/util_scripts/download_results.py --download False --temp_download_path
    <folder>

The folder holds `<tracker>/<parameters>[_<run>].zip`. Fetching archives from Google Drive needs
their ids, which belong to who published them and are not part of this package: put them into the
two dictionaries below, or fetch the archives with a browser.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(os.path.dirname(_FOLDER)),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.arguments import true_or_false
from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured, run_script, suggestion
from ltr.admin.places import add_overwrite, declared_places, output_tree
from ltr.io.files import atomic_write, require_replaceable
from ltr.io.outputs import note_input
from pytracking.evaluation.environment import ensure_local_file, env_settings

pytracking_results_link_dict: dict[
    str, dict[str, str]
] = {}  # tracker -> {'<param>[_<run>].zip': Google Drive id}
external_results_link_dict: dict[str, dict[str, str]] = {}


def download_results(download_path: str | os.PathLike, trackers: str | dict = "pytracking") -> None:
    """Fetch archives into `<download_path>/<tracker>/` by the ids in the two dictionaries of this
    module.

    `trackers`: 'all', 'pytracking', 'external', a tracker's name, or a dict tracker -> 'all' or a
    list of parameter names (every run of each). Needs the package gdown and a network.
    """
    for tracker, archives in _chosen(trackers).items():
        for name, file_id in archives.items():
            _fetch(file_id, Path(download_path, tracker, name))


def unpack_tracking_results(
    download_path: str | os.PathLike, output_path: str | os.PathLike | None = None
) -> None:
    """Unpack every `<download_path>/<tracker>/<name>.zip` to `<output_path>/<tracker>/<name>/`.

    `output_path` is by default `results_path` of local.py. Result files that are there already are
    replaced, except where a guard of outputs protects them, as in the command line below.
    """
    if not os.path.isdir(download_path):
        raise MissingFile(
            f"there is no folder {download_path} with downloaded results - it should hold "
            "<tracker>/<name>.zip"
        )
    output = Path(env_settings().results_path if output_path is None else output_path)
    archives = sorted(Path(download_path).glob("*/*.zip"))
    if not archives:
        raise MissingFile(
            f"there is no <tracker>/<name>.zip in {download_path} - put each archive into a "
            "folder of its "
            "tracker's name"
        )
    for archive in archives:
        note_input(archive)
    for archive in archives:
        print(f"Unpacking {archive}")
        _unpack(archive, output / archive.parent.name / archive.stem)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            infos = [info for info in content.infolist() if not info.is_dir()]
            for info in infos:
                if not (folder / info.filename).resolve().is_relative_to(folder.resolve()):
                    raise BadInput(
                        f"{archive} wants to write to '{info.filename}', outside its folder - do "
                        "not trust it"
                    )
            # All are looked at first, so that a refusal leaves no half of an archive behind.
            for info in infos:
                require_replaceable(folder / info.filename)
            for info in infos:
                with atomic_write(folder / info.filename) as temporary:
                    temporary.write_bytes(content.read(info))
    except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: encrypted
        raise BadInput(f"{archive} cannot be unpacked ({error}) - download it again") from None


def _chosen(trackers: str | dict) -> dict[str, dict[str, str]]:
    groups = {"pytracking": pytracking_results_link_dict, "external": external_results_link_dict}
    known = {**pytracking_results_link_dict, **external_results_link_dict}
    if isinstance(trackers, str):
        trackers = dict.fromkeys({"all": known, **groups}.get(trackers, [trackers]), "all")
    if not known:
        raise NotConfigured(
            "no archives are known - fetch them with a browser into "
            "<folder>/<tracker>/<param>.zip and call "
            "`python pytracking/util_scripts/download_results.py --download False "
            "--temp_download_path "
            f"<folder>`, or put their Google Drive ids into {__file__}"
        )
    chosen = {}
    for tracker, params in trackers.items():
        if tracker not in known:
            raise BadValue(
                f"no archives are known of tracker '{tracker}'{suggestion(tracker, known)} - "
                "known are "
                f"{', '.join(sorted(known))}"
            )
        links = known[tracker]
        patterns = (
            [".*"]
            if params == "all"
            else [rf"{re.escape(param)}(|_(\d\d\d))\.zip" for param in params]
        )
        chosen[tracker] = {
            name: links[name]
            for name in links
            if any(re.fullmatch(pattern, name) for pattern in patterns)
        }
        if not chosen[tracker]:
            raise BadValue(
                f"tracker '{tracker}' has no archive of {', '.join(params)} - there are "
                f"{', '.join(links)}"
            )
    return chosen


def _fetch(file_id: str, target: Path) -> None:
    try:
        import gdown
    except ImportError:
        raise NotConfigured(
            "fetching from Google Drive needs the package gdown: pip install gdown"
        ) from None
    with atomic_write(target) as temporary:
        print(f"Downloading {target.parent.name}/{target.name}")
        if gdown.download(id=file_id, output=str(temporary), quiet=True) is None:
            raise BadInput(
                f"{target.name} of {target.parent.name} cannot be fetched from Google Drive - use "
                "a browser, or try "
                "again later"
            )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fetch and unpack published result archives.")
    parser.add_argument(
        "--tracker",
        default="pytracking",
        help="'all', 'pytracking', 'external' or a tracker's name",
    )
    parser.add_argument(
        "--output_path",
        type=output_tree,
        help="where results go (default: results_path of local.py)",
    )
    parser.add_argument(
        "--temp_download_path",
        default=os.path.join(tempfile.gettempdir(), "pytracking_results"),
        help="where archives are put, and looked for",
    )
    parser.add_argument(
        "--download", type=true_or_false, default=True, help="False: only unpack what is there"
    )
    add_overwrite(parser)
    args = parser.parse_args()

    ensure_local_file()
    if args.output_path is None:
        args.output_path = output_tree(env_settings().results_path)
    with declared_places(parser, args):
        if args.download:
            download_results(args.temp_download_path, args.tracker)
        unpack_tracking_results(args.temp_download_path, args.output_path)


if __name__ == "__main__":
    run_script(main)
