"""A vision transformer that sees template and search region as one sequence of tokens.

Source: OSTrack (Ye et al., "Joint Feature Learning and Relation Modeling for Tracking: A One-Stream
Framework", ECCV 2022, sections 3.1 and 3.2), on a ViT (Dosovitskiy et al., ICLR 2021). Names of the
state dict are those of OSTrack's published weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ltr.admin.errors import BadValue
from ltr.models.backbone.base import Backbone
from ltr.models.backbone.vit_blocks import NORM_EPS, Block, PatchEmbed
from ltr.models.layers.lora import add_lora, hold_base_weights

__all__ = ["OneStreamViT", "eliminate", "resize_position_code"]

# Standard deviation of the initial weights, as in ViT.
INITIAL_STD = 0.02
# ViT-B was trained on 224 px in patches of 16; its own position code is kept for its name.
PRETRAINED_TOKENS = 1 + 14 * 14


class OneStreamViT(Backbone):
    """Tokens of the template, then those of the search region, through `depth` transformer blocks.

    `elimination` maps the number of a block to the share of search tokens that it keeps: those that
    the template attends to most (OSTrack, section 3.2). Lower shares are faster; the tokens left
    out come back as zeros. `template_rows` says whose attention counts: 'center', the middle token
    of the template, or 'all'. `keep_rate`, when it is set, is used in the place of all shares:
    training warms elimination up with it.

    `drop_path` is the probability at the last block that a sample skips half of a block in
    training, rising from 0 at the first. `checkpointing` computes each block again in the backward
    pass: a third more time, and the memory of one block instead of all. `lora_rank` above 0 lets
    only low-rank changes of the layers named in `lora_targets` learn.
    """

    def __init__(
        self,
        template_tokens: int,
        search_tokens: int,
        width: int = 768,
        depth: int = 12,
        nheads: int = 12,
        patch_embed: nn.Module | None = None,
        elimination: Mapping[int, float] | None = None,
        template_rows: str = "center",
        drop_path: float = 0.0,
        checkpointing: bool = False,
        lora_rank: int = 0,
        lora_targets: Sequence[str] = ("qkv", "proj"),
        frozen_layers: str | Sequence[str] = (),
    ):
        super().__init__(frozen_layers)
        if width % nheads:
            raise BadValue(
                f"a width of {width} cannot be split into {nheads} heads; choose nheads that "
                "divides it"
            )
        if template_rows not in ("center", "all"):
            raise BadValue(
                f"template_rows is '{template_rows}'; choose 'center' or 'all', the template's "
                "tokens whose attention counts"
            )
        self.width = width
        self.nheads = nheads
        self.elimination = _checked_elimination(elimination or {}, depth)
        self.template_rows = template_rows
        self.keep_rate: float | None = None
        self.checkpointing = checkpointing
        # Not used here: published files hold them, and a file of ViT's fills them.
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width), requires_grad=False)
        self.pos_embed = nn.Parameter(torch.zeros(1, PRETRAINED_TOKENS, width), requires_grad=False)
        self.pos_embed_z = nn.Parameter(torch.empty(1, template_tokens, width))
        self.pos_embed_x = nn.Parameter(torch.empty(1, search_tokens, width))
        self.patch_embed = PatchEmbed(width) if patch_embed is None else patch_embed
        self.blocks = nn.ModuleList(
            Block(width, nheads, drop_path * number / max(depth - 1, 1)) for number in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self._initialise()
        self.lora_rank = lora_rank
        if lora_rank:
            add_lora(self.blocks, lora_rank, lora_targets)
            self.freeze(False)

    def embed_template(self, template: Tensor) -> Tensor:
        """Return tokens (B, M, C) of template images (B, 3, h, w), with their position code."""
        return self.patch_embed(template) + self.pos_embed_z

    def embed_search(self, search: Tensor) -> Tensor:
        """Return tokens (B, N, C) of search images (B, 3, H, W), with their position code."""
        return self.patch_embed(search) + self.pos_embed_x

    def forward(self, template_BMC: Tensor, search_BNC: Tensor) -> tuple[Tensor, Tensor]:
        """Return the template's and the search region's tokens after all blocks, in their order.

        Eliminated search tokens are zeros.
        """
        template_count = template_BMC.shape[1]
        search_count = search_BNC.shape[1]
        tokens = torch.cat((template_BMC, search_BNC), 1)
        # The cells of the search region that the search tokens come from, once some are missing.
        cells: Tensor | None = None
        for number, module in enumerate(self.blocks):
            block = cast(Block, module)
            keep_count = self._keep_count(number, tokens.shape[1] - template_count)
            if self.checkpointing and self.training and torch.is_grad_enabled():
                tokens, cells = checkpoint(
                    self._run_block,
                    block,
                    tokens,
                    cells,
                    template_count,
                    keep_count,
                    use_reentrant=False,
                )
            else:
                tokens, cells = self._run_block(block, tokens, cells, template_count, keep_count)
        tokens = self.norm(tokens)
        template, search = tokens[:, :template_count], tokens[:, template_count:]
        if cells is not None:
            # Not len(search), which an export would take for a constant.
            whole = search.new_zeros(search.shape[0], search_count, search.shape[-1])
            index = cells[..., None].expand_as(search)
            search = whole.scatter(1, index, search)
        return template, search

    def freeze(self, frozen: bool = True, norms: bool = True) -> None:
        """Hold every layer and the position codes still, or let go of what may learn."""
        super().freeze(frozen, norms)
        if self.lora_rank and not frozen:
            hold_base_weights(self)
        if frozen:
            for code in (self.pos_embed_z, self.pos_embed_x):
                code.requires_grad_(False)
        for unused in (self.cls_token, self.pos_embed):
            unused.requires_grad_(False)

    def _run_block(
        self,
        block: Block,
        tokens: Tensor,
        cells: Tensor | None,
        template_count: int,
        keep_count: int | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Run a block; between its halves, keep only `keep_count` search tokens where it is
        given.
        """
        read, interest = block.attend(tokens, self._rows(template_count, keep_count))
        tokens = tokens + read
        if keep_count is not None:
            assert interest is not None
            interest = interest[:, template_count:]
            tokens, cells = eliminate(tokens, interest, cells, template_count, keep_count)
        return block.transform(tokens), cells

    def _keep_count(self, number: int, search_count: int) -> int | None:
        """Return how many search tokens block `number` keeps; None where it keeps all."""
        if number not in self.elimination:
            return None
        rate = self.elimination[number] if self.keep_rate is None else self.keep_rate
        count = math.ceil(rate * search_count)
        return None if count >= search_count else count

    def _rows(self, template_count: int, keep_count: int | None) -> slice | None:
        """Return which template tokens say what to keep."""
        if keep_count is None:
            return None
        if self.template_rows == "all":
            return slice(0, template_count)
        # There is no exact middle on a grid of an even side: the cell before it.
        side = math.isqrt(template_count)
        middle = (side - 1) // 2
        return slice(middle * side + middle, middle * side + middle + 1)

    def _initialise(self) -> None:
        for code in (self.pos_embed_z, self.pos_embed_x, self.pos_embed, self.cls_token):
            nn.init.trunc_normal_(code, std=INITIAL_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INITIAL_STD)
                nn.init.zeros_(module.bias)


def eliminate(
    tokens: Tensor, interest_BN: Tensor, cells: Tensor | None, template_count: int, keep_count: int
) -> tuple[Tensor, Tensor]:
    """Keep the template's tokens and the `keep_count` search tokens of most interest.

    Returns the tokens, and the cells (B, keep_count) that the search tokens come from; `cells` are
    those before, None for all.
    """
    kept = interest_BN.argsort(1, descending=True)[:, :keep_count]
    search = tokens[:, template_count:]
    search = search.gather(1, kept[..., None].expand(-1, -1, search.shape[-1]))
    cells = kept if cells is None else cells.gather(1, kept)
    return torch.cat((tokens[:, :template_count], search), 1), cells


def resize_position_code(code_1LC: Tensor, side: int) -> Tensor:
    """Return the position code (1, side * side, C) of a square grid from that of another, by
    bicubic interpolation.

    A code with one token more than a square has a class token first, which is left out.
    """
    count = code_1LC.shape[1]
    old_side = math.isqrt(count)
    if old_side * old_side != count:
        code_1LC = code_1LC[:, 1:]
        old_side = math.isqrt(count - 1)
    if old_side * old_side != code_1LC.shape[1]:
        raise BadValue(
            f"a position code of {count} tokens is neither a square grid nor one with a class "
            "token; give the weights of a ViT"
        )
    grid = code_1LC.transpose(1, 2).unflatten(2, (old_side, old_side))
    resized = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def _checked_elimination(elimination: Mapping[int, float], depth: int) -> dict[int, float]:
    """Return the mapping with whole numbers as keys; BadValue for blocks or shares that cannot
    be.
    """
    checked = {int(number): float(rate) for number, rate in elimination.items()}
    for number, rate in checked.items():
        if not 0 <= number < depth or not 0 < rate <= 1:
            raise BadValue(
                f"elimination {{{number}: {rate}}} is not possible in a transformer of {depth} "
                f"blocks; give blocks from 0 to {depth - 1} and shares above 0, up to 1"
            )
    return checked
