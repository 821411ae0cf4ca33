"""The tolerances of OSTrack's checks still see errors, as `test_mutants` shows for the others."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ltr.models.backbone import one_stream_vit, vit_blocks
from ltr.models.loss import ostrack_criterion
from pytracking.tracker.ostrack import ostrack as tracker
from tests.golden.checks import CHECKS
from tests.golden.folder import COMMITTED, Golden

BY_NAME = {check.name: check for check in CHECKS}
FORWARD = "ostrack_forward_256_ce_real.mask"


class MutantGolden(Golden):
    """The committed numbers, with a network that is broken before each check."""

    def __init__(self, break_network=lambda net: None):
        super().__init__(COMMITTED / "ostrack/seed0")
        self.break_network = break_network

    def network(self, net: nn.Module) -> nn.Module:
        """Break the network."""
        with torch.no_grad():
            self.break_network(net)
        return net


def no_template_code(patch):
    """Templates have no position code."""
    return MutantGolden(lambda net: net.backbone.pos_embed_z.zero_())


def transposed_search_code(patch):
    """Rows and columns of the search region's position code are exchanged."""

    def break_network(net):
        code = net.backbone.pos_embed_x
        code.copy_(code.unflatten(1, (16, 16)).transpose(1, 2).flatten(1, 2).clone())

    return MutantGolden(break_network)


def other_template_cell(patch):
    """The cell after the middle decides what is eliminated."""
    patch.setattr(
        one_stream_vit.OneStreamViT, "_rows", lambda self, count, keep: keep and slice(36, 37)
    )
    return MutantGolden()


def one_token_fewer(patch):
    """Each elimination keeps one token fewer."""
    real = one_stream_vit.eliminate
    patch.setattr(one_stream_vit, "eliminate", lambda *values: real(*values[:-1], values[-1] - 1))
    return MutantGolden()


def approximate_gelu(patch):
    """The MLP takes GELU's approximation by tanh."""

    def forward(self, tokens):
        return self.fc2(F.gelu(self.fc1(tokens), approximate="tanh"))

    patch.setattr(vit_blocks.MLP, "forward", forward)
    return MutantGolden()


def divided_radius(patch):
    """The radius of the heat map is solved with the division that published maps lack."""
    real = ostrack_criterion.gaussian_radius
    patch.setattr(ostrack_criterion, "gaussian_radius", lambda sizes: 2 * real(sizes))
    return MutantGolden()


def summed_corners(patch):
    """The box loss adds up the corners, where the published one takes their mean."""
    real = ostrack_criterion.OSTrackCriterion.losses

    def losses(self, sums, counts):
        return real(self, {**sums, "l1": 4 * sums["l1"]}, counts)

    patch.setattr(ostrack_criterion.OSTrackCriterion, "losses", losses)
    return MutantGolden()


def window_with_zeros(patch):
    """The window is zero at the border, as the other trackers' are."""
    patch.setattr(
        tracker, "window", lambda count: tracker.hann2d((18, 18))[0, 0, :16, :16].flatten().numpy()
    )
    return MutantGolden()


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        (no_template_code, FORWARD),
        (transposed_search_code, FORWARD),
        (other_template_cell, FORWARD),
        (one_token_fewer, FORWARD),
        (approximate_gelu, FORWARD),
        (divided_radius, "ostrack_criterion"),
        (summed_corners, "ostrack_criterion"),
        (window_with_zeros, "tracker_ostrack_real"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_mutant_fails(mutant, name, monkeypatch):
    golden = mutant(monkeypatch)
    results = BY_NAME[name].results(golden)
    assert not all(result.passed for result in results)
