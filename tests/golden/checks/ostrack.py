"""OSTrack: outputs with and without elimination, position codes, crops, and the online tracker. Its
numbers stand in a folder of their own, its pictures in `../../seedN`.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import nn

from ltr.data.processing.base import jittered_box
from ltr.data.processing_utils import sample_target_ostrack, transform_image_to_crop
from ltr.models.backbone import one_stream_vit
from ltr.models.backbone.one_stream_vit import resize_position_code
from ltr.models.tracking import ostrack
from pytracking.tracker.ostrack import OSTrack
from pytracking.tracker.ostrack.ostrack import window
from spot_ext.training import augmentation
from tests.golden import formulas
from tests.golden.checks.networks import compare_state_dict
from tests.golden.checks.tracking import compare_track, run_tracker
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Arrays, Golden

FORM = "ostrack"
MAPS = ("score_map", "size_map", "offset_map")
SMALL = {"template_sz": 128, "search_sz": 256}
LARGE = {"template_sz": 192, "search_sz": 384}
STATE_DICTS = {
    "256": ("ostrack_vitb_256", SMALL),
    "256_ce": ("ostrack_vitb_256_ce", SMALL),
    "384_ce": ("ostrack_vitb_384_ce", LARGE),
}
# What a network is built with, by the name of its file.
BUILDS = {"256": (SMALL, False), "256_ce": (SMALL, True), "384_ce": (LARGE, True)}
# Share of search tokens that is handed in; None: the network's own; and whose attention counts.
ELIMINATIONS: dict[str, tuple[float | None, str]] = {
    "mask": (None, "center"),
    "off": (1.0, "center"),
    "nomask": (None, "all"),
    "mask_rate0.85": (0.85, "center"),
}


@functools.lru_cache(maxsize=1)
def _network(build: str) -> ostrack.OSTrack:
    sizes, eliminate = BUILDS[build]
    return ostrack.ostrack(
        **sizes, elimination=ostrack.PUBLISHED_ELIMINATION if eliminate else None
    )


def filled(golden: Golden, build: str, variant: str, stored: Arrays | None = None) -> nn.Module:
    """Fill OSTrack by formulas: 'plain', 'soft', or 'real' with the numbers in `stored`; in eval
    mode.
    """
    net = _network(build).float().eval()
    net.zero_grad(set_to_none=True)
    net.backbone.keep_rate = None
    net.backbone.template_rows = "center"
    formulas.fill(net, golden.seed, "plain" if variant == "plain" else "zm")
    if variant != "plain":
        _soften(net, golden.seed)
    if stored is not None:
        _sharpen(net, float(stored[f"{variant}.ctr_bias"]))
    return net


@torch.no_grad()
def _soften(net: nn.Module, seed: int) -> None:
    """Make position codes visible, and boxes as large as a target, near their cells."""
    for name in ("pos_embed", "pos_embed_z", "pos_embed_x"):
        code = getattr(net.backbone, name)
        drawn = torch.randn(
            tuple(code.shape), generator=formulas.generator(seed, f"backbone.{name}")
        )
        code.copy_(0.5 * drawn)
    head = net.box_head
    head.conv5_size.weight *= 4
    head.conv5_size.bias.fill_(-1.1)
    head.conv5_offset.weight *= 2
    head.conv5_offset.bias.fill_(0.5)


@torch.no_grad()
def _sharpen(net: nn.Module, bias: float) -> None:
    net.box_head.conv5_ctr.weight *= 30
    net.box_head.conv5_ctr.bias.fill_(bias)


@check("state_dict_ostrack_{}", common=["state_dicts"], variants=list(STATE_DICTS), form=FORM)
def state_dict(golden: Golden, compare: Comparison, which: str) -> None:
    """Names, order, shapes and types of all entries."""
    name, _ = STATE_DICTS[which]
    expected = golden.common_json(f"state_dicts/{name}.json")
    net = _network(which)
    compare_state_dict(net, expected, compare)


@check(
    "ostrack_forward_{}",
    "ostrack_forward_256.npz",
    variants=["plain", "real"],
    heavy=True,
    form=FORM,
)
@torch.no_grad()
def forward(golden: Golden, compare: Comparison, variant: str) -> None:
    """Outputs without elimination."""
    stored = golden.arrays("ostrack_forward_256.npz")
    net = golden.network(filled(golden, "256", variant, stored if variant == "real" else None))
    _compare_outputs(golden, compare, stored, net, variant, "ostrack", 2)


@check(
    "ostrack_forward_256_ce_{}",
    "ostrack_forward_256_ce.npz",
    variants=["real.mask"],
    heavy=True,
    form=FORM,
)
@check(
    "ostrack_forward_256_ce_{}",
    "ostrack_forward_256_ce.npz",
    variants=["plain.mask", "real.off", "real.nomask", "real.mask_rate0.85"],
    slow=True,
    form=FORM,
)
@torch.no_grad()
def forward_with_elimination(golden: Golden, compare: Comparison, which: str) -> None:
    """Outputs with elimination, and which tokens stay."""
    _forward_with_elimination(golden, compare, "256_ce", which, "ostrack", 2)


@check(
    "ostrack_forward_384_ce_{}",
    "ostrack_forward_384_ce.npz",
    variants=["plain.off", "real.off", "real.mask"],
    slow=True,
    form=FORM,
)
@torch.no_grad()
def forward_large(golden: Golden, compare: Comparison, which: str) -> None:
    """The same for crops of 192 and 384 px."""
    _forward_with_elimination(golden, compare, "384_ce", which, "ostrack384", 1)


def _forward_with_elimination(
    golden: Golden, compare: Comparison, build: str, which: str, images: str, count: int
) -> None:
    stored = golden.arrays(f"ostrack_forward_{build}.npz")
    variant, elimination = which.split(".", 1)
    net = golden.network(filled(golden, build, variant, stored if variant == "real" else None))
    net.backbone.keep_rate, net.backbone.template_rows = ELIMINATIONS[elimination]
    with NotedEliminations() as noted:
        _compare_outputs(golden, compare, stored, net, which, images, count)
    for layer, (interest, before, kept) in zip((3, 6, 9), noted, strict=False):
        prefix = f"{which}.ce{layer}."
        expected = stored[f"{prefix}kept"]
        compare.equal("kept tokens", kept.sort(1).values, np.sort(expected, 1).astype(np.int64))
        score = torch.full(stored[f"{prefix}score"].shape, -1.0, dtype=interest.dtype)
        cells = (
            before if before is not None else torch.arange(interest.shape[1]).expand_as(interest)
        )
        compare.close(
            "attention of the template", score.scatter(1, cells, interest), stored[f"{prefix}score"]
        )
    expected_count = sum(name.endswith(".kept") for name in stored.names(f"{which}.ce"))
    compare.equal("eliminations", len(noted), expected_count)


class NotedEliminations(list):
    """Within it, each elimination adds (attention, cells before, cells kept)."""

    def __enter__(self) -> NotedEliminations:
        self.original = one_stream_vit.eliminate

        def noted(tokens, interest, cells, template_count, keep_count):
            tokens, kept = self.original(tokens, interest, cells, template_count, keep_count)
            self.append((interest, cells, kept))
            return tokens, kept

        one_stream_vit.eliminate = noted
        return self

    def __exit__(self, *_error) -> None:
        one_stream_vit.eliminate = self.original


def _compare_outputs(
    golden: Golden,
    compare: Comparison,
    stored: Arrays,
    net: nn.Module,
    prefix: str,
    images: str,
    count: int,
) -> None:
    template = formulas.image(
        golden.seed, f"{images}/template", net.template_sz, net.template_sz, cell=8, count=count
    )
    search = formulas.image(
        golden.seed, f"{images}/search", net.search_sz, net.search_sz, cell=8, count=count
    )
    if "template_u8" in stored:
        compare.equal("inputs by formula", template, stored["template_u8"])
        compare.equal("inputs by formula", search, stored["search_u8"])
    outputs = net(augmentation.prepare(search), augmentation.prepare(template))
    for name in MAPS:
        compare.close(name.replace("_", " "), outputs[name], stored[f"{prefix}.{name}"])
    found = ostrack.decode(outputs)
    best = found.scores_BN.argmax(1)
    compare.equal("highest place", best, stored[f"{prefix}.argmax"])
    boxes = found.boxes_cxcywh_BN4[torch.arange(len(best)), best]
    compare.close("box", boxes, stored[f"{prefix}.pred_boxes"][:, 0])


@check("ostrack_pos_embed", "ostrack_pos_embed.npz", form=FORM)
def position_codes(golden: Golden, compare: Comparison) -> None:
    """Position codes of a ViT, resized to the grids of template and search region."""
    stored = golden.arrays("ostrack_pos_embed.npz")
    draws = formulas.generator(golden.seed, "ostrack/pos_embed")
    code = 0.5 * torch.randn(1, 197, 768, generator=draws)
    for name, side in (
        ("template_8x8", 8),
        ("search_16x16", 16),
        ("template_12x12", 12),
        ("search_24x24", 24),
    ):
        resized = resize_position_code(code, side)[0, :, ::32]
        compare.close("position code", *stored.like(f"random.{name}_slice", resized))


CROPS = {
    "template": ("boxes", 2, 128, 1),
    "search": ("jittered", 4, 256, 1),
    "template192": ("boxes", 2, 192, 4),
    "search384": ("jittered", 5, 384, 4),
    "more_template": ("more.boxes", 2, 128, 2),
    "more_search": ("more.boxes", 4, 256, 4),
}
# Resizing rounds some pixels the other way in other versions of OpenCV.
GREY_LEVEL = 1.0


@check("ostrack_crops", "ostrack_crops.npz", form=FORM)
def crops(golden: Golden, compare: Comparison) -> None:
    """Templates and search regions, boxes in them, and jitter. Boxes fully outside the frame are
    left out: there the reference shows the whole image, ours is black.
    """
    stored = golden.arrays("ostrack_crops.npz")
    image = formulas.image(golden.seed, "crop/image", 240, 320, cell=6, count=1)[0]
    image = image.permute(1, 2, 0).numpy()
    targets = torch.from_numpy(stored["boxes"]).double()
    for name, (around, factor, size, step) in CROPS.items():
        boxes = stored[around]
        samples = [sample_target_ostrack(image, box, factor, size) for box in boxes]
        pixels = np.stack([crop[::step, ::step] for crop, _ in samples])
        compare.close(
            "pixels (grey levels)", *stored.like(f"{name}.crops", pixels), slack=GREY_LEVEL
        )
        factors = [factor for _, factor in samples]
        compare.close("resize factor", factors, stored[f"{name}.resize_factor"], float64=True)
        if around == "more.boxes":
            continue
        crop_size = torch.tensor([float(size), float(size)])
        found = [
            transform_image_to_crop(target, torch.from_numpy(box).double(), factor, crop_size)
            / size
            for target, box, factor in zip(targets, boxes, factors, strict=True)
        ]
        compare.close("box in the crop", torch.stack(found), stored[f"{name}.box_crop"])


@check("ostrack_jitter", "ostrack_crops.npz", form=FORM)
def jitter(golden: Golden, compare: Comparison) -> None:
    """Jittered boxes, from the draws that are stored."""
    stored = golden.arrays("ostrack_crops.npz")
    for name in ("jitter256", "jitter384"):
        drawn = []
        for row, box in enumerate(torch.from_numpy(stored["boxes"]).float()):
            with _given_draws(stored[f"{name}.randn"][row], stored[f"{name}.rand"][row]):
                drawn.append(
                    jittered_box(
                        box, float(stored[f"{name}.scale"]), float(stored[f"{name}.centre"])
                    )
                )
        compare.close("box px", torch.stack(drawn), stored[f"{name}.boxes_out"])


class _given_draws:
    """Within it, torch draws what is given."""

    def __init__(self, normal: np.ndarray, uniform: np.ndarray):
        self.normal = torch.from_numpy(normal)
        self.uniform = torch.from_numpy(uniform)

    def __enter__(self) -> None:
        self.originals = torch.randn, torch.rand
        torch.randn = lambda *_size: self.normal
        torch.rand = lambda *_size: self.uniform

    def __exit__(self, *_error) -> None:
        torch.randn, torch.rand = self.originals


@check("tracker_ostrack_{}", "tracker_ostrack.npz", variants=["real"], heavy=True, form=FORM)
@check(
    "tracker_ostrack_{}",
    "tracker_ostrack.npz",
    variants=["plain", "ce_real"],
    slow=True,
    form=FORM,
)
def tracker(golden: Golden, compare: Comparison, variant: str) -> None:
    """Boxes and scores of every frame."""
    stored = golden.arrays("tracker_ostrack.npz")
    build = "256_ce" if variant == "ce_real" else "256"
    net = filled(golden, build, variant, None if variant == "plain" else stored)
    if variant != "plain":
        with torch.no_grad():
            net.box_head.conv5_size.bias.copy_(torch.from_numpy(stored[f"{variant}.size_bias"]))
    track = run_tracker(OSTrack, golden.network(net), golden.pictures("synthetic_sequence.npz"))
    compare.close("window", window(256), stored["window"])
    compare_track(compare, track, stored[f"{variant}.boxes"], stored[f"{variant}.peak"])
