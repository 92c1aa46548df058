"""The quantizers as pure functions on tensors."""

import math

from ._autograd import LSQ, PACT, RoundSTE
from ._bits import activation_levels


def quantize_codes(x, step, q_min, q_max):
    """Integer codes of the nearest levels: round half to even, then clamp.

    Division, not multiplication by a reciprocal, as in ONNX ``QuantizeLinear``: the codes are
    the same wherever the model is deployed.

    Parameters
    ----------
    x : torch.Tensor
        Values, of any shape.
    step : torch.Tensor
        Positive; of a shape that broadcasts with `x`.
    q_min, q_max : int
        Smallest and largest code.

    Returns
    -------
    torch.Tensor
        Whole numbers, in the shape and float type of `x`.

    Examples
    --------
    >>> import torch
    >>> quantize_codes(torch.tensor([-9.0, 0.5, 1.5, 2.6]), torch.tensor(1.0), -2, 1)
    tensor([-2.,  0.,  1.,  1.])
    """
    return (x / step).round_().clamp_(q_min, q_max)


def coarse_limits(q_min, q_max, grain):
    """Smallest and largest multiple of each grain within limits, counted in grains.

    Parameters
    ----------
    q_min, q_max : int, or torch.Tensor of shape (out, 1)
        Smallest and largest code.
    grain : torch.Tensor of shape (in,)
        What codes of each input are multiples of, a power of two.

    Returns
    -------
    low, high : torch.Tensor of shape (in,) or (out, in)
        Both 0 where only 0 is left.

    Examples
    --------
    >>> import torch
    >>> coarse_limits(-8, 7, torch.tensor([1.0, 4.0, 16.0]))
    (tensor([-8., -2., -0.]), tensor([7., 1., 0.]))
    """
    return (q_min / grain).ceil(), (q_max / grain).floor()


def dequantize(codes, step):
    """Values of integer codes: ``codes * step``.

    Parameters
    ----------
    codes : torch.Tensor
        Whole numbers, of an integer or float type.
    step : torch.Tensor
        Positive; of a shape that broadcasts with `codes`.

    Returns
    -------
    torch.Tensor
        In the float type of `step`.

    Examples
    --------
    >>> import torch
    >>> dequantize(torch.tensor([-2, 0, 1], dtype=torch.int8), torch.tensor(0.5))
    tensor([-1.0000,  0.0000,  0.5000])
    """
    return codes.to(step.dtype) * step


def round_ste(x):
    """Round half to even, with the gradient of the identity (straight-through estimator).

    Parameters
    ----------
    x : torch.Tensor
        Values, of any shape.

    Returns
    -------
    torch.Tensor
        Exactly ``x.round()``.

    References
    ----------
    .. [1] Y. Bengio, N. Léonard, A. Courville (2013). "Estimating or Propagating Gradients
       Through Stochastic Neurons for Conditional Computation". arXiv:1308.3432

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([0.4, 0.6], requires_grad=True)
    >>> round_ste(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    return RoundSTE.apply(x)


def lsq_grad_scale(n_weights, q_max):
    """LSQ's scale of a step's gradient, ``1 / sqrt(n_weights * q_max)``.

    Parameters
    ----------
    n_weights : int
        How many weights share the step.
    q_max : int
        Largest code.

    Returns
    -------
    float

    Examples
    --------
    >>> lsq_grad_scale(100, 1)
    0.1
    """
    return 1 / math.sqrt(n_weights * q_max)


def lsq_quantize(x, step, q_min, q_max, grad_scale=1.0):
    """Quantize with a learned step (LSQ).

    The value is ``clamp(round(x / step), q_min, q_max) * step``. Backward, `x` gets the gradient
    where ``q_min < x / step < q_max`` and 0 elsewhere; `step` gets ``round(x / step) - x / step``
    inside and the nearer limit outside, times `grad_scale`.

    Parameters
    ----------
    x : torch.Tensor
        Values, e.g. a weight of shape (out, in).
    step : torch.Tensor
        Positive. Shape () for one step per tensor, (out, 1) for one per channel; no larger
        than `x` in any dimension.
    q_min, q_max : int, or torch.Tensor of the shape of `step`
        Smallest and largest code, see :func:`levels`.
    grad_scale : float, or torch.Tensor of the shape of `step`, default=1.0
        Factor on the gradient of `step`, see :func:`lsq_grad_scale`.

    Returns
    -------
    torch.Tensor
        In the shape of `x`: exactly ``dequantize(quantize_codes(x, step, q_min, q_max), step)``.

    References
    ----------
    .. [1] S. K. Esser, J. L. McKinstry, D. Bablani, R. Appuswamy, D. S. Modha (2020). "Learned
       Step Size Quantization". ICLR. arXiv:1902.08153

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([-3.0, 0.3], requires_grad=True)
    >>> step = torch.tensor(1.0, requires_grad=True)
    >>> out = lsq_quantize(x, step, -2, 1)
    >>> out.sum().backward()
    >>> out.detach(), x.grad, step.grad
    (tensor([-2., 0.]), tensor([0., 1.]), tensor(-2.3000))
    """
    return LSQ.apply(x, step, q_min, q_max, grad_scale)


def pact_quantize(x, clip, bits):
    """Quantize an activation after ReLU, with a learned clip (PACT).

    The value is ``clamp(x, 0, clip)`` rounded to one of ``2**bits`` levels from 0 to `clip`.
    Backward, `x` gets the gradient where ``0 < x < clip`` and 0 elsewhere; `clip` gets it where
    ``x >= clip``. At 0 the gradient is 0, as that of ReLU.

    Parameters
    ----------
    x : torch.Tensor
        Values before the ReLU, of any shape.
    clip : torch.Tensor
        Positive, of shape ().
    bits : {2, 3, 4, 5, 6, 7, 8}
        Width of the activation.

    Returns
    -------
    torch.Tensor
        In the shape of `x`.

    References
    ----------
    .. [1] J. Choi, Z. Wang, S. Venkataramani, P. I. Chuang, V. Srinivasan, K. Gopalakrishnan
       (2018). "PACT: Parameterized Clipping Activation for Quantized Neural Networks".
       arXiv:1805.06085

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([-1.0, 0.9, 7.0], requires_grad=True)
    >>> clip = torch.tensor(3.0, requires_grad=True)
    >>> out = pact_quantize(x, clip, bits=2)
    >>> out.sum().backward()
    >>> out.detach(), x.grad, clip.grad
    (tensor([0., 1., 3.]), tensor([0., 1., 0.]), tensor(1.))
    """
    return PACT.apply(x, clip, activation_levels(bits))
