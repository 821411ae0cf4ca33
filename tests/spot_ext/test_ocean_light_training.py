"""Crops, losses and training of the light Ocean, on a few drawn pictures."""

import cv2
import numpy as np
import pytest
import torch

from ltr.admin import loading
from ltr.admin.errors import BadValue, MissingFile
from ltr.io import checkpoint
from ltr.models.loss.ocean_light_criterion import distance_ious, ocean_light_losses
from ltr.models.tracking.ocean_light import ocean_light, positions
from spot_ext.rendering.pairs import groups, views
from spot_ext.rendering.pairs.pictures import Boxed, Cutout, read_bank
from spot_ext.training.architectures import cached_heads
from spot_ext.training.architectures.cached_heads import HeadConfig, train_heads
from spot_ext.training.architectures.cached_maps import CHUNK, MapBatches

HEADER = "name,value,class,area,borders,x,y,w,h\n"
RED = (255, 0, 0)


def write_rgb(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def grey_with_red(box, size=(120, 160)):
    picture = np.full((*size, 3), 90, np.uint8)
    x, y, w, h = box
    picture[y : y + h, x : x + w] = RED
    return picture


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two things, one of which touches the border, a boxed photograph, a background, two videos."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, box in (("free", (40, 30, 50, 40)), ("cut", (0, 30, 50, 40))):
        write_rgb(folder / f"objects/set/{name}.jpg", grey_with_red(box))
        mask = np.zeros((120, 160), np.uint8)
        mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 1
        cv2.imwrite(str(folder / f"objects/set/{name}.png"), mask)
    rows = "free,1,toy,2000,0,40,30,50,40\ncut,1,toy,2000,1,0,30,50,40\n"
    (folder / "objects/set/objects.csv").write_text(HEADER + rows)
    write_rgb(folder / "boxes/set/still.jpg", grey_with_red((30, 20, 60, 60)))
    (folder / "boxes/set/boxes.csv").write_text(
        "name,class,x,y,w,h\nstill,car,30,20,60,60\nstill,car,5,5,3,3\n"
    )
    write_rgb(folder / "backgrounds/grass.jpg", np.full((90, 120, 3), 120, np.uint8))
    for video in ("a", "b"):
        for index in range(7):
            image = grey_with_red((30 + 5 * index, 40, 40, 30))
            write_rgb(folder / f"videos/{video}/{index + 1:08d}.jpg", image)
        lines = [f"{30 + 5 * index},40,40,30" for index in range(7)]
        lines[6] = "nan,nan,nan,nan"
        (folder / f"videos/{video}/groundtruth.txt").write_text("\n".join(lines) + "\n")
    (folder / "videos/list.txt").write_text("a\nb\n")
    return folder


@pytest.fixture(scope="module")
def bank(pictures):
    return read_bank(pictures, boxes_per_video=5)


def test_the_bank_holds_free_cutouts_boxes_and_few_frames_of_videos(bank):
    assert [cutout.kind for cutout in bank.cutouts] == ["toy"]
    assert len(bank.photographs) == 3
    assert (len(bank.backgrounds), [len(video) for video in bank.videos]) == (1, [5, 5])
    assert bank.videos[0][-1].box_xywh.tolist() == [55, 40, 40, 30]


def test_a_folder_without_videos_is_named(tmp_path):
    with pytest.raises(MissingFile, match=r"no videos/list\.txt"):
        read_bank(tmp_path, 5)


def red_box(crop):
    red = (crop[..., 0].astype(int) - crop[..., 1] > 80).astype(np.uint8) * 255
    return groups.hull(red)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_box_of_a_search_crop_is_where_the_target_is(flip, seed):
    box = np.array([60.0, 50.0, 30.0, 24.0])
    boxed = Boxed(grey_with_red(box.astype(int)), box)
    crop, found = views.search_view(boxed, np.random.default_rng(seed), flip)
    np.testing.assert_allclose(views.clipped(found), red_box(crop), atol=3)


def test_the_template_shows_the_target_at_half_its_side():
    box = np.array([60.0, 50.0, 30.0, 30.0])
    crop = views.template_view(Boxed(grey_with_red(box.astype(int)), box), np.random.default_rng(0))
    x, y, w, h = red_box(crop)
    np.testing.assert_allclose((w, h), views.TARGET, rtol=0.15)
    np.testing.assert_allclose((x + w / 2, y + h / 2), 56.5, atol=8)


@pytest.mark.parametrize(
    "box, expected",
    [
        pytest.param((10, 20, 30, 40), (10, 20, 30, 40), id="inside"),
        pytest.param((-10, 20, 30, 40), (0, 20, 20, 40), id="over the border"),
        pytest.param((-25, 20, 30, 40), None, id="nearly outside"),
        pytest.param((10, 20, 3, 40), None, id="too thin"),
    ],
)
def test_boxes_are_clipped_or_refused(box, expected):
    found = views.clipped(np.array(box, float))
    assert (None if found is None else tuple(found)) == expected


def test_a_pasted_cutout_covers_its_box():
    canvas = np.zeros((193, 193, 3), np.uint8)
    cutout = Cutout(np.full((20, 80, 3), RED, np.uint8), np.full((20, 80), 255, np.uint8), "toy")
    alpha = groups.paste(canvas, cutout, np.array([100.0, 60.0]), size=40)
    np.testing.assert_allclose(groups.hull(alpha), (60, 50, 80, 20), atol=1)
    np.testing.assert_allclose(red_box(canvas), groups.hull(alpha), atol=2)


def test_groups_have_their_shapes_and_repeat_for_a_seed(bank):
    first, again = (groups.draw_group(bank, np.random.default_rng(3)) for _ in range(2))
    assert first.templates.shape == (2, 113, 113, 3)
    assert (first.searches.shape, first.boxes_xywh.shape) == ((3, 193, 193, 3), (3, 4))
    for name in ("templates", "searches", "boxes_xywh"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


BOX = torch.tensor([[60.0, 70.0, 50.0, 40.0]])


def perfect_outputs():
    """Outputs whose boxes are all BOX and whose score is 1 in its middle alone."""
    x, y = positions(25, BOX)
    left, top, width, height = BOX[0]
    boxes = torch.stack([x - left, y - top, left + width - x, top + height - y])
    near = ((x - 85).abs() <= 11) & ((y - 90).abs() <= 8.8)
    return {
        "pred_logits": torch.where(near, 15.0, -15.0)[None, None],
        "pred_boxes": boxes[None],
        "pred_ious": torch.full((1, 1, 25, 25), 1 - 1e-6),
    }


def test_perfect_outputs_cost_nothing():
    losses = ocean_light_losses(perfect_outputs(), BOX, torch.tensor([True]))
    assert float(losses["iou"]) == pytest.approx(1)
    assert float(losses["total"]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "entry, loss", [("pred_logits", "loss_score"), ("pred_ious", "loss_iou_pred")]
)
def test_each_loss_sees_its_own_output(entry, loss):
    outputs = perfect_outputs()
    outputs[entry] = torch.full_like(outputs[entry], 0.3)
    losses = ocean_light_losses(outputs, BOX, torch.tensor([True]))
    others = {"loss_score", "loss_box", "loss_iou_pred"} - {loss}
    assert float(losses[loss]) > 0.1
    assert all(float(losses[name]) == pytest.approx(0, abs=1e-4) for name in others)


def test_loose_boxes_cost():
    outputs = perfect_outputs()
    outputs["pred_boxes"] = outputs["pred_boxes"] + 10
    losses = ocean_light_losses(outputs, BOX, torch.tensor([True]))
    expected = 50 * 40 / (70 * 60)
    assert float(losses["iou"]) == pytest.approx(expected, abs=1e-4)
    assert float(losses["loss_box"]) == pytest.approx(1 - expected, abs=1e-4)


def test_an_absent_target_teaches_low_scores_alone():
    outputs = {name: value.requires_grad_() for name, value in perfect_outputs().items()}
    losses = ocean_light_losses(outputs, BOX, torch.tensor([False]))
    losses["total"].backward()
    assert losses["loss_score"].item() > 10 and losses["loss_box"].item() == 0
    assert float(outputs["pred_boxes"].grad.abs().sum()) == 0


def test_giou_falls_with_distance():
    true = torch.tensor([[10.0, 10.0, 10.0, 10.0]] * 3)
    # The same box, a touching one, and one farther away.
    right = torch.tensor([[10.0, 10.0, 10.0, 10.0], [-10, 10, 30, 10], [-30, 10, 50, 10]])
    iou, giou = distance_ious(right, true)
    torch.testing.assert_close(iou, torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(giou, torch.tensor([1.0, 0.0, -1 / 3]))


@pytest.fixture(scope="module")
def config(pictures, tmp_path_factory):
    """Four iterations on one chunk of groups, from the backbone of an untrained network."""
    path = tmp_path_factory.mktemp("init") / "init.safetensors"
    torch.manual_seed(0)
    checkpoint.write_checkpoint(path, {"net": ocean_light().state_dict()})
    return HeadConfig(
        data=str(pictures),
        init_from=str(path),
        groups=CHUNK,
        iterations=4,
        batch=4,
        precision="fp32",
    )


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(1)
    return folder, train_heads(config, folder, seed=0)


def test_training_changes_the_head_and_holds_the_backbone(config, trained):
    net, _ = loading.load_network(trained[1])
    start = checkpoint.read_checkpoint(config.init_from)["net"]
    for name, value in net.state_dict().items():
        if name.startswith("backbone."):
            torch.testing.assert_close(value, start[name])
    assert not torch.equal(net.head.score.weight, start["head.score.weight"])


def test_a_stopped_run_goes_on_to_the_same_weights(config, trained, tmp_path, monkeypatch):
    folder, path = trained
    monkeypatch.setattr(cached_heads, "SAVE_EVERY", 2)
    (tmp_path / "maps").symlink_to(folder / "maps")
    step, calls = cached_heads.HeadRun.step, []

    def stops(self, batch):
        calls.append(self.iteration)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(cached_heads.HeadRun, "step", stops)
    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt):
        train_heads(config, tmp_path, seed=0)
    again = train_heads(config, tmp_path, seed=0)
    assert calls == [0, 1, 2, 2, 3]
    weights = checkpoint.read_checkpoint(path)["net"]
    for name, value in checkpoint.read_checkpoint(again)["net"].items():
        torch.testing.assert_close(value, weights[name], atol=1e-6, rtol=1e-5)


def test_maps_are_those_of_the_crops(trained):
    batch = next(MapBatches(trained[0] / "maps", seed=0).batches(3))
    shapes = {name: tuple(value.shape) for name, value in batch.items()}
    assert shapes == {
        "present": (3,),
        "boxes": (3, 4),
        "templates_stage3": (3, 40, 15, 15),
        "templates_stage5": (3, 112, 8, 8),
        "searches_stage3": (3, 40, 25, 25),
        "searches_stage5": (3, 112, 13, 13),
    }


def test_unknown_settings_are_named():
    with pytest.raises(BadValue, match=r"--set iteration: .* did you mean 'iterations'"):
        HeadConfig().override({"iteration": "3"})
    changed = HeadConfig().override({"iterations": "3", "lr": "0.1", "data": "here"})
    assert (changed.iterations, changed.lr, changed.data) == (3, 0.1, "here")
