"""Numeric helpers of trackers: complex layout, Fourier series, correlation-filter windows,
convolution, optimisers.
"""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import TensorList
from pytracking.libs import complex as cplx
from pytracking.libs import dcf, fourier, operation, optimization

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def native(a):
    return torch.view_as_complex(a.contiguous())


# ---------------------------------------------------------------- complex numbers

A, B, R = random(2, 3, 4, 2), random(2, 3, 4, 2, seed=1), random(2, 3, 4, seed=2)


@pytest.mark.parametrize(
    "found, expected",
    [
        (cplx.mult(A, B), native(A) * native(B)),
        (cplx.mult(R, A), R * native(A)),
        (cplx.mult(A, R), native(A) * R),
        (cplx.mult_conj(A, B), native(A) * native(B).conj()),
        (cplx.mult_conj(R, B), R * native(B).conj()),
        (cplx.mult_real_cplx(R, A), R * native(A)),
        (cplx.div(A, B), native(A) / native(B)),
        (cplx.div(A, R), native(A) / R),
        (cplx.div(R, A), R / native(A)),
        (cplx.div_cplx_real(A, R), native(A) / R),
        (cplx.conj(A), native(A).conj()),
        (cplx.exp_imag(R), torch.exp(1j * R)),
        (cplx.complex(R, 2 * R), R * (1 + 2j)),
        (cplx.complex(None, R), 1j * R),
        (cplx.complex(R), R + 0j),
        (cplx.mtimes(A, B.transpose(1, 2)), native(A) @ native(B).mT),
        (cplx.mtimes(A, B.transpose(1, 2), conj_a=True), native(A).conj() @ native(B).mT),
        (cplx.mtimes(R, B.transpose(1, 2), conj_b=True), (R + 0j) @ native(B).mT.conj()),
        (cplx.mtimes_real_complex(R, B.transpose(1, 2)), (R + 0j) @ native(B).mT),
        (cplx.mtimes_complex_real(A, R.mT, conj_a=True), native(A).conj() @ (R.mT + 0j)),
    ],
)
def test_complex_layout_computes_like_complex_numbers(found, expected):
    torch.testing.assert_close(native(found), expected)


def test_real_results_and_lists():
    assert torch.equal(cplx.abs_sqr(A), A[..., 0] ** 2 + A[..., 1] ** 2)
    torch.testing.assert_close(cplx.abs(A), native(A).abs())
    assert torch.equal(cplx.real(A), A[..., 0]) and torch.equal(cplx.imag(A), A[..., 1])
    both = cplx.mult(TensorList([A, B]), B)
    assert type(both) is TensorList and torch.equal(both[0], cplx.mult(A, B))
    assert cplx.is_complex(A) and cplx.is_real(R) and cplx.is_real(torch.ones(3, 2))
    with pytest.raises(BadValue, match="one dimension more"):
        cplx.mult(random(2, 3, 4, 5, 6), A)


# ---------------------------------------------------------------- Fourier series


@given(sizes)
@settings(max_examples=30, deadline=None)
def test_transform_and_back(size):
    x = random(1, 2, *size)
    a = fourier.cfft2(x)
    assert a.shape == (1, 2, size[0] + (size[0] + 1) % 2, size[1] // 2 + 1, 2)  # rows always odd
    torch.testing.assert_close(fourier.cifft2(a, size), x, atol=1e-5, rtol=1e-5)


@given(st.integers(0, 4), st.integers(0, 4), sizes)
@settings(max_examples=30, deadline=None)
def test_series_is_the_sum_of_its_waves(rows, columns, grid):
    a = random(1, 1, 2 * rows + 1, columns + 1, 2)
    a[..., 0, :] = (
        a[..., 0, :] + cplx.conj(a[..., 0, :].flip(2)[..., None, :])[..., 0, :]
    ) / 2  # real in space
    ky, kx = fourier.get_frequency_coord((2 * rows + 1, 2 * columns + 1))
    keep = (ky.abs() < (grid[0] + 1) // 2 + 0.0) & (
        kx < (grid[1] + 1) // 2 + 0.0
    )  # what the grid can show
    expected = torch.zeros(grid)
    weight = torch.where(kx > 0, 2.0, 1.0) * keep
    for y in range(grid[0]):
        for x in range(grid[1]):
            wave = torch.exp(2j * math.pi * (ky * y / grid[0] + kx * x / grid[1]))
            expected[y, x] = (native(a) * wave * weight).real.sum()
    torch.testing.assert_close(fourier.sample_fs(a, grid)[0, 0], expected, atol=1e-4, rtol=1e-4)
    shares = fourier.sample_fs(a, grid, rescale=False)[0, 0]
    torch.testing.assert_close(shares * grid[0] * grid[1], expected, atol=1e-4, rtol=1e-4)


def test_shift_moves_the_map_and_zero_shift_is_free():
    x = random(1, 1, 7, 9)
    a = fourier.cfft2(x) / 63
    shift = torch.tensor([2 * math.pi * 2 / 7, -2 * math.pi / 9])
    torch.testing.assert_close(
        fourier.sample_fs(fourier.shift_fs(a, shift)), x.roll((-2, 1), (2, 3)), atol=1e-5, rtol=1e-5
    )
    assert fourier.shift_fs(a, torch.zeros(2)) is a


def test_sums_and_products_of_series():
    x, y = random(1, 1, 7, 9), random(1, 1, 7, 9, seed=1)
    a, b = fourier.cfft2(x) / 63, fourier.cfft2(y) / 63
    torch.testing.assert_close(fourier.inner_prod_fs(a, b), (x * y).mean())
    # Maps that are symmetric about their first element have real coefficients.
    even_x, even_y = (m + m.flip((2, 3)).roll((1, 1), (2, 3)) for m in (x, y))
    real_a, real_b = (cplx.real(fourier.cfft2(m) / 63) for m in (even_x, even_y))
    torch.testing.assert_close(fourier.inner_prod_fs(real_a, real_b), (even_x * even_y).mean())
    with pytest.raises(BadValue, match="two sets of complex or two of real"):
        fourier.inner_prod_fs(real_a, b)
    small = fourier.cfft2(random(1, 1, 3, 5)) / 15
    total = fourier.sum_fs(TensorList([small, a]))
    torch.testing.assert_close(
        fourier.sample_fs(total), x + fourier.sample_fs(small, (7, 9)), atol=1e-5, rtol=1e-5
    )
    moved = TensorList(one.permute(2, 3, 0, 1, 4) for one in (small, a))
    assert torch.equal(fourier.sum_fs12(moved).permute(2, 3, 0, 1, 4), total)


# ---------------------------------------------------------------- correlation filters


@pytest.mark.parametrize("sz", [4, 5, 16, 17])
def test_windows_are_symmetric_with_the_peak_where_asked(sz):
    window = dcf.hann1d(sz)
    torch.testing.assert_close(window, window.flip(0))
    assert window.min() > 0 and dcf.hann1d(sz, centered=False).argmax() == 0
    assert dcf.hann2d((sz, 6)).shape == (1, 1, sz, 6)


def test_clipped_window_continues_its_edge():
    window = dcf.hann2d_clipped((9, 9), (4, 5))  # 4 grows to 5: the margins must be even
    inner = dcf.hann2d((5, 5))
    assert torch.equal(window[..., 2:7, 2:7], inner) and torch.equal(
        window[..., 0, 2:7], inner[..., 0, :]
    )
    rolled = dcf.hann2d_clipped((9, 9), (4, 5), centered=False)
    assert dcf.max2d(rolled)[1].tolist() == [[[0, 0]]]
    larger = dcf.hann2d_clipped((4, 9), (7, 12))  # 7 grows to 8, 12 to 13
    assert torch.equal(larger, dcf.hann2d((8, 13))[..., 2:6, 2:11])


def test_label_in_space_and_in_frequencies_agree():
    space = dcf.label_function_spatial((21, 21), (1.5, 2.0))
    series = cplx.complex(dcf.label_function((21, 21), (1.5, 2.0)))
    torch.testing.assert_close(
        fourier.sample_fs(series).roll((10, 10), (2, 3)), space, atol=1e-5, rtol=1e-4
    )
    assert dcf.gauss_spatial(18, 2.0, center=1.5, end_pad=1).argmax() == 10


@pytest.mark.parametrize("a", [-0.75, -0.5])
def test_cubic_kernel_has_this_transform(a):
    t = torch.linspace(-2, 2, 40001, dtype=torch.float64).abs()
    kernel = torch.where(
        t <= 1, (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    )
    for f in (0.0, 0.3, 0.7):
        integral = (kernel * torch.cos(2 * math.pi * f * t)).sum() * 1e-4
        assert dcf.cubic_spline_fourier(torch.tensor([f]), a).item() == pytest.approx(
            integral.item(), abs=1e-5
        )


@pytest.mark.parametrize("method", ["ideal", "bicubic"])
def test_interpolation_passes_through_a_constant(method):
    a = fourier.cfft2(torch.full((1, 1, 7, 7), 3.0))
    series = dcf.interpolate_dft(a, dcf.get_interp_fourier((7, 7), method))
    torch.testing.assert_close(fourier.sample_fs(series, (14, 14)), torch.full((1, 1, 14, 14), 3.0))
    with pytest.raises(BadValue, match="did you mean 'bicubic'"):
        dcf.get_interp_fourier((7, 7), "bicubik")


def test_ideal_interpolation_centred_on_pixels():
    x = random(1, 1, 7, 7)
    series = dcf.interpolate_dft(fourier.cfft2(x), dcf.get_interp_fourier((7, 7)))
    dense = fourier.sample_fs(
        series, (14, 14)
    )  # samples lie half a pixel in: at odd places of the double grid
    torch.testing.assert_close(dense[..., 1::2, 1::2], x, atol=1e-5, rtol=1e-5)


def test_regularisation_kernel_is_low_on_the_target_and_high_off_it():
    params = SimpleNamespace(
        use_reg_window=True,
        reg_window_min=1e-3,
        reg_window_edge=10.0,
        reg_window_power=2,
        reg_sparsity_threshold=0.05,
    )
    kernel = dcf.get_reg_filter(torch.tensor([31, 31]), torch.tensor([10.0, 10.0]), params)
    assert kernel.shape[2] % 2 == kernel.shape[3] % 2 == 1 and kernel.shape[2] < 31
    torch.testing.assert_close(kernel, kernel.flip((2, 3)))
    half = kernel[..., kernel.shape[3] // 2 :]
    window = fourier.sample_fs(cplx.complex(half), (31, 31))[0, 0]
    assert window[2, 2] > 50 * window[15, 15]
    params.reg_window_centered = False
    first = dcf.get_reg_filter(torch.tensor([31, 31]), torch.tensor([10.0, 10.0]), params)
    half = first[..., first.shape[3] // 2 :]
    window = fourier.sample_fs(cplx.complex(half), (31, 31))[0, 0]
    assert window.min() == pytest.approx(1e-3, abs=1e-3) and window[15, 15] > 50 * window[2, 2]
    params.use_reg_window = False
    assert dcf.get_reg_filter(
        torch.tensor([31, 31]), torch.tensor([10.0, 10.0]), params
    ).item() == pytest.approx(1e-3)


@pytest.mark.parametrize("centered, sign", [(True, 1), (False, -1)])
@pytest.mark.parametrize("size", [(18, 18), (19, 19), (20, 23)])
def test_regularisation_kernel_is_the_real_dft_of_the_window(size, centered, sign):
    """Check against the definition: a window whose lowest element is the middle one, or the
    first; its DFT's real part; coefficients below the threshold dropped; the minimum kept.
    """
    params = SimpleNamespace(
        use_reg_window=True,
        reg_window_min=1e-4,
        reg_window_edge=10e-3,
        reg_window_power=2,
        reg_sparsity_threshold=0.05,
        reg_window_centered=centered,
    )
    kernel = dcf.get_reg_filter(torch.tensor(size), torch.tensor([4.0, 6.0]), params)[0, 0]
    positions = [torch.arange(n) - (n - 1) // 2 for n in size]
    if not centered:
        positions = [p.roll(-((n - 1) // 2)) for p, n in zip(positions, size, strict=True)]
    y, x = torch.meshgrid(*positions, indexing="ij")
    window = 1e-4 + (10e-3 - 1e-4) * ((y / 2) ** 2 + (x / 3) ** 2)
    spectrum = torch.fft.fft2(window.double()) / window.numel()
    middle = [n // 2 for n in kernel.shape]
    assert (kernel[middle[0], middle[1] - 1] * sign > 0) and kernel[
        middle[0] - 1, middle[1]
    ] * sign > 0
    for row, column in [(0, 1), (1, 0)]:
        found = kernel[middle[0] + row, middle[1] + column].item()
        assert found == pytest.approx(spectrum[row, column].real.item(), rel=1e-3)


class SeveralSystems(optimization.ConjugateGradientBase):
    """One small system for each element, with inner products of their own, as ECO's filters."""

    matrices = TensorList([torch.diag(torch.arange(1.0, 4)), 2 * torch.eye(3) + 1])

    def A(self, x):
        return TensorList(m @ v for m, v in zip(self.matrices, x, strict=True))

    def ip(self, a, b):
        return TensorList((u * v).sum() for u, v in zip(a, b, strict=True))


@pytest.mark.parametrize("options", [{}, {"fletcher_reeves": False}, {"standard_alpha": False}])
def test_conjugate_gradient_with_an_inner_product_for_each_element(options):
    solver = SeveralSystems(debug=True, **options)
    solver.b = TensorList([random(3), random(3, seed=1)])
    # Each system of three unknowns alone takes three iterations; the second has two eigenvalues.
    found, norms = solver.run_CG(2)
    two_steps = torch.linalg.solve(solver.matrices[1], solver.b[1])
    torch.testing.assert_close(found[1], two_steps, atol=1e-5, rtol=1e-5)
    total = sum((b * b).sum() for b in solver.b).sqrt()
    assert norms.shape == (3,) and norms[0] == pytest.approx(total.item())
    left = solver.b[0] - solver.matrices[0] @ found[0]
    assert norms[2] == pytest.approx(left.norm().item(), abs=1e-5)
    solver.b = TensorList([torch.zeros(3), random(3)])
    assert solver.run_CG(2)[0] is None


def test_maximum_and_its_place():
    scores = torch.zeros(2, 1, 3, 4)
    scores[0, 0, 2, 1], scores[1, 0, 0, 3] = 5, 7
    value, place = dcf.max2d(scores)
    assert value.tolist() == [[5], [7]] and place.tolist() == [[[2, 1]], [[0, 3]]]


@pytest.mark.parametrize(
    "mode, kernel, size",
    [
        ("same", (3, 4), (6, 7)),
        ("valid", (3, 4), (4, 4)),
        ("full", (3, 4), (8, 10)),
        (None, (3, 4), (4, 4)),
    ],
)
def test_convolution_modes(mode, kernel, size):
    x, weight = random(1, 2, 6, 7), random(3, 2, *kernel)
    full = F.conv2d(x, weight, padding=(kernel[0] - 1, kernel[1] - 1))
    found = operation.conv2d(x, weight, mode=mode)
    top, left = (
        (kernel[i] - 1) // 2 if mode == "same" else 0 if mode == "full" else kernel[i] - 1
        for i in (0, 1)
    )
    left = 1 if mode == "same" else left  # half of 4 before, one less after
    torch.testing.assert_close(found, full[..., top : top + size[0], left : left + size[1]])
    assert operation.conv2d(x, None) is x


def test_convolution_errors_and_1x1():
    x, weight = random(2, 3, 4, 5), random(6, 3, 1, 1)
    torch.testing.assert_close(operation.conv1x1(x, weight), F.conv2d(x, weight))
    for options, message in (
        ({"mode": "sam"}, "did you mean 'same'"),
        ({"mode": "same", "padding": 1}, "padding=1"),
    ):
        with pytest.raises(BadValue, match=message):
            operation.conv2d(x, weight, **options)


# ---------------------------------------------------------------- optimisers

MATRIX, GOAL = random(20, 5), random(20, seed=1)
SOLUTION = torch.linalg.solve(MATRIX.T @ MATRIX + 0.01 * torch.eye(5), MATRIX.T @ GOAL)


class Ridge(optimization.L2Problem):
    def __call__(self, x):
        return TensorList([MATRIX @ x[0] - GOAL, 0.1 * x[0]])

    def M1(self, x):
        return TensorList([x[0] / MATRIX.square().sum(0)])


class RidgeLoss(optimization.MinimizationProblem):
    def __call__(self, x):
        return sum(part.square().sum() for part in Ridge()(x))


@pytest.mark.parametrize(
    "solve",
    [
        lambda x: optimization.ConjugateGradient(Ridge(), x).run(6),
        lambda x: optimization.ConjugateGradient(
            Ridge(), x, fletcher_reeves=False, standard_alpha=False
        ).run(6),
        lambda x: optimization.GaussNewtonCG(Ridge(), x, cg_eps=1e-6).run(4, 2),
        lambda x: optimization.GaussNewtonCG(Ridge(), x).run([2, 0, 3, 3]),
        lambda x: [optimization.GaussNewtonCG(Ridge(), x, direction_forget_factor=10).run(3, 4)],
        lambda x: optimization.NewtonCG(
            RidgeLoss(), x, init_hessian_reg=0.1, hessian_reg_factor=0.1
        ).run(5, 4),
        lambda x: optimization.GradientDescentL2(Ridge(), x, 0.01, momentum=0.5).run(150),
        lambda x: optimization.GradientDescent(RidgeLoss(), x, 0.01).run(300),
    ],
    ids=[
        "CG",
        "CG, Polak-Ribiere",
        "Gauss-Newton",
        "Gauss-Newton by a list",
        "Gauss-Newton, remembering",
        "Newton",
        "descent on residuals",
        "descent",
    ],
)
def test_optimiser_finds_the_minimum_in_place(solve):
    x = TensorList([torch.zeros(5)])
    kept = x[0]
    solve(x)
    assert x[0] is kept and not kept.requires_grad
    torch.testing.assert_close(kept, SOLUTION, atol=2e-3, rtol=2e-3)


def test_nothing_left_to_do_and_progress_with_debug():
    x = TensorList([SOLUTION.clone()])
    optimiser = optimization.GaussNewtonCG(Ridge(), x, debug=True)
    losses = optimiser.run(3, 2)
    assert len(losses) == 2 and losses[1] <= losses[0] * 1.0001 and x[0].isfinite().all()
    shown = []
    optimization.GradientDescent(
        RidgeLoss(),
        TensorList([torch.zeros(5)]),
        0.01,
        debug=True,
        visdom=SimpleNamespace(register=lambda *a: shown.append(a)),
    ).run(3)
    assert [entry[1:] for entry in shown] == [
        ("lineplot", 3, "Loss"),
        ("lineplot", 3, "Gradient magnitude"),
    ]


def test_one_tensor_and_a_non_linear_problem():
    class Circle(optimization.L2Problem):
        def __call__(self, x):
            return TensorList([x.square().sum().reshape(1) - 4, (x[0] - x[1]).reshape(1)])

    x = torch.tensor([1.0, 0.5])
    optimization.GaussNewtonCG(Circle(), x).run(4, 8)
    torch.testing.assert_close(x, torch.full((2,), math.sqrt(2)), atol=1e-4, rtol=1e-4)
