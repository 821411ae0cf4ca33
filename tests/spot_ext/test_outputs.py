"""No output eats an input: the guard of all verbs and scripts that write where a person says."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.admin import places
from ltr.admin.errors import BadInput
from ltr.io.files import write_text
from ltr.io.outputs import LEDGER, Kept, OutputGuard, guarding
from pytracking.analysis import __main__ as analysis
from pytracking.util_scripts import download_results
from spot_ext.__main__ import build_parser, main
from spot_ext.commands import find_verbs

BOXES = "video,object,frame,x,y,w,h\nwalk,dog,0,10,8,24,24\n"
VERBS = [verb.name for verb in find_verbs()]


@pytest.fixture
def desk(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with videos and boxes, in which commands are given."""
    monkeypatch.chdir(tmp_path)
    # Nothing depends on the machine's local.py, and none is written beside the code.
    elsewhere = tmp_path_factory.mktemp("local")
    monkeypatch.setenv("LTR_LOCAL", str(elsewhere / "ltr.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(elsewhere / "pytracking.py"))
    walk = tmp_path / "videos/walk"
    walk.mkdir(parents=True)
    for number in range(4):
        cv2.imwrite(str(walk / f"{number:04d}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    (tmp_path / "few.csv").write_text(BOXES)
    (tmp_path / "clip.mp4").write_bytes(b"a film")
    (tmp_path / "net.pth.tar").write_bytes(b"a network")
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled/boxes.csv").write_text(BOXES)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/history.jsonl").write_text("{}\n")
    return tmp_path


def everything(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LEDGER]
    return {path.relative_to(folder): path.read_bytes() for path in files}


OVER_AN_INPUT = [
    "track clip.mp4 --box 1,2,30,40 --out clip.mp4",
    "track clip.mp4 --box 1,2,30,40 --out videos/../clip.mp4",
    "track clip.mp4 --box 1,2,30,40 --video clip.mp4",
    "track clip.mp4 --box 1,2,30,40 --net net.pth.tar --out net.pth.tar",
    "track videos/walk --box 1,2,30,40 --out videos/walk/0000.png",
    "export few.csv --format coco --out few.csv",
    "export few.csv --format keyframes --out few.csv",
    "export few.csv --format csv --out few.csv",
    "export labelled --format csv --out labelled/boxes.csv",
    "export labelled --format csv --out labelled",
    "export few.csv --videos videos --format csv --out videos/walk/0000.png",
    "label videos --boxes labelled/boxes.csv --no-adapt --out labelled",
    "label videos --boxes labelled --no-adapt --out labelled",
    "check few.csv --json few.csv",
    "check few.csv --videos videos --json videos/walk/0001.png",
    "report run --out run/history.jsonl",
    "annotate videos --boxes few.csv --propagated few.csv",
    "annotate videos --boxes few.csv --suggest few.csv",
    "tune transt light --dataset toy_val --out few.csv",
]


@pytest.mark.parametrize("overwrite", [False, True], ids=["", "--overwrite"])
@pytest.mark.parametrize("line", OVER_AN_INPUT)
def test_an_input_is_never_replaced(line, overwrite, desk, capsys):
    before = everything(desk)
    arguments = line.split()
    if overwrite and arguments[0] != "annotate":
        arguments.append("--overwrite")
    try:
        status = main(arguments)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert status == 2 and "error: " in capsys.readouterr().err
    assert everything(desk) == before


def test_scripts_are_guarded_too(desk, monkeypatch):
    before = everything(desk)
    for name, line in (
        ("run_video", "transt light clip.mp4 --optional_box 1 2 3 4 --save_video clip.mp4"),
        ("run_webcam", "transt light --save_video clip.mp4"),
    ):
        script = importlib.import_module(f"pytracking.{name}")
        monkeypatch.setattr(sys, "argv", ["script", *line.split()])
        monkeypatch.setattr(script, "ensure_local_file", lambda: None)
        monkeypatch.setattr(script, "env_settings", lambda: None)
        with pytest.raises(Kept, match=r"clip.mp4 (is an input|was not written by this toolkit)"):
            script.main()
    with pytest.raises(Kept, match=r"few.csv was not written by this toolkit and was kept"):
        analysis.main(["transt", "light", "--dataset_name", "toy", "--out", "few.csv"])
    assert everything(desk) == before


def export(out="out.json", *more):
    return main(["export", "few.csv", "--format", "coco", "--out", str(out), *more])


def test_the_same_command_twice_replaces_its_own_output(desk):
    export()
    first = (desk / "out.json").read_text()
    (desk / "few.csv").write_text(BOXES + "walk,dog,2,11,8,24,24\n")
    export()
    assert (desk / "out.json").read_text() != first


def test_a_file_that_was_changed_since_needs_overwrite(desk):
    export()
    (desk / "out.json").write_text("{}")
    with pytest.raises(Kept, match=r"out.json was changed since this toolkit wrote it and was kep"):
        export()
    assert (desk / "out.json").read_text() == "{}"
    export("out.json", "--overwrite")
    export()
    assert json.loads((desk / "out.json").read_text())["videos"]


@pytest.mark.parametrize("damage", [None, b"", b"\xff\n[]\n{\n", b'{"file": "out.json"}\n'])
def test_a_file_of_something_else_needs_overwrite(damage, desk):
    (desk / "out.json").write_text("{}")
    if damage is not None:
        (desk / LEDGER).write_bytes(damage)
    with pytest.raises(Kept, match=r"out.json was (not written|changed since).*--overwrite"):
        export()
    export("out.json", "--overwrite")
    export()


@pytest.mark.parametrize("format", ["yolo", "got10k", "mot", "cvat"])
def test_a_folder_of_files_is_guarded_file_by_file(format, desk):
    line = ["export", "few.csv", "--format", format, "--out", "new", "--videos", "videos"]
    main(line)
    main(line)
    shutil.move(desk / "new", desk / "moved")
    line[5] = "moved"
    main(line)
    file = max((path for path in (desk / "moved").rglob("*") if path.is_file()), key=str)
    file.write_text(file.read_text() + "\n")
    before = everything(desk / "moved")
    with pytest.raises(Kept, match="was changed since"):
        main(line)
    assert everything(desk / "moved") == before


def test_an_export_does_not_go_over_the_folder_it_reads(desk):
    main(["export", "few.csv", "--format", "got10k", "--out", "val", "--videos", "videos"])
    before = everything(desk)
    with pytest.raises(Kept, match=r"lies in the folder .*val, which this command reads"):
        main(
            [
                "export",
                "val",
                "--format",
                "got10k",
                "--out",
                "val",
                "--videos",
                "videos",
                "--overwrite",
            ]
        )
    assert everything(desk) == before
    for _ in range(2):
        main(["export", "val", "--format", "coco", "--out", "val/boxes.json", "--videos", "videos"])


@pytest.mark.parametrize("out", ["out.mp4", "out.csv", "out.xml", "out.JPG"])
def test_a_suffix_of_another_format_is_refused(out, desk):
    with pytest.raises(BadInput, match=r"is not the suffix of a file in the format coco; end it"):
        export(out)


def test_two_outputs_of_one_name_are_refused(desk):
    with pytest.raises(Kept, match=r"same.mp4 is named for two outputs"):
        main(
            ["track", "clip.mp4", "--box", "1,2,30,40", "--out", "same.mp4", "--video", "same.mp4"]
        )


@pytest.mark.parametrize("verb", VERBS)
def test_every_path_of_a_verb_says_what_it_is_for(verb):
    """A plain path would be neither guarded nor looked at before work begins."""
    from pathlib import Path

    parser = build_parser().parse_args(MINIMAL[verb].split()).parser
    plain = [action.dest for action in parser._actions if action.type is Path]
    assert not plain
    outputs = {places.output_file, places.output_folder, places.output_place, places.output_tree}
    has_output = any(action.type in outputs | {places.work_folder} for action in parser._actions)
    assert has_output == any("--overwrite" in action.option_strings for action in parser._actions)
    may_write = {"out", "json", "annotated", "folder"}
    if not has_output:
        assert not {action.dest for action in parser._actions if action.dest == "out"} & may_write


MINIMAL = {
    "evaluate": "evaluate transt light --dataset toy",
    "annotate": "annotate f",
    "check": "check toy",
    "discover": "discover f --mode det --out o",
    "doctor": "doctor",
    "export": "export f --format csv --out o",
    "export-onnx": "export-onnx net out",
    "label": "label f --boxes b --out o",
    "quickstart": "quickstart",
    "report": "report run",
    "sample": "sample folder",
    "scenes": "scenes",
    "suggest": "suggest run",
    "toy": "toy",
    "track": "track v --box 1,2,3,4",
    "train": "train quickstart",
    "tune": "tune t p --dataset d",
}


def test_a_command_that_was_killed_between_two_files_goes_on(desk):
    """The list is written before a file appears, so no file of ours is taken for a stranger's."""
    guard = OutputGuard()
    guard.add_output(desk / "a.txt")
    with guarding(guard):
        write_text(desk / "a.txt", "one")
        guard.record(desk / "a.txt", desk / "few.csv")
    again = OutputGuard()
    again.add_output(desk / "a.txt")
    with guarding(again):
        write_text(desk / "a.txt", "two")
    assert (desk / "a.txt").read_text() == "two"


def test_outputs_of_a_version_without_lists_are_taken_over(desk):
    from spot_ext.propagate.labelling import guard_outputs

    out = desk / "labelled"
    (out / "label.json").write_text("{}")
    guard = OutputGuard()
    with guarding(guard):
        guard_outputs(out)
    (out / "boxes.csv").write_text(BOXES + "walk,dog,3,1,2,3,4\n")
    with guarding(OutputGuard()), pytest.raises(Kept, match=r"boxes.csv was changed since"):
        guard_outputs(out)


@pytest.fixture
def unpack(tmp_path, monkeypatch):
    """Unpack one archive of results through the command line into `tmp_path/out`."""
    archive = tmp_path / "downloads" / "trk" / "p.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("a.txt", "1,2,3,4\n")
        content.writestr("b.txt", "5,6,7,8\n")

    def unpack(out: Path, *more: str) -> None:
        places = ["--temp_download_path", str(tmp_path / "downloads"), "--output_path", str(out)]
        monkeypatch.setattr(sys, "argv", ["download_results", "--download", "0", *places, *more])
        monkeypatch.setattr(download_results, "ensure_local_file", lambda: None)
        download_results.main()

    return unpack


def test_downloaded_results_do_not_replace_own_ones(unpack, tmp_path):
    own = tmp_path / "out" / "trk" / "p" / "b.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    with pytest.raises(Kept, match=r"b\.txt was not written by this toolkit .*--overwrite"):
        unpack(tmp_path / "out")
    assert own.read_text() == "mine\n"
    assert not own.with_name("a.txt").exists(), "half of an archive was unpacked"
    unpack(tmp_path / "out", "--overwrite")
    assert own.read_text() == "5,6,7,8\n"


@pytest.mark.parametrize("folder", ["out", "downloads"])
def test_downloaded_results_are_unpacked_twice(unpack, tmp_path, folder):
    for _ in range(2):
        unpack(tmp_path / folder)
    assert (tmp_path / folder / "trk" / "p" / "a.txt").read_text() == "1,2,3,4\n"
