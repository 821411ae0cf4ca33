"""The verb `evaluate`: it tracks what is missing, prints the table, and names what failed."""

import pytest

from ltr.admin.errors import BadInput
from spot_ext import __main__ as command
from spot_ext.rendering import drawn

SEQUENCES = ["toy_test_0001", "toy_test_0002"]
EVALUATE = ["evaluate", "transt", "light", "--dataset", "toy", "--device", "cpu"]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two short embedded videos to track; everything lies below tmp_path."""
    drawn.ensure(
        tmp_path / "toy", splits={"train": 1, "val": 1, "test": 2}, size=(128, 96), frames=(8, 10)
    )
    folders = {name: str(tmp_path / name) for name in ("results", "plots", "got")}
    (tmp_path / "local.py").write_text(
        "from pytracking.evaluation.environment import EnvSettings\n"
        "def local_env_settings():\n"
        "    settings = EnvSettings()\n"
        f"    settings.toy_path = {str(tmp_path / 'toy')!r}\n"
        f"    settings.results_path = {folders['results']!r}\n"
        f"    settings.result_plot_path = {folders['plots']!r}\n"
        f"    settings.got_reports_path = {folders['got']!r}\n"
        "    return settings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    return tmp_path


def scores(output: str) -> list[list[str]]:
    """Return the cells of the printed table without the last column, the speed."""
    rows = [line.split("|") for line in output.splitlines() if "|" in line]
    return [cells[:-2] for cells in rows]


def test_it_tracks_what_is_missing_and_prints_the_table(places, capsys):
    command.main(EVALUATE)
    first = capsys.readouterr().out
    boxes = [places / "results/transt/light" / f"{name}.txt" for name in SEQUENCES]
    finished = boxes[0].stat().st_mtime_ns
    boxes[1].unlink()

    command.main(EVALUATE)
    second = capsys.readouterr().out
    assert boxes[0].stat().st_mtime_ns == finished and boxes[1].is_file()
    assert scores(first) == scores(second) and len(scores(first)) == 2
    assert scores(first)[0][1].strip() == "AUC" and "success_plot.png" in second


def test_a_failed_sequence_ends_in_a_sentence_and_keeps_the_others(places):
    frame = next((places / "toy/test" / SEQUENCES[0]).glob("*3.jpg"))
    frame.write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"failed on toy_test_0001 .*one of 1 failures.*evaluate"):
        command.main(EVALUATE)
    assert (places / "results/transt/light" / f"{SEQUENCES[1]}.txt").is_file()
