"""The report of a run: what it says of good and bad runs, what it shows, and what it does
without.
"""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.dataset import Got10k
from ltr.io.checkpoint import write_checkpoint
from spot_ext.__main__ import main
from spot_ext.boxes import key_frames
from spot_ext.report import charts, verdict
from spot_ext.report.evaluation import evaluation
from spot_ext.report.exploration import exploration
from spot_ext.report.page import build, to_html, to_plain
from spot_ext.report.pictures import open_videos
from spot_ext.report.run_folder import Run, config_of, open_run
from spot_ext.training import history
from spot_ext.training.config import CropConfig, DatasetConfig, SparseConfig
from spot_ext.training.data.videos import LabelledDataset, VideoPool

EVIL = "<script>alert('&')</script>"


def meter(values) -> dict:
    return {
        "_type": "AverageMeter",
        "history": list(values),
        "avg": 0,
        "count": 0,
        "sum": 0,
        "val": 0,
        "has_new_data": False,
    }


def checkpoint(folder, epoch=4, burn_in=2, recipe=True, **stats):
    """A student's checkpoint whose statistics are given, or plausible ones."""
    sparse = max(0, epoch - burn_in)
    stats = {
        "Loss/total": np.linspace(5, 1, epoch),
        "iou_sup": np.linspace(0.3, 0.7, epoch),
        "yield": [0.5] * sparse,
        "iou_unsup": [0.6] * sparse,
        "Time/data": [1.0] * epoch,
        "Time/student": [3.0] * epoch,
        "LearningRate/group0": [1e-3] * epoch,
        **stats,
    }
    config = SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": str(folder.parent / "train")}),),
        burn_in_epochs=burn_in,
        epochs=6,
        crops=CropConfig(template_size=32, search_size=64),
    )
    write_checkpoint(
        folder / f"TransT_ep{epoch:04d}_s.pth.tar",
        {
            "epoch": epoch,
            "net_type": "TransT",
            "net": {},
            "stats": {
                "train": {
                    name: meter(map(float, values)) for name, values in stats.items() if len(values)
                }
            },
            "settings": {"project_path": f"ltr/spot/{EVIL}"},
            "seed": 0,
            **({"recipe": config.to_plain()} if recipe else {}),
        },
    )


@pytest.fixture
def run(open_pool, tree, tmp_path):
    """A run after two epochs of burn-in and two with pseudo-labels, without a teacher's file."""
    pool = open_pool(tree, tmp_path / "run")
    writer, lines = pool.store(0).writer(), history.HistoryWriter(tmp_path / "run")
    for epoch, frames in ((1, ()), (2, ()), (3, (4, 5)), (4, (6, 9))):
        lines.start_epoch()
        before = pool.store(epoch - 1 if epoch > 3 else 0).epoch
        if epoch > 2:
            for path in range(len(pool.store(0))):
                for frame in frames:
                    writer.record(path, frame, [10, 10, 20, 20], 0.6 + 0.05 * path)
            writer.commit(epoch)
            lines.saw(np.array([0.1, 0.62, 0.99, 1.0]))
        versions = (
            [type(pool.store(0)).open(pool.store_folder, version) for version in (before, epoch)]
            if epoch > 2
            else []
        )
        stats = {
            "Loss/total": 6 - epoch,
            "iou_sup": epoch / 10,
            "Time/data": 1,
            "Time/student": 3,
            **({"yield": 0.5} if versions else {}),
        }
        lines.write(epoch, "sparse" if epoch > 2 else "burnin", stats, *versions)
    checkpoint(tmp_path / "run")
    return tmp_path / "run"


def test_the_page_stands_alone_and_escapes_names(run):
    page = to_html(build(run), EVIL)
    assert EVIL not in page and "&lt;script&gt;alert(" in page
    text = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "data:", page)
    assert not re.search(r"https?:|[\"'(]//|url\(|@import|<link|src=\"(?!data:)", text)
    for section in (
        "learning",
        "pseudo",
        "explored",
        "examples",
        "sure",
        "tracking",
        "time",
        "settings",
    ):
        assert f'id="{section}"' in page
    assert page.count("data:image/jpeg") >= 16 and len(page) < 2e6


def test_all_numbers_are_there_for_programs(run):
    numbers = json.loads(json.dumps(to_plain(build(run))))
    assert numbers["epoch"] == 4 and numbers["curves"]["Loss/total"] == [
        [1, 5.0],
        [2, 4.0],
        [3, 3.0],
        [4, 2.0],
    ]
    assert numbers["curves"]["yield"] == [[3, 0.5], [4, 0.5]]  # counted from epoch 3 on
    assert sum(numbers["confidences"]["3"]) == 4 and numbers["least_sure"][0][
        "confidence"
    ] == pytest.approx(0.6, abs=0.06)


def test_explored_epochs_are_exact_with_a_history_and_bounded_by_versions_without(run):
    opened = open_run(run)
    shown = exploration(opened, opened.store)
    assert shown.exact and len(shown.strips) == 4 and shown.strips[0].by_epoch and shown.total > 0
    (run / history.FILE).unlink()
    without_history = open_run(run)
    assert not exploration(without_history, without_history.store).exact


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: shutil.rmtree(run.parent / "train"), "Pictures of the videos are left out"),
        (lambda run: shutil.rmtree(run / "store"), "store could not be read"),
        (lambda run: (run / history.FILE).write_text("{"), "history was left out"),
        (
            lambda run: [file.unlink() for file in run.glob("*_t.pth.tar")],
            "The teacher could not be asked",
        ),
        (lambda run: (run.parent / "table.json").write_text("[]"), "could not be read"),
        (lambda run: (run / history.FILE).unlink(), "wrote no history.jsonl"),
        (
            lambda run: (
                checkpoint(run, **{"Loss/total": [1, 2, float("nan"), float("nan")]})
                or (run / history.FILE).unlink()
            ),
            "Loss/total is not a number from epoch 3 on",
        ),
        (lambda run: None, "has not been evaluated"),
    ],
    ids=[
        "no data set",
        "no store",
        "damaged history",
        "no teacher",
        "damaged table",
        "old run",
        "nan",
        "no evaluation",
    ],
)
def test_a_missing_part_is_a_sentence(run, change, sentence):
    change(run)
    assert sentence in to_html(build(run), "run")


def test_two_data_sets_may_have_videos_of_the_same_name(tree, tmp_path):
    trees = [tree, shutil.copytree(tree, tmp_path / "other")]
    sources = [
        LabelledDataset(Got10k(root=str(tree)), key_frames.choose(Got10k(root=str(tree)), 3, seed))
        for seed, tree in enumerate(trees)
    ]
    pool = VideoPool(sources, tmp_path / "run" / "store")
    store = pool.open_store(sources)
    config = SparseConfig(
        datasets=tuple(DatasetConfig("Got10k", {"root": str(tree)}) for tree in trees)
    )
    found = open_videos(config, store).pool
    assert [Path(found.locate(path)[0].root) for path in range(8)] == [trees[0]] * 4 + [
        trees[1]
    ] * 4


def test_burn_in_only(open_pool, tree, tmp_path):
    open_pool(tree, tmp_path / "run")
    checkpoint(tmp_path / "run", epoch=1)
    page = to_html(build(tmp_path / "run"), "run")
    assert (
        "Only the labels are known" in page
        and "No video has three pseudo-labels yet" in page
        and "Labelled pairs" in page
    )


def test_a_run_of_another_trainer_has_its_curves(tmp_path):
    checkpoint(tmp_path, recipe=False)
    report = build(tmp_path)
    assert len(report.learning) >= 3 and "was not trained with SPOT" in to_html(report, "run")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: folder / "nowhere", "there is no folder"),
        (lambda folder: folder, "holds no checkpoint"),
        (
            lambda folder: (checkpoint(folder / "a" / "b"), folder)[1],
            "give one of its runs, e.g. .*b$",
        ),
    ],
    ids=["no folder", "empty", "folder above"],
)
def test_a_wrong_folder_is_one_sentence(tmp_path, make, text):
    with pytest.raises(MissingFile, match=text):
        build(make(tmp_path))


def fake(burn_in=2, unlabelled=24, **curves) -> Run:
    curves = {
        name.replace("_slash_", "/"): dict(enumerate(values, 1)) for name, values in curves.items()
    }
    return Run(
        None,
        6,
        "TransT",
        curves,
        {"burn_in_epochs": burn_in, "unlabelled": unlabelled, "iterations": 10},
        0,
        {},
    )


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (fake(**{"yield": [0.5, 0.6, 0.7, 0.7]}, iou_sup=[0.3, 0.7, 0.7]), "good"),
        (fake(**{"yield": [0.9, 0.9, 0.9, 0.3, 0.3, 0.3]}), "warn"),
        (fake(**{"yield": [0.9, 0.5, 0.01, 0.01, 0.01]}), "bad"),
        (fake(**{"yield": [1, 1, 1, 1]}, iou_sup=[0.7, 0.7, 0.5, 0.5, 0.5]), "bad"),
        (fake(iou_sup=[0.3, 0.4]), "none"),
        (fake(unlabelled=0), "none"),
    ],
    ids=["steady", "falling", "died out", "unlearns", "burn-in", "labels only"],
)
def test_is_it_collapsing(run, kind):
    assert verdict.collapsing(run).kind == kind


@pytest.mark.parametrize(
    ("run", "kind", "text"),
    [
        (fake(Time_slash_data=[6.0], Time_slash_student=[4.0]), "warn", "num_workers"),
        (fake(Time_slash_data=[1.0], Time_slash_student=[9.0]), "good", "student 90 %"),
        (fake(), "none", "no times"),
    ],
    ids=["data", "compute", "old"],
)
def test_why_is_it_slow(run, kind, text):
    answer = verdict.slow(run)
    assert answer.kind == kind and text in answer.text


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (fake(iou_sup=[0.3, 0.5, 0.6]), "good"),
        (fake(iou_sup=[0.3, 0.3, 0.3]), "warn"),
        (fake(iou_sup=[0.3, 0.7, 0.4, 0.4, 0.4]), "bad"),
        (fake(iou_sup=[0.3, 0.7], skipped=[0.5, 0.5]), "bad"),
        (fake(), "none"),
    ],
    ids=["rising", "flat", "falling", "not finite", "empty"],
)
def test_does_it_learn(run, kind):
    assert verdict.learning(run).kind == kind


def test_history_replaces_an_epoch_that_is_done_again(tmp_path):
    writer = history.HistoryWriter(tmp_path)
    for epoch, value in ((1, 1.0), (2, 2.0), (3, float("nan")), (2, 2.5)):
        writer.start_epoch()
        writer.saw(np.array([0.0, 0.5, 1.0, np.nan]))
        writer.write(epoch, "burnin", {"a": value})
    lines = history.read(tmp_path)
    assert [(line.number, line.stats["a"]) for line in lines] == [(1, 1.0), (2, 2.5)]
    assert sum(lines[1].confidences) == 4 and lines[1].confidences[-1] == 1
    (tmp_path / history.FILE).write_text("nonsense\n")
    with pytest.raises(BadValue, match="is damaged"):
        history.read(tmp_path)


@pytest.mark.parametrize("frames", [[], [3], [0, 1, 2], [1, 3, 4, 9, 10, 11]])
def test_frames_survive_their_text(frames):
    assert history._from_text(history._as_text(np.array(frames, np.int64))).tolist() == frames


@pytest.mark.parametrize(("count", "length"), [(0, 0), (1, 1), (48, 48), (41000, 48)])
def test_a_sample_of_paths_stays_small_and_inside(count, length):
    chosen = history.sampled_paths(count)
    assert len(chosen) == length and (not chosen or (chosen[0] == 0 and chosen[-1] == count - 1))


@pytest.mark.parametrize(
    "points",
    [{1: 1.0}, {1: 2.0, 2: 2.0}, {1: float("nan"), 2: 0.5}, {1: -3.0, 900: 4e5}, {1: 0.0}],
    ids=["one", "flat", "nan", "wide", "zero"],
)
@pytest.mark.parametrize("draw", [charts.line_chart, charts.stacked_bars])
def test_charts_draw_inside_their_frame(draw, points):
    svg = draw([charts.Series(EVIL, points)], label=EVIL, shaded_until=1)
    numbers = [
        float(number) for number in re.findall(r'(?:x|y|x1|x2|y1|y2|cx|cy)="([-\d.]+)"', svg)
    ]
    assert "nan" not in svg.replace("NaN", "") and EVIL not in svg
    assert all(-1 <= number <= charts.WIDTH for number in numbers)


def test_success_plot_is_read_from_an_evaluation(tmp_path):
    curves = torch.linspace(1, 0, 21).repeat(3, 2, 1)
    (tmp_path / "eval_data.pkl").write_bytes(
        pickle.dumps(
            {
                "trackers": [
                    {"name": "t", "param": "p", "run_id": None, "disp_name": name}
                    for name in ("SPOT", EVIL)
                ],
                "valid_sequence": [1, 1, 0],
                "ave_success_rate_plot_overlap": curves.tolist(),
                "threshold_set_overlap": [i / 20 for i in range(21)],
            }
        )
    )
    found = evaluation(tmp_path / "run", tmp_path)
    assert (
        found.sequences == 2
        and found.rows[0][:2] == ("SPOT", ["50.0"])
        and "polyline" in found.plot
    )
    with pytest.raises(BadInput, match="holds neither"):
        evaluation(tmp_path / "run", tmp_path / "elsewhere")


def test_an_old_recipe_gets_todays_defaults():
    plain = SparseConfig(datasets=(), k=5).to_plain()
    del plain["reference"]
    plain["crops"].pop("center_jitter")
    config = config_of({**plain, "of_the_future": 1})
    assert config.k == 5 and config.reference == SparseConfig(datasets=()).reference


def test_dense_boxes_of_label_are_shown_with_frames(tree, tmp_path):
    done = tmp_path / "done"
    done.mkdir()
    rows = [
        f"video_00,1,{frame},10,10,20,20,{1 if frame == 3 else 0.2},{int(frame == 3)},"
        for frame in range(10)
    ]
    (done / "boxes.csv").write_text(
        "video,object,frame,x,y,w,h,confidence,human,label\n" + "\n".join(rows) + "\n"
    )
    assert "There is no review.csv" in to_html(build(None, done), "videos")
    (done / "review.csv").write_text(f"video,object,frame,why\nvideo_00,1,7,{EVIL}\n")
    pages = [to_html(build(None, done, root=tree), "videos")]
    (done / "label.json").write_text(
        json.dumps({"settings": {"folder": str(tree), "net": "light"}, "failed": {"walk": EVIL}})
    )
    pages.append(to_html(build(None, done), "videos"))
    assert "walk could not be labelled" in pages[1]
    for page in pages:
        assert "video_00 · 7 · 0.20" in page and EVIL not in page and "data:image/jpeg" in page
    numbers = to_plain(build(None, done))["labelled"]
    assert numbers["boxes"] == 10 and numbers["human"] == 1 and numbers["review"][0]["frame"] == "7"
    with pytest.raises(MissingFile, match=r"holds no boxes\.csv"):
        build(None, tmp_path)


@pytest.mark.parametrize(
    "arguments", [["RUN"], ["RUN", "--json"], ["LABEL"], ["RUN", "--label", "LABEL"]], ids=" ".join
)
def test_the_verb_writes_the_page(run, tmp_path, capsys, arguments):
    checkpoint(tmp_path / "label" / "adapt" / "checkpoints" / "abc", epoch=1)
    (tmp_path / "label" / "boxes.csv").write_text("video,object,frame,x,y,w,h\nwalk,1,0,1,2,3,4\n")
    places = {"RUN": str(run), "LABEL": str(tmp_path / "label")}
    out = tmp_path / "pages" / "report.html"
    command = ["report", *(places.get(argument, argument) for argument in arguments)]
    main([*command, "--out", str(out)])
    page, said = out.read_text(encoding="utf-8"), capsys.readouterr().out
    assert ('id="labelled"' in page) == (
        "LABEL" in arguments
    ) and 'id="learning"' in page  # the adaptation is a run, too
    assert (
        json.loads(said)["report"] == str(out)
        if "--json" in arguments
        else said.splitlines()[-1] == str(out)
    )
    with pytest.raises(BadValue, match="is a folder"):
        main([*command, "--out", str(tmp_path)])
