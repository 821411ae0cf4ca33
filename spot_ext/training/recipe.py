"""From a `SparseConfig` to a running `SparseTrainer`: what every recipe under
`ltr/train_settings/spot` calls.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import spot_ext.rendering.photographed  # noqa: F401  registers its data set, RenderedVideos
from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured
from ltr.admin.invocation import spot_command
from ltr.admin.loading import load_weights
from ltr.admin.tensorboard import TensorboardWriter
from ltr.io import run_lock
from ltr.models.backbone.pretrained import find_imagenet_file
from ltr.parallel import distributed
from ltr.parallel.cores import worker_count
from ltr.parallel.precision import set_tf32
from ltr.trainers.base_trainer import choose_device
from pytracking.evaluation import datasets as data_sets
from pytracking.evaluation import environment
from spot_ext.boxes import key_frames
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.training.actor import SparseActor
from spot_ext.training.architectures import Architecture, get_architecture
from spot_ext.training.architectures.base import with_iou_head
from spot_ext.training.compiling import compile_networks
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.data.loader import SampleSource, SparseLoader
from spot_ext.training.data.videos import LabelledDataset, VideoPool
from spot_ext.training.optimization import make_optimizer, make_scheduler
from spot_ext.training.teacher import Teacher
from spot_ext.training.trainer import SparseTrainer

log = logging.getLogger(__name__)


def train(settings, config: SparseConfig, labels_folder: Path | None = None) -> SparseTrainer:
    """Train to the last epoch, going on from the newest checkpoint of the same recipe; returns the
    finished trainer.

    `settings` is what `run_training` made: environment, seed, project path and overrides. Key
    frames are read from `labels_folder` (default `<workspace>/labels`) and chosen there first when
    they are absent.
    """
    config = config.override(getattr(settings, "overrides", None) or {})
    with run_lock.lock_folder(
        run_folder_of(settings), "give this run another workspace_dir in ltr/admin/local.py"
    ):
        trainer = make_trainer(settings, config, labels_folder)
        trainer.train(trainer.config.epochs, load_latest=True, fail_safe=False)
    return trainer


def make_trainer(
    settings, config: SparseConfig, labels_folder: Path | None = None
) -> SparseTrainer:
    """Open the data, choose or read the labels, make store, networks, loader and optimiser.

    Of several processes the first writes labels and store, which the others then read; each has its
    part of every batch.
    """
    distributed.require_even_shares(
        {name: getattr(config, name) for name in ("batch", "labelled", "unlabelled")}
    )
    own = min(config.batch, config.labelled) // distributed.get_world_size()
    if config.accumulate > own:
        raise BadValue(
            f"accumulate is {config.accumulate}, but a process has {own} labelled pairs of a "
            "batch, and every part "
            f"needs one: give at most {own}"
        )
    run_folder = run_folder_of(settings)
    with distributed.main_first():
        sources = open_datasets(
            config, settings.seed, labels_folder or Path(settings.env.workspace_dir) / "labels"
        )
        pool = VideoPool(sources, run_folder / "store")
        store = pool.open_store(sources)
    distributed.require_equal(
        (config.to_plain(), settings.seed, len(store), pool.num_labels), "recipe, seed or labels"
    )
    log.info(
        "%d videos, %d targets, %d labelled frames",
        pool.num_videos,
        pool.num_paths,
        pool.num_labels,
    )

    torch.manual_seed(settings.seed)  # the initial weights
    architecture = get_architecture(config.architecture, config.reference.targets)
    net = build_network(architecture, config, settings)
    if config.absent_share > 0 and not architecture.learns_absence:
        raise BadValue(
            f"absent_share is {config.absent_share}, but {config.architecture} cannot learn from "
            "crops without a "
            "target: set absent_share=0"
        )
    teacher = Teacher(
        net,
        architecture,
        config.teacher.window_weight,
        config.teacher.reference_mode,
        config.precision,
    )
    actor = SparseActor(net, teacher, architecture, config)
    device = choose_device(settings)
    set_tf32(device, config.precision)
    if config.compile:
        compile_networks([net, teacher.net], device)
    optimizer = make_optimizer(net, architecture, config.optim, fused=device.type == "cuda")
    scheduler = make_scheduler(optimizer, config.optim, config.epochs)
    source = SampleSource(
        pool,
        config.crops,
        settings.seed,
        config.teacher.propagating_step,
        config.frame_cache_mb,
        not config.reference.same_relay,
        config.pair_gap,
    )
    loader = SparseLoader(
        source,
        config.iterations,
        worker_count(config.num_workers),
        config.max_fault_share,
        for_gpu=device.type == "cuda",
        largest_batch=max(config.batch, config.labelled + 2 * config.unlabelled),
    )
    writer = (
        TensorboardWriter(
            str(Path(settings.env.tensorboard_dir) / settings.project_path), ["train"]
        )
        if distributed.is_main_process()
        else None
    )
    settings.print_interval = getattr(settings, "print_interval", 50)
    return SparseTrainer(actor, loader, optimizer, settings, scheduler, writer, _publish_to(config))


def build_network(architecture: Architecture, config: SparseConfig, settings) -> torch.nn.Module:
    """The network of `config` with its initial weights: those in `settings.init_from`, else in
    `config.init_from`, else random ones with or without an ImageNet backbone. MissingFile or
    BadValue for a file that is not there or does not fit.
    """
    options = dict(config.network)
    path = initial_weights(architecture, config, settings)
    if path is None:
        net = architecture.build(_with_weights_file(options, settings, architecture.weights_file))
    else:
        net = architecture.build(
            {name: value for name, value in options.items() if name != "backbone_pretrained"}
        )
        load_weights(net, path)
        log.info("initial weights: %s", path)
    _check_crop_sizes(net, config)
    return net


def initial_weights(architecture: Architecture, config: SparseConfig, settings) -> Path | None:
    """Return the file that the weights start from, None for random ones.

    MissingFile or BadValue for one that is not there.
    """
    start = getattr(settings, "init_from", None) or config.init_from
    if start is None:
        return None
    path = architecture.shipped if start == "shipped" else Path(start).expanduser()
    if path is None:
        raise BadValue(
            f"init_from: no weights of {config.architecture} come with the package: give a "
            "checkpoint"
        )
    if not path.is_file():
        raise MissingFile(
            f"init_from: no file '{path}': give a checkpoint of {config.architecture}"
        )
    return path


def check_sources(config: SparseConfig, settings) -> None:
    """Raise BadValue or MissingFile where a run of `config` has no network to begin with.

    It is called before anything is rendered, read or trained.
    """
    architecture = get_architecture(config.architecture, config.reference.targets)
    if initial_weights(architecture, config, settings) is None:
        with_iou_head(architecture.name, config.network, architecture.known_options())
        _with_weights_file(dict(config.network), settings, architecture.weights_file)


def _check_crop_sizes(net: torch.nn.Module, config: SparseConfig) -> None:
    for name, size in (
        ("template", config.crops.template_size),
        ("search", config.crops.search_size),
    ):
        own = getattr(net, f"{name}_sz", size)
        if own != size:
            raise BadValue(
                f"crops.{name}_size is {size} px, but the network {config.architecture} is made "
                f"for {own} px: set "
                f"crops.{name}_size={own}, or network.{name}_sz={size} with it"
            )


def run_folder_of(settings) -> Path:
    """The folder that holds a run's checkpoints and store."""
    return Path(settings.env.workspace_dir).expanduser() / "checkpoints" / settings.project_path


def open_datasets(config: SparseConfig, seed: int, labels_folder: Path) -> list[LabelledDataset]:
    """Open each data set with its labels. A missing path stops here, before anything is written."""
    opened = [
        (part, open_dataset(part)) for part in config.datasets
    ]  # all of them first: one missing folder costs no work
    return [
        LabelledDataset(dataset, _labels(part, dataset, config.k, seed, labels_folder), part.stages)
        for part, dataset in opened
    ]


def open_dataset(part: DatasetConfig):
    """Open a training data set by the name of its class."""
    return data_sets.open_dataset(part.name, training=True, **part.options)


def _labels(part: DatasetConfig, dataset, k: int | None, seed: int, folder: Path):
    keys = [
        key_frames.sequence_key(dataset, seq_id) for seq_id in range(dataset.get_num_sequences())
    ]
    if part.labels is not None:
        return label_file.read(part.labels, keys)
    if k is None:
        return _all_labels(dataset, keys)
    title = key_frames.display_name(dataset)
    paths = [
        Path(folder) / f"{title}_{split}_kf_{k:03d}.json"
        for split in key_frames.split_spellings(dataset)
    ]
    for path in paths:
        if path.is_file():
            labels = label_file.read(path, keys)
            log.info("%s: labels from %s (seed %s)", dataset.get_name(), path, labels.seed)
            return labels
    path = paths[0]
    labels = key_frames.choose(dataset, k, seed, part.walk_back)
    if not labels.videos:
        raise BadInput(
            f"{dataset.get_name()}: none of its {len(keys)} videos has enough visible frames for "
            f"{k} labels; "
            "give longer videos or a smaller k"
        )
    label_file.write(labels, path)
    log.info(
        "%s: chose %d labels in %d videos with seed %d, written to %s",
        dataset.get_name(),
        labels.num_labels,
        len(labels.videos),
        seed,
        path,
    )
    return labels


def _all_labels(dataset, keys: Sequence[str]) -> LabelSet:
    """Every frame that shows the target is labelled: full supervision. Not written to a file, the
    data set is one.
    """
    videos = {}
    for seq_id, key in enumerate(keys):
        frame_ids = np.flatnonzero(dataset.get_visible(seq_id)).tolist()
        if frame_ids:
            videos[key] = VideoLabels(key, (labelled_track(frame_ids),))
    if not videos:
        raise BadInput(
            f"{dataset.get_name()}: none of its {len(keys)} videos has a frame that shows the "
            "target; check its "
            f"annotation with `{spot_command('check')}`"
        )
    log.info("%s: all labels of %d videos", dataset.get_name(), len(videos))
    return LabelSet(
        key_frames.display_name(dataset),
        key_frames.split_name(dataset),
        "key_frames",
        0,
        videos=videos,
    )


def _publish_to(config: SparseConfig) -> Path | None:
    """Where pytracking's parameter file of this recipe looks for the network."""
    if config.publish is None:
        return None
    environment.ensure_local_file()
    folders = environment.env_settings().network_path
    return (
        Path(folders if isinstance(folders, str) else folders[0]).expanduser()
        / f"{config.publish}.pth.tar"
    )


def _with_weights_file(network: dict, settings, pattern: str | None) -> dict:
    """Point a pretrained backbone at its weights in the folder `pretrained_networks` of local.py,
    those of a ResNet-50 also in torch's cache.
    """
    if pattern is None or not network.get("backbone_pretrained") or network.get("backbone_weights"):
        return dict(network)
    folder = Path(settings.env.pretrained_networks).expanduser()
    found: list[Path] = sorted(folder.glob(pattern)) if folder.is_dir() else []
    weights = found[-1] if found else None
    if weights is None and pattern.startswith("resnet50"):
        weights = find_imagenet_file("resnet50", folder)
    if weights is None:
        raise NotConfigured(
            f"no weights {pattern} for the backbone in '{folder}': put that file there "
            "(torchvision's ResNet-50, or MAE's ViT-B for a transformer), or point "
            "`pretrained_networks` in ltr/admin/local.py at its folder, or start from random "
            "weights with "
            "`--set network.backbone_pretrained=false`"
        )
    return {**network, "backbone_weights": str(weights)}
