"""Pruned weights are 0 and stay so."""

import copy
import io
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skcfq.quantization import (
    QuantLinear,
    build_quantized,
    gumbel_noise,
    linear_layers,
    magnitude_masks,
    mlp,
    mse_step,
    quant_layers,
)

from .strategies import tensors


def pruned_network(bits=(2, 4, 8), per_channel=True):
    generator = torch.Generator().manual_seed(0)
    linears = linear_layers(mlp((6, 8, 5, 2), generator))
    return build_quantized(linears, bits, per_channel, prune_fraction=0.4)


def reloaded(model):
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    per_channel = quant_layers(model)[0].per_channel
    other = build_quantized(linear_layers(mlp((6, 8, 5, 2))), (2, 4, 8), per_channel)
    other.load_state_dict(torch.load(stored, weights_only=True))
    return other


def assert_zero_where_pruned(model):
    for layer in quant_layers(model):
        gone = ~layer.kept
        assert gone.any()
        assert not layer.codes()[gone].any()
        assert not layer.quantized_weight()[gone].any()


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(
    "travel",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), reloaded],
    ids=["deepcopy", "pickle", "state dict"],
)
def test_trap_pruned_weights_revived_by_later_training(per_channel, travel):
    """Neither searching, nor training at a fixed width, nor loading brings a weight back."""
    model = pruned_network(per_channel=per_channel)
    masks = [layer.kept.clone() for layer in quant_layers(model)]
    x, generator = torch.randn(64, 6), torch.Generator().manual_seed(0)
    y = (x[:, 0] > 0).long()
    for width in (None, 4, 8, 2):
        if width is not None:
            for layer in quant_layers(model):
                layer.fix_bits(width)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x, gumbel_noise(model, generator)), y).backward()
            optimizer.step()
        if width is not None:
            assert_zero_where_pruned(model)
            # Not even if something writes to the parameter.
            with torch.no_grad():
                for layer in quant_layers(model):
                    layer.weight.add_(1.0)
            model = travel(model)
            assert_zero_where_pruned(model)
    after = [layer.kept for layer in quant_layers(model)]
    assert all(torch.equal(a, b) for a, b in zip(masks, after, strict=True))


def test_pruned_weights_get_no_gradient_in_search_and_move_no_step():
    model = pruned_network().train()
    noise = gumbel_noise(model, torch.Generator().manual_seed(1))
    model(torch.randn(30, 6), noise).square().sum().backward()
    for layer in quant_layers(model):
        assert not layer.weight.grad[~layer.kept].any()
        assert layer.weight.grad[layer.kept].any()


def test_pruning_sets_the_steps_for_the_weights_that_are_left():
    layer = QuantLinear.from_linear(nn.Linear(8, 3), (3,))
    kept = layer.weight.detach().abs() < 0.2
    layer.prune(kept)
    torch.testing.assert_close(layer.steps(), mse_step(layer.weight.detach() * kept, 3))


def test_pruning_again_brings_nothing_back():
    layer = QuantLinear(2, 1, (4,))
    layer.prune(torch.tensor([[False, True]]))
    layer.prune(torch.tensor([[True, True]]))
    assert layer.kept.tolist() == [[False, True]]


@given(weights=st.lists(tensors(), min_size=1, max_size=4), fraction=st.floats(0, 0.99))
def test_the_smallest_weights_of_all_layers_go(weights, fraction):
    masks = magnitude_masks(weights, fraction)
    assert [mask.shape for mask in masks] == [weight.shape for weight in weights]
    size = torch.cat([weight.abs().flatten() for weight in weights])
    kept = torch.cat([mask.flatten() for mask in masks])
    assert (~kept).sum() == round(fraction * len(size))
    if 0 < kept.sum() < len(size):
        assert size[~kept].max() <= size[kept].min()


def test_of_equal_weights_earlier_ones_go():
    masks = magnitude_masks([torch.ones(1, 2), -torch.ones(1, 2)], 0.75)
    assert [mask.tolist() for mask in masks] == [[[False, False]], [[False, True]]]


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan"), "0.3"])
def test_a_share_that_is_none(fraction):
    with pytest.raises(ValueError, match="a share of at least 0 and below 1 is needed"):
        magnitude_masks([torch.ones(2, 2)], fraction)


def test_nothing_is_pruned_by_default():
    assert all(
        layer.kept.all()
        for layer in quant_layers(build_quantized(linear_layers(mlp((3, 2, 2))), (4,)))
    )
