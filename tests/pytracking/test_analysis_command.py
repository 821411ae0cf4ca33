"""`python -m pytracking.analysis`: what it prints, writes and refuses."""

from types import SimpleNamespace

import pytest

from ltr.admin.errors import BadValue, run_script
from pytracking.analysis import __main__ as command
from tests.support.analysis import HALF, G, P, seq


@pytest.fixture
def run(new, monkeypatch, capsys):
    """Run the command on the trackers toy p (shifted boxes, two runs), b p (perfect), c p (too
    short); returns its output.
    """
    both = {"s1": P, "s2": G}
    made = {
        "toy": {None: new(both, "A"), 0: new(both, run_id=0), 1: new({"s1": G, "s2": G}, run_id=1)},
        "b": {None: new({"s1": G, "s2": G}, "B", name="b")},
        "c": {None: new({"s1": G[:6], "s2": G}, "C", name="c")},
        "none": {None: new({}, name="none")},
    }
    sequences = [seq(), seq("s2", vis=HALF)]

    def trackerlist(name, parameter, run_ids, label):
        trackers = [made[name][run] for run in run_ids or [None]]
        return [
            SimpleNamespace(**{**vars(one), "display_name": label or one.display_name})
            for one in trackers
        ]

    monkeypatch.setattr(command, "trackerlist", trackerlist)
    monkeypatch.setattr(command, "get_dataset", lambda *names: sequences)
    monkeypatch.setattr(
        command,
        "get_dataset_attributes",
        lambda name: {"IV": sequences[:1], "MB": sequences, "OV": sequences[1:]},
    )

    def call(line):
        command.main(line.split())
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "toy p b p --dataset_name toy --format csv",
            [
                "toy,AUC,OP50,OP75,Precision,Norm Precision,AO,SR50,SR75\nA,54.28",
                "\nB,71.4",
                "/plots/toy/success_plot.pdf\n",
                "/norm_precision_plot.png\n",
            ],
        ),
        (
            "toy p --dataset_name otb nfs --corrected --plot_types success",
            ["\nPlotting results over 2 / 2 sequences\n", "otb_nfs (corrected)      | AUC"],
        ),
        (
            "toy p --runid 0 1 --spread --dataset_name toy --plot_types success",
            ["toy_p (2 runs)", " ± "],
        ),
        (
            "toy p --runid 0 1 --merge --dataset_name toy --format markdown --plot_types success",
            ["| toy_p_000 | 62.86 |"],
        ),
        (
            "toy p b p --label X Y_1 --dataset_name toy --format latex --plot_types prec",
            [r"Y\_1 &", r"\toprule"],
        ),
        ("toy p --dataset_name toy --show sequences", ["s1 (ID=0)", "s2 (ID=1)"]),
        ("toy p b p --dataset_name toy --show toolkits", ["A (pysot)", "B (GOT-10k)"]),
        (
            "toy p b p --dataset_name toy --show attributes",
            ["toy      | IV         | MB         | OV", "/toy/attributes/radar_plot.pdf"],
        ),
        (
            "c p --dataset_name toy --plot_types success",
            ["toy      | AUC        | OP50       | OP75       |\nC        | 52.38"],
        ),
    ],
    ids=[
        "table and plots",
        "corrected",
        "spread",
        "merge",
        "labels",
        "sequences",
        "toolkits",
        "attributes",
        "short result",
    ],
)
def test_command(run, line, expected):
    out = run(line)
    assert [text for text in expected if text not in out] == []


@pytest.mark.parametrize(
    ("style", "start"), [("text", "Warning"), ("markdown", "\nWarning"), ("latex", "% Warning")]
)
def test_results_of_another_length_are_named_below_the_table(run, style, start):
    out = run(f"c p --dataset_name toy --show sequences --format {style}")
    assert f"\n{start}: C on s1 has 6 boxes for 10 frames of ground truth; " in out


def test_a_table_for_programs_has_rows_only(run):
    assert "Warning" not in run("c p --dataset_name toy --show sequences --format csv")


def test_table_is_written_in_the_style_of_its_ending(run, tmp_path):
    for ending, start in (
        ("md", "| toy | A |"),
        ("tex", "\\begin{tabular}"),
        ("csv", "toy,A"),
        ("txt", "\ntoy "),
    ):
        assert f"{tmp_path}/t.{ending}\n" in run(
            f"toy p --dataset_name toy --show sequences --out {tmp_path}/t.{ending}"
        )
        assert (tmp_path / f"t.{ending}").read_text().startswith(start)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("toy p b --dataset_name toy", "parameter name of 'b'"),
        ("toy p --label X Y --dataset_name toy", "each of the 1 trackers"),
        ("toy p --dataset_name toy --show playback", "needs --sequence"),
        ("toy p --dataset_name otb nfs --show attributes", "Attributes are those of one data set"),
        ("toy p --dataset_name toy --plot_types f1_prec_rec", "has no target_visible"),
    ],
    ids=["odd names", "labels", "playback", "attributes", "f1 without visibility"],
)
def test_command_refuses(run, line, message):
    with pytest.raises(BadValue, match=message):
        run(line)


def test_hidden_ground_truth_is_not_scored(run, monkeypatch):
    monkeypatch.setattr(command, "get_dataset", lambda *names: [seq(gt=G[:1])])
    with pytest.raises(BadValue, match="trackingnet has no public ground truth"):
        run("toy p --dataset_name trackingnet")


def test_command_shows_errors_as_one_sentence(run, capsys, monkeypatch):
    # Processes of later tests start in this folder, and look for modules there.
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    with pytest.raises(SystemExit, match="1"):
        run_script(lambda: run("none p --dataset_name toy"))
    err = capsys.readouterr().err
    assert err.startswith("error: Result not found. ") and err.count("\n") == 1


def test_masks_and_playback(run, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "pytracking.analysis.evaluate_vos.evaluate_vos",
        lambda *args, **kwargs: seen.append((args[1], kwargs)),
    )
    monkeypatch.setattr(
        "pytracking.analysis.playback_results.playback_results",
        lambda trackers, seq: seen.append(seq.name),
    )
    assert "/masks/toy/p/dv2017_val_per-sequence_results.csv\n" in run(
        "toy p --dataset_name dv2017_val --show vos"
    )
    run("toy p --dataset_name toy --show playback --sequence 1")
    assert seen == [("dv2017_val", {"force": True}), "s2"]
