"""Contract checks F01-F03, and the check of archives: which problem is told how."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pytracking.evaluation import Tracker
from pytracking.util_scripts import download_results
from pytracking.util_scripts.check_pack import find_problems, tell_problems
from pytracking.util_scripts.download_results import unpack_tracking_results
from pytracking.util_scripts.pack_got10k_results import SEQUENCES, pack_got10k_results
from pytracking.util_scripts.pack_trackingnet_results import pack_trackingnet_results

REPO = Path(__file__).resolve().parents[2]
FIRST = "GOT-10k_Test_000001"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Folder with a local.py that names results, archives and TrackingNet in it."""
    (tmp_path / "local.py").write_text(
        "from pytracking.evaluation.environment import EnvSettings\n\n\ndef local_env_settings():\n"
        f"    settings = EnvSettings()\n    settings.results_path = '{tmp_path}/results'\n"
        f"    settings.got_packed_results_path = '{tmp_path}/got'\n    "
        f"settings.tn_packed_results_path = '{tmp_path}/tn'\n"
        f"    settings.trackingnet_path = '{tmp_path}/trackingnet'\n    return settings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    return tmp_path


@pytest.fixture
def got_results(place) -> Path:
    """Three runs on 180 sequences with 2 frames; run r has boxes that start at x = r and takes r +
    0.5 seconds a frame.
    """
    for run in range(3):
        folder = place / "results" / "toy" / f"default_{run:03d}"
        folder.mkdir(parents=True)
        for name in SEQUENCES:
            (folder / f"{name}.txt").write_text(f"{run}\t10\t20\t20\n{run + 2}\t10\t20\t20\n")
            (folder / f"{name}_time.txt").write_text(f"{run}.500000\n" * 2)
    return place / "results" / "toy"


@pytest.mark.parametrize("folder", ["default", "default_000"])
def test_one_run_of_a_deterministic_tracker_stands_for_three(got_results, folder):
    (got_results / "default_000").rename(got_results / "one_run")
    for run in (1, 2):
        shutil.rmtree(got_results / f"default_{run:03d}")
    (got_results / "one_run").rename(got_results / folder)
    with pytest.raises(FileNotFoundError, match="--runid 1 and 2"):
        pack_got10k_results("toy", "default", "three")
    with zipfile.ZipFile(
        pack_got10k_results("toy", "default", "one", deterministic=True)
    ) as archive:
        texts = {archive.read(f"{FIRST}/{FIRST}_{run:03d}.txt") for run in (1, 2, 3)}
    assert len(texts) == 1 and texts.pop().startswith(b"0.000000,10")


@pytest.fixture
def trackingnet(place) -> Path:
    """Two sequences of TrackingNet with 2 frames, and results on them."""
    for name in ("abc_0", "def_1"):
        for file, text in (
            (f"trackingnet/TEST/anno/{name}.txt", "1,2,3,4\n"),
            (f"trackingnet/TEST/frames/{name}/0.jpg", ""),
            (f"trackingnet/TEST/frames/{name}/1.jpg", ""),
            (f"results/toy/default/{name}.txt", "1.234\t2\t3\t4\n5\t6\t7\t8\n"),
            (f"results/toy/default_003/{name}.txt", "3,2,3,4\n3,6,7,8\n"),
        ):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(text)
    return place / "results" / "toy"


def content(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_F01_got10k_archive(got_results, place):
    archive = pack_got10k_results("toy", "default", "mine")
    assert archive == place / "got" / "mine.zip" and [
        file.name for file in archive.parent.iterdir()
    ] == ["mine.zip"]
    files = content(archive)
    folders = {name.split("/")[0] for name in files}
    assert folders == {f"GOT-10k_Test_{i:06d}" for i in range(1, 181)} and len(files) == 180 * 4
    assert files[f"{FIRST}/{FIRST}_002.txt"] == (
        "1.000000,10.000000,20.000000,20.000000\n3.000000,10.000000,20.000000,20.000000\n"
    )
    assert (
        files[f"{FIRST}/{FIRST}_time.txt"] == "2.500000\n2.500000\n"
        and f"{FIRST}/{FIRST}_003.txt" in files
    )
    assert find_problems(archive) == []


def test_got10k_archive_with_the_times_of_all_runs(got_results):
    archive = pack_got10k_results("toy", "default", "mine", all_times=True)
    assert content(archive)[f"{FIRST}/{FIRST}_time.txt"] == "0.500000,1.500000,2.500000\n" * 2
    assert find_problems(archive) == []


def test_missing_result_stops_before_anything_is_written(got_results, place):
    (got_results / "default_001" / f"{FIRST}.txt").unlink()
    (got_results / "default_002" / f"{FIRST}_time.txt").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=rf"GOT-10k: 2 of 1080 result files are missing, e.g. .*default_001/{FIRST}\.txt"
        " - run .*--runid 0",
    ):
        pack_got10k_results("toy", "default", "mine")
    assert not (place / "got").exists()


@pytest.mark.parametrize(
    "run_id, name, first",
    [
        (None, "toy_default", "1.23,2.00,3.00,4.00\n5.00,6.00,7.00,8.00\n"),
        (3, "toy_default_003", "3.00,2.00,3.00,4.00\n3.00,6.00,7.00,8.00\n"),
    ],
)
def test_F02_trackingnet_archive(trackingnet, place, run_id, name, first):
    archive = pack_trackingnet_results("toy", "default", run_id)
    assert archive == place / "tn" / f"{name}.zip" and content(archive) == {
        "abc_0.txt": first,
        "def_1.txt": first,
    }
    assert pack_trackingnet_results("toy", "default", run_id, "other").name == "other.zip"
    (trackingnet / "default" / "abc_0.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"1 of 2 result files are missing, e\.g\. .*abc_0\.txt"
    ):
        pack_trackingnet_results("toy", "default")


def test_F03_unpacked_results_are_where_the_analysis_reads_them(place):
    (place / "dl" / "trk").mkdir(parents=True)
    with zipfile.ZipFile(place / "dl" / "trk" / "p_000.zip", "w") as file:
        file.writestr("s1.txt", "10\t10\t20\t20\n")
    unpack_tracking_results(place / "dl")
    unpack_tracking_results(place / "dl", place / "elsewhere")
    assert (Path(Tracker("trk", "p", 0).results_dir) / "s1.txt").read_text() == "10\t10\t20\t20\n"
    assert (place / "elsewhere" / "trk" / "p_000" / "s1.txt").is_file()


def test_F03_unpacked_results_are_analysed(place):
    from pytracking.analysis.extract_results import extract_results
    from pytracking.evaluation import Sequence

    boxes = np.tile([10.0, 10, 20, 20], (3, 1))
    (place / "dl" / "trk").mkdir(parents=True)
    with zipfile.ZipFile(place / "dl" / "trk" / "p_000.zip", "w") as file:
        file.writestr("s1.txt", "10,10,20,20\n" * 3)
    unpack_tracking_results(place / "dl")
    data = extract_results(
        [Tracker("trk", "p", 0)], [Sequence("s1", ["f"] * 3, "otb", boxes)], "unpacked"
    )
    assert np.allclose(np.asarray(data["avg_overlap_all"], dtype=float), 1)


@pytest.mark.parametrize(
    "name, data, expected",
    [
        ("../../evil.txt", None, "outside its folder"),
        ("s.txt", b"no zip", "cannot be unpacked .* download it again"),
    ],
)
def test_archive_that_cannot_be_trusted_or_read(place, name, data, expected):
    archive = place / "dl" / "trk" / "p.zip"
    archive.parent.mkdir(parents=True)
    if data is None:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "x")
    else:
        archive.write_bytes(data)
    with pytest.raises(Exception, match=expected):
        unpack_tracking_results(place / "dl")
    assert not list(place.rglob("evil.txt"))


def test_downloads_are_chosen_by_tracker_and_parameter(place, monkeypatch):
    with pytest.raises(RuntimeError, match="no archives are known - fetch them with a browser"):
        download_results.download_results(place / "dl")
    links = {
        "dimp": {"dimp50_000.zip": "a", "dimp50_001.zip": "b", "dimp50_long.zip": "c"},
        "atom": {"default.zip": "d"},
    }
    monkeypatch.setattr(download_results, "pytracking_results_link_dict", links)
    fetched = []
    monkeypatch.setattr(
        download_results, "_fetch", lambda link, target: fetched.append((link, target.name))
    )
    for trackers in ({"dimp": ["dimp50"]}, "atom", "external"):
        download_results.download_results(place / "dl", trackers)
    assert fetched == [("a", "dimp50_000.zip"), ("b", "dimp50_001.zip"), ("d", "default.zip")]
    with pytest.raises(ValueError, match="tracker 'dimpp', did you mean 'dimp'"):
        download_results.download_results(place / "dl", "dimpp")


def rewrite(archive: Path, change) -> Path:
    """The archive with `change(dict of entries)` applied."""
    files = content(archive)
    files = change(files) or files
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return archive


@pytest.mark.parametrize(
    "change, expected",
    [
        (
            lambda files: [files.pop(name) for name in list(files) if "000007" in name] and None,
            ["1 of 180 sequences are missing: GOT-10k_Test_000007"],
        ),
        (
            lambda files: files.pop(f"{FIRST}/{FIRST}_002.txt") and None,
            [f"{FIRST}/{FIRST}_002.txt: is missing"],
        ),
        (
            lambda files: files.pop(f"{FIRST}/{FIRST}_time.txt") and None,
            [f"{FIRST}/{FIRST}_time.txt: is missing"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_004.txt": "1,2,3,4\n"}),
            [f"{FIRST}/{FIRST}_004.txt: does not belong into the archive"],
        ),
        (
            lambda files: files.update({"__MACOSX/x": ""}),
            ["1 sequences do not belong to the data set: __MACOSX"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": "1,2,3,4\n1,2,nan,4\n"}),
            [f"{FIRST}/{FIRST}_001.txt: line 2: not all numbers are finite"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": "1,2,3,4\n1,2,-3,4\n"}),
            [f"{FIRST}/{FIRST}_001.txt: line 2: a box has a negative size"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": "1,2,3,4\n1,2,3\n"}),
            [f"{FIRST}/{FIRST}_001.txt: line 2: 3 numbers where 4 belong"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": "1 2 3 4\n1 2 3 4\n"}),
            [f"{FIRST}/{FIRST}_001.txt: line 1: '1 2 3 4' is not numbers separated by commas"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": ""}),
            [f"{FIRST}/{FIRST}_001.txt: is empty"],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_001.txt": "1,2,3,4\n" * 3}),
            [
                f"{FIRST}: the runs have 2, 3 rows, they should have one per frame",
                f"{FIRST}/{FIRST}_time.txt: 2 rows for 3 frames",
            ],
        ),
        (
            lambda files: files.update({f"{FIRST}/{FIRST}_time.txt": "0.1,0.2\n0.1,0.2\n"}),
            [f"{FIRST}/{FIRST}_time.txt: line 1: 2 numbers where 1 or 3 belong"],
        ),
        (
            lambda files: {f"mine/{name}": text for name, text in files.items()},
            ["everything lies in a folder 'mine/' - zip its content, not the folder"],
        ),
    ],
    ids=[
        "sequence",
        "run",
        "times",
        "fourth run",
        "junk",
        "nan",
        "negative",
        "three numbers",
        "spaces",
        "empty",
        "rows",
        "two columns of times",
        "folder",
    ],
)
def test_problem_of_a_got10k_archive_is_one_line(got_results, change, expected):
    assert find_problems(rewrite(pack_got10k_results("toy", "default", "mine"), change)) == expected


def test_trackingnet_archive_is_compared_with_the_frames_on_disk(trackingnet, capsys):
    archive = pack_trackingnet_results("toy", "default")
    rewrite(archive, lambda files: files.update({"abc_0.txt": "1,2,3,4\n"}))
    assert find_problems(archive) == [
        "2 sequences where 511 belong",
        "abc_0.txt: 1 rows for 2 frames",
    ]
    assert tell_problems(archive) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"{archive}: not fit for upload, 2 problems"


def test_whole_trackingnet_archive_is_fit(place, capsys):
    names = [f"video_{number}" for number in range(511)]
    for folder, text in (
        ("trackingnet/TEST/anno", "1,2,3,4\n"),
        ("results/toy/default", "1\t2\t3\t4\n"),
    ):
        (place / folder).mkdir(parents=True)
        for name in names:
            (place / folder / f"{name}.txt").write_text(text)
    archive = pack_trackingnet_results("toy", "default")
    assert tell_problems(archive) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[0].startswith("not compared with the number of frames: TrackingNet: no folder")
        and len(said) == 2
    )
    assert said[1] == f"{archive}: fit for upload, trackingnet, 511 sequences"


FOLDERED = {
    "TrackingNet in a folder": ["mine/video_1.txt", "mine/video_2.txt"],
    "TrackingNet two folders deep": ["a/mine/video_1.txt", "a/mine/video_2.txt"],
    "GOT-10k in a folder": ["mine/GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt"],
}


@pytest.mark.parametrize("names", FOLDERED.values(), ids=FOLDERED)
def test_an_archive_of_a_folder_says_what_to_zip(names, tmp_path, place):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "1,2,3,4\n")
    (problem,) = find_problems(tmp_path / "mine.zip")
    folder = names[0].split("/")[0]
    assert problem == f"everything lies in a folder '{folder}/' - zip its content, not the folder"


def run(*command) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=REPO, timeout=120
    )


def test_commands(got_results, place):
    packed = run("pytracking/util_scripts/pack_got10k_results.py", "toy", "default", "mine")
    assert packed.returncode == 0 and packed.stdout.splitlines()[-1].endswith(
        "fit for upload, got10k_test, 180 sequences"
    )
    rewrite(
        place / "got" / "mine.zip", lambda files: files.pop(f"{FIRST}/{FIRST}_003.txt") and None
    )
    checked = run("-m", "pytracking.util_scripts.check_pack", str(place / "got" / "mine.zip"))
    assert (
        checked.returncode == 1
        and checked.stdout.splitlines()[1] == f"{FIRST}/{FIRST}_003.txt: is missing"
    )
    absent = run("-m", "pytracking.util_scripts.check_pack", str(place / "no.zip"))
    assert (
        absent.returncode == 1
        and absent.stderr == f"error: there is no archive {place / 'no.zip'}\n"
    )
