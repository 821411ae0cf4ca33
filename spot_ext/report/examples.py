"""Example samples of the run's own loader, with what the teacher says about them today."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass

import numpy as np
import torch

from ltr.admin.errors import BadInput
from ltr.admin.loading import load_network
from ltr.data.seeding import torch_generator
from spot_ext.report.pictures import (
    DOUBTFUL,
    GUESS,
    HUMAN,
    SURE,
    Box,
    Picture,
    Videos,
    name_of,
    picture,
)
from spot_ext.report.run_folder import Run
from spot_ext.training import augmentation
from spot_ext.training.actor import PseudoLabels, SparseActor
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import SparseConfig
from spot_ext.training.data.loader import Draw, SampleSource
from spot_ext.training.data.samples import LabelledPair, Triplet, collate
from spot_ext.training.data.videos import SPARSE
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.teacher import Teacher

log = logging.getLogger(__name__)

SIZE = 168  # px of an example's picture


@dataclass(frozen=True)
class Example:
    """Hold one sample: its video, a word on what became of it, and its pictures in order."""

    name: str
    verdict: str
    good: bool
    pictures: list[Picture]


@dataclass(frozen=True)
class Examples:
    """Triplets as teacher and student see them, labelled pairs, and sentences on what is
    missing.
    """

    triplets: list[Example]
    pairs: list[Example]
    notes: list[str]


def examples(
    run: Run,
    store: PseudoLabelStore,
    config: SparseConfig,
    videos: Videos,
    count: int = 6,
    pairs: int = 4,
) -> Examples:
    """The first samples that the next epoch would draw. The teacher is asked where its checkpoint
    can be used.
    """
    source = SampleSource(
        videos.pool,
        config.crops,
        run.seed or 0,
        config.teacher.propagating_step,
        128,
        not config.reference.same_relay,
        config.pair_gap,
    )
    source.frames = videos.frames
    version, notes = store.epoch, []

    def drawn(unlabelled: bool, wanted: int, kind: type) -> list:
        samples = (
            source[Draw(SPARSE, unlabelled, run.epoch + 1, i, version)] for i in range(wanted)
        )
        return [sample for sample in samples if isinstance(sample, kind)]

    made_pairs = [_pair_pictures(sample, store) for sample in drawn(False, pairs, LabelledPair)]
    triplets = drawn(True, count, Triplet) if config.unlabelled else []
    pseudo, augmented = None, None
    if triplets:
        try:
            pseudo, augmented = _ask(run, config, triplets)
        except BadInput as error:
            notes.append(
                "The teacher could not be asked, so the dashed boxes only show where it would "
                f"look: {error}."
            )
    shown = [
        _triplet_pictures(i, sample, store, pseudo, augmented) for i, sample in enumerate(triplets)
    ]
    return Examples(shown, made_pairs, notes)


@torch.no_grad()
def _ask(run: Run, config: SparseConfig, triplets: list[Triplet]):
    """Pseudo-labels of the triplets, and the student's search crops with the boxes in them."""
    if run.teacher is None:
        raise BadInput("there is no teacher's checkpoint beside the student's")
    architecture = get_architecture(config.architecture)
    net = load_network(run.teacher)[0]
    teacher = Teacher(net, architecture, config.teacher.window_weight)
    actor = SparseActor(copy.deepcopy(net), teacher, architecture, config)
    batch = collate(triplets).unlabelled
    if batch is None:
        raise BadInput("there is no unlabelled frame to ask for")
    generator = torch_generator(run.seed or 0, "report", run.epoch)
    pseudo = actor.pseudo_label(batch, generator)
    turns = augmentation.draw_turns(len(batch), config.augment, generator)
    factors = augmentation.draw_pairs(len(batch), config.augment, generator).search_factors
    size = batch.augmented.shape[-1]
    crops = augmentation.turn(
        augmentation.brighten(batch.augmented, factors),
        augmentation.brighten(batch.augmented_fills, factors),
        turns,
    )
    boxes = augmentation.turn_boxes(batch.augmented_windows.to_crop(pseudo.boxes_xywh), turns, size)
    images = (255 * crops).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return pseudo, list(zip(images, boxes.numpy(), strict=True))


def _triplet_pictures(
    i: int, sample: Triplet, store: PseudoLabelStore, pseudo: PseudoLabels | None, augmented
) -> Example:
    view, (key, _) = store.track(sample.path), store.key_of(sample.path)
    known = sample.frame_id in view.frame_ids
    if pseudo is not None:
        box, confidence = pseudo.boxes_xywh[i].numpy(), float(pseudo.confidences[i])
        good, labelled = bool(pseudo.accepted[i]), bool(pseudo.labelled[i])
        colour = HUMAN if labelled else SURE if good else DOUBTFUL
        verdict = (
            "labelled"
            if labelled
            else f"{'accepted' if good else 'rejected'}, confidence {confidence:.2f}"
        )
        found = Box(sample.unlabelled.window.to_crop(box), colour)
        image, turned = augmented[i]
        last = picture(image, [Box(turned, colour)], "augmented", SIZE)
    else:
        good, verdict, colour = known, "known" if known else "not explored yet", GUESS
        middle = np.array([(sample.unlabelled.window.out_size - 1) / 2] * 2)
        side = sample.unlabelled.window.out_size / 4
        found = Box([*(middle - side / 2), side, side], GUESS, dashed=True)
        last = picture(sample.augmented.image, [], "augmented", SIZE)
    return Example(
        name_of(key),
        verdict,
        good,
        [
            picture(
                sample.key.image,
                [_middle(sample.key, view.box_xywh(_id_of(sample.key, view)))],
                "key frame",
                SIZE,
            ),
            picture(sample.unlabelled.image, [found], f"unlabelled, frame {sample.frame_id}", SIZE),
            picture(
                sample.relay.image,
                [
                    _middle(
                        sample.relay,
                        view.box_xywh(_id_of(sample.relay, view)),
                        _relay_colour(sample, view),
                    )
                ],
                "relay frame",
                SIZE,
            ),
            last,
        ],
    )


def _pair_pictures(sample: LabelledPair, store: PseudoLabelStore) -> Example:
    view, (key, _) = store.track(sample.path), store.key_of(sample.path)
    template = view.box_xywh(_id_of(sample.template, view))
    return Example(
        name_of(key),
        "",
        True,
        [
            picture(sample.template.image, [_middle(sample.template, template)], "template", SIZE),
            picture(sample.search.image, [Box(sample.box_xywh)], "search region", SIZE),
        ],
    )


def _middle(crop, box_xywh: np.ndarray, colour=HUMAN) -> Box:
    return Box(crop.window.to_crop(box_xywh), colour)


def _id_of(crop, view) -> int:
    """The explored frame whose box the template was cut around: a sample does not say, its window
    does.
    """
    middles = (
        view.boxes_xywh[:, :2].astype(np.float64) + view.boxes_xywh[:, 2:].astype(np.float64) / 2
    )
    sizes = np.sqrt(view.boxes_xywh[:, 2:].astype(np.float64).prod(1))
    apart = np.abs(middles - (crop.window.center_x, crop.window.center_y)).sum(1) + np.abs(
        2 * sizes - crop.window.side
    )
    return int(view.frame_ids[apart.argmin()])


def _relay_colour(sample: Triplet, view):
    return HUMAN if view.is_key(_id_of(sample.relay, view)) else SURE
