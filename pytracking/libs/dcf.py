"""Building blocks of discriminative correlation filters: windows, labels, interpolation and
regularisation.

Sizes are (height, width); a centred window or label has its peak in the middle of the map, one that
is not centred has it at the first element, as a filter in the Fourier domain wants it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensorlist import tensor_operation
from pytracking.libs import complex as cplx
from pytracking.libs import fourier


def hann1d(sz: int, centered: bool = True) -> Tensor:
    """Cosine window of `sz` elements, without zeros at its ends."""
    if centered:
        return 0.5 * (1 - torch.cos(2 * math.pi / (sz + 1) * torch.arange(1, sz + 1).float()))
    falling = 0.5 * (1 + torch.cos(2 * math.pi / (sz + 2) * torch.arange(sz // 2 + 1).float()))
    return torch.cat((falling, falling[1 : sz - sz // 2].flip(0)))


def hann2d(sz: Sequence[int] | Tensor, centered: bool = True) -> Tensor:
    """Cosine window (1, 1, h, w)."""
    return _separable(*(hann1d(int(size), centered) for size in sz))


def hann2d_clipped(
    sz: Sequence[int] | Tensor, effective_sz: Sequence[int] | Tensor, centered: bool = True
) -> Tensor:
    """Return a cosine window (1, 1, h, w) of `effective_sz`, whose edge values continue outwards to
    `sz`.

    The effective size grows by one where the margin would be uneven. An effective size above `sz`
    gives the middle of the larger window.
    """
    height, width = (int(size) for size in sz)
    rows = _clipped_hann1d(height, int(effective_sz[0]))
    columns = _clipped_hann1d(width, int(effective_sz[1]))
    window = _separable(rows, columns)
    return window if centered else window.roll((-(height // 2), -(width // 2)), (2, 3))


def gauss_fourier(sz: int, sigma: float, half: bool = False) -> Tensor:
    """Fourier coefficients of a Gaussian of standard deviation `sigma` and height 1, repeated every
    `sz` pixels.

    For the frequencies -(sz-1)/2 … sz/2, or with `half` for 0 … sz/2.
    """
    k = torch.arange(0 if half else -((sz - 1) // 2), sz // 2 + 1).float()
    return math.sqrt(2 * math.pi) * sigma / sz * torch.exp(-2 * (math.pi * sigma / sz * k).square())


def gauss_spatial(sz: int, sigma: float, center: float = 0, end_pad: int = 0) -> Tensor:
    """Gaussian of height 1 on `sz` + `end_pad` pixels; `center` is its distance from the middle of
    the first `sz`.
    """
    k = torch.arange(sz + end_pad).float() - (sz - 1) / 2
    return torch.exp(-0.5 * ((k - center) / sigma).square())


def label_function(sz: Sequence[int] | Tensor, sigma: Sequence[float] | Tensor) -> Tensor:
    """Fourier coefficients (1, 1, h, w/2 + 1), real, of the Gaussian label with `sigma` (y, x) in
    pixels.
    """
    return _separable(
        gauss_fourier(int(sz[0]), float(sigma[0])),
        gauss_fourier(int(sz[1]), float(sigma[1]), half=True),
    )


def label_function_spatial(
    sz: Sequence[int] | Tensor,
    sigma: Sequence[float] | Tensor,
    center: Sequence[float] | Tensor = (0, 0),
    end_pad: Sequence[int] | Tensor = (0, 0),
) -> Tensor:
    """Gaussian label (1, 1, h, w) of height 1; `center` (y, x) is its distance from the middle in
    pixels.
    """
    return _separable(
        *(
            gauss_spatial(int(sz[i]), float(sigma[i]), float(center[i]), int(end_pad[i]))
            for i in (0, 1)
        )
    )


def cubic_spline_fourier(f: Tensor, a: float) -> Tensor:
    """Fourier transform at the frequencies `f` (cycles per pixel) of the cubic interpolation kernel
    with parameter `a`.

    The kernel is Keys' (1981) with slope `a` at distance 1, usually -0.75 to -0.5: lower sharpens
    more. It is 1 at frequency 0.
    """
    w = math.pi * f
    value = (
        6 * (1 - torch.cos(2 * w))
        + 3 * a * (1 - torch.cos(4 * w))
        - (6 + 8 * a) * w * torch.sin(2 * w)
        - 2 * a * w * torch.sin(4 * w)
    )
    return torch.where(
        f == 0, torch.ones_like(f), value / torch.where(f == 0, torch.ones_like(f), 4 * w**4)
    )


def get_interp_fourier(
    sz: Sequence[int] | Tensor,
    method: str = "ideal",
    bicubic_param: float = -0.5,
    centering: bool = True,
    windowing: bool = False,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Coefficients that turn the DFT of a map of size `sz` into the Fourier series of an
    interpolation of it.

    `method` is 'ideal' (band-limited) or 'bicubic' (`bicubic_param`: see `cubic_spline_fourier`);
    `centering` puts samples at pixel centres; `windowing` damps high frequencies. Returns (1, 1,
    rows, 1, 2) and (1, 1, 1, columns, 2) for `interpolate_dft`.
    """
    methods = ("ideal", "bicubic")
    if method not in methods:
        raise BadValue(
            f"Unknown dft interpolation method '{method}'{suggestion(method, methods)}; use ideal "
            "or bicubic"
        )
    kernels = []
    for k, size in zip(
        fourier.get_frequency_coord(sz, device=device), (int(size) for size in sz), strict=True
    ):
        kernel = (
            torch.ones_like(k)
            if method == "ideal"
            else cubic_spline_fourier(k / size, bicubic_param)
        )
        if windowing:
            kernel = kernel * 0.5 * (1 + torch.cos(2 * math.pi * k / (size + 1)))
        angle = -math.pi / size * k if centering else torch.zeros_like(k)
        kernels.append(cplx.mult_real_cplx(kernel / size, cplx.exp_imag(angle)))
    return kernels[0], kernels[1]


@tensor_operation
def interpolate_dft(a: Tensor, interp_fs: tuple[Tensor, Tensor]) -> Tensor:
    """Fourier series of the interpolated maps whose `cfft2` is `a`."""
    return cplx.mult(cplx.mult(a, interp_fs[0]), interp_fs[1])


def get_reg_filter(sz: Tensor, target_sz: Tensor, params) -> Tensor:
    """Convolution kernel (1, 1, h, w) whose product with a filter's coefficients penalises energy
    off the target.

    The penalty in space is `reg_window_min` on the target's centre and rises to `reg_window_edge`
    at its border with the power `reg_window_power` (Danelljan et al. 2015, SRDCF); coefficients
    below `reg_sparsity_threshold` times the largest are dropped, so that the kernel stays small.
    `use_reg_window` False gives the constant `reg_window_min`; `reg_window_square` makes the window
    square. `reg_window_centered` (default True) says that the filter is stored with its middle in
    the middle of the map; False: at the first element.
    """
    if not params.use_reg_window:
        return torch.full((1, 1, 1, 1), float(params.reg_window_min))
    target_sz = torch.as_tensor(target_sz, dtype=torch.float32)
    if getattr(params, "reg_window_square", False):
        target_sz = target_sz.prod().sqrt().expand(2)
    height, width = (int(size) for size in sz)
    penalty = _penalty_window((height, width), target_sz / 2, params)
    if getattr(params, "reg_window_centered", True):
        penalty = penalty.roll(((height - 1) // 2, (width - 1) // 2), (2, 3))

    spectrum = torch.fft.rfft2(penalty) / penalty.numel()
    magnitude = spectrum.abs()
    spectrum[magnitude < params.reg_sparsity_threshold * magnitude.max()] = 0
    lowest = torch.fft.irfft2(spectrum, s=penalty.shape[2:]).min() * penalty.numel()
    spectrum[0, 0, 0, 0] += (
        params.reg_window_min - lowest
    )  # dropping coefficients has moved the minimum
    return _whole_kernel(fourier.rfftshift2(torch.view_as_real(spectrum))[..., 0])


def max2d(a: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum of each map (…, H, W) and its place (…, 2) as (row, column), int64."""
    value, index = a.flatten(-2).max(-1)
    return value, torch.stack((index // a.shape[-1], index % a.shape[-1]), dim=-1)


def _separable(column: Tensor, row: Tensor) -> Tensor:
    return column.view(1, 1, -1, 1) * row.view(1, 1, 1, -1)


def _clipped_hann1d(size: int, effective_size: int) -> Tensor:
    """Return `hann1d(effective_size)` cut, or continued by its edge values, to `size` elements."""
    effective_size += (effective_size - size) % 2
    margin = (size - effective_size) // 2
    index = (torch.arange(size) - margin).clamp(0, effective_size - 1)
    return hann1d(effective_size)[index]


def _penalty_window(sz: Sequence[int], scale: Tensor, params) -> Tensor:
    """The penalty at every pixel (1, 1, h, w), its centre at the first element."""
    distance = []
    for size, unit in zip(sz, scale, strict=True):
        position = torch.arange(size)
        position = torch.where(position > size // 2, position - size, position).float()
        distance.append((position / unit).abs() ** params.reg_window_power)
    slope = params.reg_window_edge - params.reg_window_min
    return (slope * (distance[0][:, None] + distance[1][None]) + params.reg_window_min)[None, None]


def _whole_kernel(half: Tensor) -> Tensor:
    """The smallest kernel with all non-zero coefficients, from those (1, 1, rows, columns) of
    frequencies x >= 0.
    """
    rows, columns = (index.max().item() for index in half[0, 0].nonzero(as_tuple=True))
    middle = (half.shape[2] - 1) // 2
    reach = max(rows - middle, 0)
    part = half[..., middle - reach : middle + reach + 1, : columns + 1]
    return torch.cat((part[..., 1:].flip((2, 3)), part), -1)
