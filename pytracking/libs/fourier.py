"""Two-dimensional Fourier series of real maps, in the layout of correlation-filter trackers.

Coefficients of a map (B, C, H, W) are (B, C, rows, columns, 2): rows hold the vertical frequencies
-K … K, zero in the middle, columns the horizontal ones 0 … L (those below zero are the conjugates).
An even H has its highest frequency at both ends, so that rows are always odd in number and series
of different sizes can be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import TensorList, tensor_operation
from pytracking.libs import complex as cplx


@tensor_operation
def rfftshift2(a: Tensor) -> Tensor:
    """Rows (dimension 2) of a half spectrum from FFT order to -K … K; an even count grows by
    one.
    """
    rows = a.shape[2]
    return torch.cat((a[:, :, (rows + 1) // 2 :], a[:, :, : rows // 2 + 1]), 2)


@tensor_operation
def irfftshift2(a: Tensor) -> Tensor:
    """Inverse of `rfftshift2` for an odd count of rows: from -K … K to FFT order."""
    middle = (a.shape[2] - 1) // 2
    return torch.cat((a[:, :, middle:], a[:, :, :middle]), 2)


@tensor_operation
def cfft2(a: Tensor) -> Tensor:
    """Coefficients of real maps (B, C, H, W). Not normalised: divide by H*W for those of the
    Fourier series.
    """
    return rfftshift2(torch.view_as_real(torch.fft.rfft2(a)))


@tensor_operation
def cifft2(a: Tensor, signal_sizes: Sequence[int] | None = None) -> Tensor:
    """Real maps of coefficients; inverse of `cfft2`.

    `signal_sizes` (H, W) is the size of the maps, by default odd: (rows, 2*columns - 1). It must be
    named for maps that were of even size.
    """
    height, width = _odd_size(a) if signal_sizes is None else (int(size) for size in signal_sizes)
    spectrum = irfftshift2(a)
    if spectrum.shape[2] == height + 1 and height % 2 == 0:  # the highest frequency is there twice
        spectrum = torch.cat((spectrum[:, :, : height // 2], spectrum[:, :, height // 2 + 1 :]), 2)
    if spectrum.shape[2] != height:
        raise BadValue(
            f"cifft2: {a.shape[2]} rows of coefficients are not those of a map of height {height}; "
            "use sample_fs to evaluate a series on another grid"
        )
    return torch.fft.irfft2(torch.view_as_complex(spectrum.contiguous()), s=(height, width))


@tensor_operation
def sample_fs(
    a: Tensor, grid_sz: Tensor | Sequence[int] | None = None, rescale: bool = True
) -> Tensor:
    """Values of the Fourier series with coefficients `a` on an even grid of `grid_sz` (h, w)
    points: (B, C, h, w).

    A grid coarser than the series drops its highest frequencies. `rescale` False divides by the
    number of points.
    """
    height, width = _odd_size(a)
    grid_height, grid_width = (
        int(size) for size in ((height, width) if grid_sz is None else grid_sz)
    )
    grid = (grid_height, grid_width)
    if height > grid_height or width > grid_width:
        a = _cut(a, grid)
        height, width = _odd_size(a)
    rows, columns = (
        grid[0] + (grid[0] + 1) % 2,
        grid[1] // 2 + 1,
    )  # even grids are handled by cifft2
    margin = (rows - height) // 2
    a = F.pad(a, (0, 0, 0, columns - a.shape[3], margin, margin))
    return cifft2(a, signal_sizes=grid) * (math.prod(grid) if rescale else 1)


def get_frequency_coord(
    sz: Tensor | Sequence[int], add_complex_dim: bool = False, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Vertical (1, 1, rows, 1) and horizontal (1, 1, 1, columns) frequencies of maps of size `sz`
    (h, w).

    `add_complex_dim` appends a dimension of 1, to be multiplied with coefficients.
    """
    height, width = (int(size) for size in sz)
    ky = torch.arange(
        -((height - 1) // 2), height // 2 + 1, dtype=torch.float32, device=device
    ).view(1, 1, -1, 1)
    kx = torch.arange(width // 2 + 1, dtype=torch.float32, device=device).view(1, 1, 1, -1)
    return (ky[..., None], kx[..., None]) if add_complex_dim else (ky, kx)


@tensor_operation
def shift_fs(a: Tensor, shift: Tensor) -> Tensor:
    """Coefficients of the series moved up and left by `shift` = (y, x) in radians: 2 pi is one
    period.
    """
    if a.dim() != 5:
        raise BadValue(
            f"shift_fs takes coefficients (batch, channels, rows, columns, 2), not {tuple(a.shape)}"
        )
    if shift[0] == 0 and shift[1] == 0:
        return a
    ky, kx = get_frequency_coord(_odd_size(a), device=a.device)
    turn = cplx.exp_imag(ky * float(shift[0]) + kx * float(shift[1]))
    return cplx.mult(a, turn)


def sum_fs(a: TensorList | Sequence[Tensor]) -> Tensor:
    """Coefficients (..., rows, columns, 2) of the sum of several series, which may differ in
    size.
    """
    return _sum_of_sizes(a, row_dim=-3)


def sum_fs12(a: TensorList | Sequence[Tensor]) -> Tensor:
    """`sum_fs` for coefficients whose first two dimensions are rows and columns: (rows, columns,
    …).
    """
    return _sum_of_sizes(a, row_dim=0)


@tensor_operation
def inner_prod_fs(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of two real maps from their coefficients: a scalar.

    Both sets are (B, C, rows, columns, 2), or (B, C, rows, columns) where all imaginary parts are
    zero. Columns above frequency zero stand for two: themselves and their conjugates.
    """
    if cplx.is_complex(a) != cplx.is_complex(b):
        raise BadValue(
            "inner_prod_fs takes two sets of complex or two of real coefficients, not "
            f"{tuple(a.shape)} and {tuple(b.shape)}"
        )
    product = a * b
    return 2 * product.sum() - product[:, :, :, 0].sum()


def _odd_size(a: Tensor) -> tuple[int, int]:
    return a.shape[2], 2 * a.shape[3] - 1


def _cut(a: Tensor, grid: tuple[int, int]) -> Tensor:
    """The coefficients that a grid of this size can show."""
    keep = min((grid[0] - 1) // 2, (a.shape[2] - 1) // 2)
    middle = (a.shape[2] - 1) // 2
    return a[:, :, middle - keep : middle + keep + 1, : min((grid[1] - 1) // 2 + 1, a.shape[3])]


def _sum_of_sizes(series: Sequence[Tensor], row_dim: int) -> Tensor:
    largest = max(series, key=lambda one: one.shape[row_dim])
    columns = max(one.shape[row_dim + 1] for one in series)
    total = torch.zeros_like(largest) if columns == largest.shape[row_dim + 1] else None
    if total is None:
        raise BadValue("sum_fs: the series with the most rows must have the most columns too")
    middle = (largest.shape[row_dim] - 1) // 2
    for one in series:
        reach = (one.shape[row_dim] - 1) // 2
        place = total.narrow(row_dim, middle - reach, one.shape[row_dim]).narrow(
            row_dim + 1, 0, one.shape[row_dim + 1]
        )
        place += one  # a view of total
    return total
