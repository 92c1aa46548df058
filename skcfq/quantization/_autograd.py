"""Gradient rules of the quantizers: what backward does where rounding has no derivative.

The rules are built of differentiable operations on saved tensors, so a second derivative (a
gradient through unrolled recourse steps) takes the rounding pattern as constant.
"""

import math

import torch

# One kernel for "the gradient strictly inside the limits, else 0"; a mask of booleans takes ten
# times as long.
inside_limits = torch.ops.aten.hardtanh_backward.default


class RoundSTE(torch.autograd.Function):
    """Round half to even; the gradient passes as if it were the identity."""

    @staticmethod
    def forward(ctx, x):
        """Round."""
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        """Pass."""
        return grad


class LSQ(torch.autograd.Function):
    """Learned step size quantization: value and both gradients in few kernels.

    With ``v = x / step``, LSQ's eq. 3 and 5 read::

        d out / d x    = 1 if q_min < v < q_max else 0
        d out / d step = round(v) - v if q_min < v < q_max, else the nearer of q_min, q_max

    and both cases of the second are ``codes - inside * v``.
    """

    @staticmethod
    def forward(ctx, x, step, q_min, q_max, grad_scale):
        """``clamp(round(x / step), q_min, q_max) * step``."""
        ratio = x / step
        codes = ratio.round().clamp_(q_min, q_max)
        ctx.save_for_backward(ratio, codes)
        ctx.limits, ctx.grad_scale, ctx.step_shape = (q_min, q_max), grad_scale, step.shape
        return codes * step

    @staticmethod
    def backward(ctx, grad):
        """The class docstring's formulas, the step's times the gradient scale."""
        ratio, codes = ctx.saved_tensors
        q_min, q_max = ctx.limits
        if isinstance(q_min, torch.Tensor):
            grad_x = grad * ((ratio > q_min) & (ratio < q_max))
        else:
            grad_x = inside_limits(grad, ratio, q_min, q_max)
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None, None, None
        grad_step = torch.addcmul(grad * codes, grad_x, ratio, value=-1)
        grad_step = grad_step.sum_to_size(ctx.step_shape) * ctx.grad_scale
        return grad_x, grad_step, None, None, None


class PACT(torch.autograd.Function):
    """Parameterized clipping activation: the clip's gradient is 1 where the input is clipped."""

    @staticmethod
    def forward(ctx, x, clip, n_steps):
        """``clamp(round(x / step), 0, n_steps) * step`` with ``step = clip / n_steps``."""
        ctx.save_for_backward(x)
        ctx.clip, ctx.clip_shape = clip.item(), clip.shape
        step = clip / n_steps
        return (x / step).round_().clamp_(0, n_steps).mul_(step)

    @staticmethod
    def backward(ctx, grad):
        """``d out / d x = 1 if 0 < x < clip else 0``, ``d out / d clip = 1 if x >= clip else 0``."""
        (x,) = ctx.saved_tensors
        grad_x = inside_limits(grad, x, 0, ctx.clip)
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None
        grad_clip = grad - inside_limits(grad, x, -math.inf, ctx.clip)
        return grad_x, grad_clip.sum().view(ctx.clip_shape), None
