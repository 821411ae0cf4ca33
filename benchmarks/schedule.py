"""Estimate how long a recipe trains on a GPU, from the number of its floating-point operations.

    python -m benchmarks.schedule                                  # the published recipes, H200
    python -m benchmarks.schedule transt_sparse_k5 --gpu A100
    python -m benchmarks.schedule ocean_sparse --set batch=64 --peak fp32=60,tf32=120,bf16=240

torch's FLOP counter counts one forward and one backward pass of the recipe's network; the recipe
says how many of them there are. A multiplication and an addition are two operations. The hours
follow from the GPU's peak rates and the share of them that training is assumed to reach. They hold
when the loader keeps up, and are to be replaced by a measurement: `python -m benchmarks --gpu`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ltr.admin.errors import BadValue, run_script, suggestion
from ltr.parallel.precision import PRECISIONS
from spot_ext.training.architectures import Architecture, get_architecture
from spot_ext.training.config import SparseConfig
from spot_ext.training.optimization import hold_backbone

PUBLISHED = ("transt_sparse", "transt_sparse_got10k", "ocean_sparse", "ocean_sparse_got10k")

# Dense peak rates in TFLOP/s from the makers' data sheets; a precision that a GPU lacks is absent.
PEAKS: dict[str, dict[str, float]] = {
    "H200": {"fp32": 67, "tf32": 494, "bf16": 989},
    "H100": {"fp32": 67, "tf32": 494, "bf16": 989},
    "A100": {"fp32": 19.5, "tf32": 156, "bf16": 312},
    "L40S": {"fp32": 91.6, "tf32": 183, "bf16": 366},
    "RTX4090": {"fp32": 82.6, "tf32": 82.6, "bf16": 165},
    "V100": {"fp32": 15.7},
}

# Shares of the peak that training is assumed to reach, the low and the high end. They are not
# measured. Without tensor cores arithmetic is the limit. With them it is memory: at 32 samples most
# kernels are norms, activations and small products, which wait for data, and TF32 moves twice the
# bytes of bf16.
EFFICIENCY: dict[str, tuple[float, float]] = {
    "fp32": (0.52, 0.70),
    "tf32": (0.10, 0.14),
    "bf16": (0.105, 0.15),
}

TERA = 1e12
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class PairCost:
    """Operations for one pair of crops."""

    forward: float
    # With the backward pass, while the backbone learns and while it is held.
    learned: float
    learned_with_held_backbone: float


@dataclass(frozen=True)
class ScheduleCost:
    """Operations of a whole recipe."""

    pair: PairCost
    burn_in_iteration: float
    sparse_iteration: float
    total: float

    def hours(self, peak: float, efficiency: tuple[float, float]) -> tuple[float, float]:
        """Return the shortest and the longest time at a GPU's `peak` TFLOP/s."""
        low, high = efficiency
        hours_at_peak = self.total / (peak * TERA) / SECONDS_PER_HOUR
        return hours_at_peak / high, hours_at_peak / low


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for the recipes asked for."""
    options = _options(arguments)
    peaks = _peaks(options)
    rows = [_head()]
    for name in options.recipes:
        config = _config(name).override(_assignments(options.set))
        rows.append(_row(name, schedule_cost(config), peaks))
    title = options.gpu if not options.peak else "the given GPU"
    print(f"Hours on {title}, one GPU; efficiency assumed, not measured:")
    for precision in peaks:
        low, high = EFFICIENCY[precision]
        print(f"  {precision}: {low:.0%} to {high:.0%} of {peaks[precision]:g} TFLOP/s")
    print()
    print("\n".join(_table(rows)))


def schedule_cost(config: SparseConfig) -> ScheduleCost:
    """Return the operations of training with `config`."""
    pair = pair_cost(config)
    teacher = config.unlabelled * pair.forward
    # A pseudo-labelled crop is learned from as a labelled one; rejected ones repeat accepted ones.
    sparse_pairs = config.labelled + config.unlabelled
    total = 0.0
    for epoch in range(1, config.epochs + 1):
        unfreeze_epoch = config.optim.unfreeze_epoch
        is_held = unfreeze_epoch is not None and epoch < unfreeze_epoch
        learned = pair.learned_with_held_backbone if is_held else pair.learned
        is_burn_in = epoch <= config.burn_in_epochs
        if is_burn_in or not config.unlabelled:
            total += config.iterations * config.batch * learned
        else:
            total += config.iterations * (teacher + sparse_pairs * learned)
    return ScheduleCost(
        pair,
        burn_in_iteration=config.batch * pair.learned,
        sparse_iteration=teacher + sparse_pairs * pair.learned,
        total=total,
    )


def pair_cost(config: SparseConfig) -> PairCost:
    """Count the operations of the recipe's network for one pair of crops."""
    architecture = get_architecture(config.architecture, config.reference.targets)
    weights = ("backbone_pretrained", "backbone_weights")
    options = {name: value for name, value in config.network.items() if name not in weights}
    # Dropout and batch statistics are no matrix products; in eval mode there are none.
    net = architecture.build(options).eval()
    learned = _count(net, config, backward=True)
    forward = _count(net, config, backward=False)
    held = _count_with_held_backbone(net, architecture, config)
    return PairCost(forward, learned, held)


def _count(net: nn.Module, config: SparseConfig, backward: bool) -> float:
    template_side = config.crops.template_size
    search_side = config.crops.search_size
    template = torch.zeros(1, 3, template_side, template_side)
    search = torch.zeros(1, 3, search_side, search_side)
    counter = FlopCounterMode(display=False, custom_mapping=_deformable_convolution())
    with torch.set_grad_enabled(backward), counter:
        outputs = net(search, template)
        if backward:
            learned = [value for value in outputs.values() if value.requires_grad]
            sum(value.sum() for value in learned).backward()
    return float(counter.get_total_flops())


def _count_with_held_backbone(
    net: nn.Module, architecture: Architecture, config: SparseConfig
) -> float:
    if config.optim.unfreeze_epoch is None:
        return _count(net, config, backward=True)
    hold_backbone(net, architecture, config.optim, epoch=1)
    return _count(net.eval(), config, backward=True)


def _deformable_convolution() -> dict:
    """Let the counter know torchvision's operator: as many products as a convolution has."""
    import torchvision.ops  # noqa: F401 - declares the operator

    def flop(_input_shape, weight_shape, *_, out_shape=None, **__) -> int:
        output_channels, input_channels, height, width = weight_shape
        batch, _, output_height, output_width = out_shape
        products = batch * output_height * output_width * output_channels
        return 2 * products * input_channels * height * width

    return {torch.ops.torchvision.deform_conv2d: flop}


def _config(name: str) -> SparseConfig:
    from ltr.recipes import find_recipe

    recipe = find_recipe("spot", name)
    return recipe.config()


def _assignments(texts: Sequence[str]) -> dict[str, str]:
    from ltr.recipes import parse_assignments

    return parse_assignments(texts)


def _peaks(options: argparse.Namespace) -> Mapping[str, float]:
    if options.peak is None:
        if options.gpu not in PEAKS:
            raise BadValue(
                f"--gpu {options.gpu} is not known{suggestion(options.gpu, list(PEAKS))}; choose "
                f"one of {', '.join(PEAKS)}, or give its rates with --peak"
            )
        return PEAKS[options.gpu]
    peaks = {}
    for part in options.peak.split(","):
        precision, _, rate = part.partition("=")
        try:
            peaks[precision] = float(rate)
        except ValueError:
            peaks[precision] = 0.0
        if precision not in PRECISIONS or peaks[precision] <= 0:
            raise BadValue(
                f"--peak {options.peak}: give TFLOP/s by precision, as in fp32=67,tf32=494,bf16=989"
            )
    return peaks


def _head() -> list[str]:
    return [
        "recipe",
        "forward, GFLOP a pair",
        "burn-in, TFLOP an iteration",
        "sparse, TFLOP an iteration",
        "whole, EFLOP",
        *(f"{precision}, h" for precision in PRECISIONS),
    ]


def _row(name: str, cost: ScheduleCost, peaks: Mapping[str, float]) -> list[str]:
    hours = []
    for precision in PRECISIONS:
        if precision not in peaks:
            hours.append("")
            continue
        low, high = cost.hours(peaks[precision], EFFICIENCY[precision])
        hours.append(f"{low:.1f} to {high:.1f}")
    return [
        name,
        f"{cost.pair.forward / 1e9:.1f}",
        f"{cost.burn_in_iteration / 1e12:.2f}",
        f"{cost.sparse_iteration / 1e12:.2f}",
        f"{cost.total / 1e18:.2f}",
        *hours,
    ]


def _table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" + "|---:" * (len(rows[0]) - 1) + "|")
    return lines


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.schedule",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="of ltr/train_settings/spot")
    parser.add_argument("--gpu", default="H200", help=f"one of {', '.join(PEAKS)} (H200)")
    parser.add_argument(
        "--peak", metavar="fp32=N,…", help="TFLOP/s of another GPU, instead of --gpu"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
    )
    options = parser.parse_args(arguments)
    options.recipes = options.recipes or list(PUBLISHED)
    return options


if __name__ == "__main__":
    run_script(main)
