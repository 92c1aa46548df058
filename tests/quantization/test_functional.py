"""Quantizers and their gradients, against the papers' formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skcfq.quantization import (
    activation_levels,
    dequantize,
    levels,
    lsq_grad_scale,
    lsq_quantize,
    pact_quantize,
    quantize_codes,
    round_ste,
)

from .strategies import reals, steps, tensors, widths


@given(x=tensors(), step=steps, bits=widths)
def test_codes_are_whole_and_within_range(x, step, bits):
    q_min, q_max = levels(bits)
    codes = quantize_codes(x, torch.tensor(step), q_min, q_max)
    assert torch.equal(codes, codes.round())
    assert codes.min() >= q_min
    assert codes.max() <= q_max


@given(x=tensors(), step=steps, bits=widths)
def test_quantizing_twice_is_quantizing_once(x, step, bits):
    step = torch.tensor(step)
    once = lsq_quantize(x, step, *levels(bits))
    assert torch.equal(lsq_quantize(once, step, *levels(bits)), once)
    assert torch.equal(once, dequantize(quantize_codes(x, step, *levels(bits)), step))


@given(bits=widths, step=steps)
def test_at_most_two_to_the_bits_levels(bits, step):
    x = torch.linspace(-300, 300, 4001) * step
    n_levels = len(lsq_quantize(x, torch.tensor(step), *levels(bits)).unique())
    assert n_levels == (3 if bits < 2 else 2**bits)


@given(x=tensors(), clip=steps, bits=st.integers(2, 8))
def test_pact_is_idempotent_and_within_its_clip(x, clip, bits):
    clip = torch.tensor(clip)
    once = pact_quantize(x, clip, bits)
    assert torch.equal(pact_quantize(once, clip, bits), once)
    assert once.min() >= 0
    assert once.max() <= clip * (1 + 1e-6)


def test_half_rounds_to_even_and_ends_clamp():
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 9.0])
    codes = quantize_codes(x, torch.tensor(1.0), -8, 7)
    assert codes.tolist() == [-2, -2, 0, 0, 2, 2, 7]


def test_quantizing_leaves_its_input_alone():
    x = torch.tensor([0.3, 5.0])
    quantize_codes(x, torch.tensor(1.0), -2, 1)
    lsq_quantize(x, torch.tensor(1.0), -2, 1)
    pact_quantize(x, torch.tensor(1.0), 2)
    assert x.tolist() == pytest.approx([0.3, 5.0])


def test_round_ste_rounds_and_passes_gradients():
    x = torch.tensor([0.2, 0.5, 1.5, -2.7], requires_grad=True)
    out = round_ste(x)
    assert torch.equal(out, x.detach().round())
    (gradient,) = torch.autograd.grad(out, x, torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert gradient.tolist() == [1, 2, 3, 4]


def lsq_formula(v, q_min, q_max):
    """Eq. 3 and 5 of the LSQ paper for one value, ``v = x / step``."""
    if v <= q_min:
        return 0.0, float(q_min)
    if v >= q_max:
        return 0.0, float(q_max)
    return 1.0, round(v) - v


@given(x=reals, step=steps, bits=widths, scale=st.floats(0.01, 2))
def test_lsq_gradient_is_the_papers(x, step, bits, scale):
    q_min, q_max = levels(bits)
    x = torch.tensor([[x]], dtype=torch.float64, requires_grad=True)
    step = torch.tensor(step, dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad(
        lsq_quantize(x, step, q_min, q_max, scale), (x, step), torch.tensor([[3.0]]).double()
    )
    of_x, of_step = lsq_formula((x / step).item(), q_min, q_max)
    assert grads[0].item() == 3 * of_x
    assert grads[1].item() == pytest.approx(3 * scale * of_step, abs=1e-9)


def test_lsq_gradient_at_the_limits_is_that_of_clipping():
    x = torch.tensor([-2.0, 1.0], requires_grad=True)
    step = torch.ones((), requires_grad=True)
    lsq_quantize(x, step, -2, 1).sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert step.grad.item() == -2 + 1


@pytest.mark.parametrize("shape", [(), (1, 1), (5, 1)])
def test_lsq_sums_the_step_gradient_over_the_weights_that_share_it(shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    step = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.2
    step.requires_grad_()
    upstream = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    of_x, of_step = torch.autograd.grad(lsq_quantize(x, step, -2, 1, 0.5), (x, step), upstream)
    ratio = (x / step).detach()
    expected = torch.tensor(
        [[lsq_formula(v, -2, 1) for v in row] for row in ratio.tolist()]
    ).double()
    torch.testing.assert_close(of_x, upstream * expected[..., 0])
    by_weight = 0.5 * upstream * expected[..., 1]
    torch.testing.assert_close(of_step, by_weight.sum_to_size(shape), rtol=1e-6, atol=1e-6)


def test_lsq_step_gradient_is_the_finite_difference_where_weights_are_clipped():
    x = torch.tensor([[-9.0, 9.0, 8.0]], dtype=torch.float64)
    step = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: lsq_quantize(x, s, -4, 3), (step,))


def test_lsq_codes_gradient_is_the_slope_of_the_dequantized_value():
    # With fixed codes, d out / d step = codes; the straight-through part takes x / step off.
    x = torch.tensor([0.9, -0.35], dtype=torch.float64)
    step = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    out = lsq_quantize(x, step, -8, 7)
    (gradient,) = torch.autograd.grad(out.sum(), step)
    codes = torch.tensor([4.0, -1.0], dtype=torch.float64)
    assert gradient.item() == pytest.approx(codes.sum().item() - (x / 0.25).sum().item())


def test_lsq_equals_its_composition_from_straight_through_rounding():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    step = (torch.rand(6, 1, generator=generator, dtype=torch.float64) + 0.1).requires_grad_()
    fused = lsq_quantize(x, step, -4, 3)
    composed = round_ste(torch.nn.functional.hardtanh(x / step, -4, 3)) * step
    assert torch.equal(fused, composed)
    loss = torch.cos
    for got, expected in zip(
        torch.autograd.grad(loss(fused).sum(), (x, step)),
        torch.autograd.grad(loss(composed).sum(), (x, step)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def test_lsq_grad_scale_is_the_papers():
    assert lsq_grad_scale(n_weights=400, q_max=7) == pytest.approx((400 * 7) ** -0.5)


@given(x=reals, clip=steps, bits=st.integers(2, 8))
def test_pact_value_and_gradient_are_the_papers(x, clip, bits):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    clip = torch.tensor(clip, dtype=torch.float64, requires_grad=True)
    out = pact_quantize(x, clip, bits)
    clipped = 0.5 * (abs(x.item()) - abs(x.item() - clip.item()) + clip.item())
    scale = (2**bits - 1) / clip.item()
    # At a tie the paper's closed form may round to the other of two levels.
    assert abs(out.item() - clipped) <= 0.5 / scale + 1e-9
    assert out.item() * scale == pytest.approx(round(out.item() * scale), abs=1e-6)
    of_x, of_clip = torch.autograd.grad(out, (x, clip), torch.tensor(3.0).double())
    assert of_x.item() == (3 if 0 < x.item() < clip.item() else 0)
    assert of_clip.item() == (3 if x.item() >= clip.item() else 0)


def test_pact_at_its_clip_gives_the_gradient_to_the_clip():
    x = torch.tensor([0.0, 3.0], requires_grad=True)
    clip = torch.tensor(3.0, requires_grad=True)
    pact_quantize(x, clip, 2).sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert clip.grad.item() == 1


def test_pact_clip_gradient_is_the_finite_difference_where_inputs_are_clipped():
    x = torch.tensor([-1.0, 5.0, 9.0], dtype=torch.float64)
    clip = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: pact_quantize(x, c, 4), (clip,))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_8_bit_ptq_with_4_bit_activations_is_impossible_the_levels_are_counted(bits):
    x = torch.linspace(-1, 8, 20_001)
    assert len(pact_quantize(x, torch.tensor(6.0), bits).unique()) == 2**bits


def test_gradients_through_an_unrolled_gradient_step():
    """The match term differentiates a gradient with respect to the input."""
    generator = torch.Generator().manual_seed(2)
    x, weight = (torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    x, weight = x.requires_grad_(), weight.requires_grad_()
    clip = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    step = torch.tensor(0.3, dtype=torch.float64)

    def second(activate):
        hidden = activate(x @ lsq_quantize(weight, step, -8, 7))
        (first,) = torch.autograd.grad(hidden.exp().sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), weight)[0]

    def composed(h):
        scale = clip / activation_levels(4)
        return round_ste(torch.minimum(h.relu(), clip) / scale) * scale

    got, expected = second(lambda h: pact_quantize(h, clip, 4)), second(composed)
    assert got.abs().sum() > 0
    torch.testing.assert_close(got, expected)
