"""Complex numbers as pytracking stores them: real tensors whose last dimension holds (real,
imaginary).

Every function also takes TensorLists and works element by element. Inside, the values are viewed as
torch's complex tensors, which costs no copy where the last dimension is contiguous. Gradients pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import tensor_operation

_LEAST_DIMENSIONS = (
    4  # (batch, channel, position, 2): below, a last dimension of 2 is taken for plain numbers
)


def is_complex(a: Tensor) -> bool:
    """Say whether `a` is in this layout: at least 4 dimensions, the last of size 2.

    A real map of width 2 looks the same: name the kinds (`mult_real_cplx`, …) where maps can be
    that narrow.
    """
    return a.dim() >= _LEAST_DIMENSIONS and a.shape[-1] == 2


def is_real(a: Tensor) -> bool:
    """Say whether `a` is not in the complex layout."""
    return not is_complex(a)


@tensor_operation
def complex(a: Tensor | None, b: Tensor | None = None) -> Tensor:
    """`a + ib` from real tensors (...) in the layout (..., 2); a missing part is zero."""
    given = b if a is None else a
    if given is None:
        raise BadValue("complex(None, None): give the real part, the imaginary part or both")
    real_part = torch.zeros_like(given) if a is None else a
    imaginary_part = torch.zeros_like(given) if b is None else b
    return torch.stack((real_part, imaginary_part), dim=-1)


@tensor_operation
def real(a: Tensor) -> Tensor:
    """Real part (...) of (..., 2)."""
    return a[..., 0]


@tensor_operation
def imag(a: Tensor) -> Tensor:
    """Imaginary part (...) of (..., 2)."""
    return a[..., 1]


@tensor_operation
def conj(a: Tensor) -> Tensor:
    """Complex conjugate."""
    return _layout(_native(a).conj())


@tensor_operation
def abs_sqr(a: Tensor) -> Tensor:
    """Squared magnitude (...) of (..., 2); smooth at zero, unlike `abs`."""
    return a.square().sum(-1)


@tensor_operation
def abs(a: Tensor) -> Tensor:
    """Magnitude (...) of (..., 2)."""
    return _native(a).abs()


@tensor_operation
def exp_imag(a: Tensor) -> Tensor:
    """`exp(i a)` of real angles (...) in radians: (..., 2)."""
    return torch.stack((a.cos(), a.sin()), dim=-1)


@tensor_operation
def mult(a: Tensor, b: Tensor) -> Tensor:
    """Element-wise product, of complex numbers or of one real and one complex tensor, which has a
    dimension more.
    """
    if is_real(a):
        _check_fewer_dimensions(a, b)
        return a[..., None] * b
    if is_real(b):
        _check_fewer_dimensions(b, a)
        return b[..., None] * a
    return _layout(_native(a) * _native(b))


@tensor_operation
def mult_conj(a: Tensor, b: Tensor) -> Tensor:
    """Element-wise product of `a` with the conjugate of `b`; a real operand as in `mult`."""
    if is_real(a):
        _check_fewer_dimensions(a, b)
        return a[..., None] * _layout(_native(b).conj())
    if is_real(b):
        _check_fewer_dimensions(b, a)
        return b[..., None] * a
    return _layout(_native(a) * _native(b).conj())


@tensor_operation
def mult_real_cplx(a: Tensor, b: Tensor) -> Tensor:
    """Element-wise product of real (...) and complex (..., 2)."""
    return a[..., None] * b


@tensor_operation
def div(a: Tensor, b: Tensor) -> Tensor:
    """Element-wise `a / b`; a real operand as in `mult`."""
    if is_real(b):
        _check_fewer_dimensions(b, a)
        return a / b[..., None]
    if is_real(a):
        _check_fewer_dimensions(a, b)
        return _layout(a / _native(b))
    return _layout(_native(a) / _native(b))


@tensor_operation
def div_cplx_real(a: Tensor, b: Tensor) -> Tensor:
    """Element-wise complex (..., 2) divided by real (...)."""
    return a / b[..., None]


@tensor_operation
def mtimes(a: Tensor, b: Tensor, conj_a: bool = False, conj_b: bool = False) -> Tensor:
    """Matrix product of (..., M, K[, 2]) and (..., K, N[, 2]), each conjugated on demand: (..., M,
    N, 2).

    One of them may be real; two real matrices give a real product.
    """
    if is_real(a):
        return torch.matmul(a, b) if is_real(b) else _matrix_product(a, _native(b), False, conj_b)
    return _matrix_product(
        _native(a), b if is_real(b) else _native(b), conj_a, conj_b and is_complex(b)
    )


@tensor_operation
def mtimes_real_complex(a: Tensor, b: Tensor, conj_b: bool = False) -> Tensor:
    """Matrix product of real (..., M, K) and complex (..., K, N, 2)."""
    return _matrix_product(a, _native(b), False, conj_b)


@tensor_operation
def mtimes_complex_real(a: Tensor, b: Tensor, conj_a: bool = False) -> Tensor:
    """Matrix product of complex (..., M, K, 2) and real (..., K, N)."""
    return _matrix_product(_native(a), b, conj_a, False)


def _matrix_product(a: Tensor, b: Tensor, conj_a: bool, conj_b: bool) -> Tensor:
    dtype = torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(dtype), b.to(dtype)
    return _layout(torch.matmul(a.conj() if conj_a else a, b.conj() if conj_b else b))


def _native(a: Tensor) -> Tensor:
    if a.shape[-1] != 2:
        raise BadValue(
            "a complex tensor ends in a dimension of size 2 (real, imaginary), this one is "
            f"{tuple(a.shape)}"
        )
    return torch.view_as_complex(a.contiguous())


def _layout(a: Tensor) -> Tensor:
    return torch.view_as_real(a.resolve_conj())


def _check_fewer_dimensions(real_one: Tensor, complex_one: Tensor) -> None:
    if real_one.dim() >= complex_one.dim():
        raise BadValue(
            f"Incorrect dimensions: a real tensor {tuple(real_one.shape)} cannot be combined with "
            "a complex one "
            f"{tuple(complex_one.shape)}, which must have one dimension more"
        )
