"""Units that others stand in for: against least squares, by hand."""

import copy

import numpy as np
import pytest
import torch

from skcfq.quantization import elimination_order, linear_layers, mlp, spare_units


def moments(x):
    return torch.from_numpy(np.cov(x.T.numpy(), bias=True)), x.mean(0)


@pytest.fixture
def activations():
    """Of ten units: one is twice another, two are sums of others and a little noise."""
    x = torch.randn(400, 10, generator=torch.Generator().manual_seed(0)).double()
    noise = torch.randn(400, 2, generator=torch.Generator().manual_seed(1)).double()
    x[:, 3] = 2 * x[:, 1]
    x[:, 7] = x[:, 0] - x[:, 2] + 0.01 * noise[:, 0]
    x[:, 8] = x[:, 4] + x[:, 5] + 0.3 * noise[:, 1]
    return x + 1.0


@pytest.mark.parametrize("n_spared", [1, 2, 3, 5, 9])
def test_losses_are_those_of_least_squares(activations, n_spared):
    """An output that is linear in the units: each step loses what the others cannot explain."""
    slopes = torch.linspace(0.5, 2.0, 10).double()
    order, losses, left = elimination_order(moments(activations)[0], torch.outer(slopes, slopes))
    assert sorted(order) == list(range(10))
    assert losses[0] == 0
    assert losses == sorted(losses)
    centred = activations - activations.mean(0)
    weights, total = slopes.clone(), 0.0
    for step, unit in enumerate(order[:n_spared], start=1):
        others = order[step:]
        takes, residual, *_ = torch.linalg.lstsq(centred[:, others], centred[:, [unit]])
        residual = (centred[:, [unit]] - centred[:, others] @ takes).square().mean()
        total += float(weights[unit] ** 2 * residual)
        weights[others] += weights[unit] * takes[:, 0]
        weights[unit] = 0
        assert losses[step] == pytest.approx(total, rel=1e-3, abs=1e-4)
        torch.testing.assert_close(left[step], weights.square(), rtol=1e-3, atol=1e-4)


def test_the_most_dispensable_go_first(activations):
    order, losses, _ = elimination_order(moments(activations)[0], torch.eye(10))
    assert order[0] in (1, 3)  # twins
    assert order[1] in (0, 2, 7)
    assert order[2] in (4, 5, 8)
    assert losses[1] < 1e-5 < losses[2] < 1e-3 < losses[3] < 0.1 < losses[4]


def test_what_reads_spared_units_reads_the_others(activations):
    linear = torch.nn.Linear(4, 10).double()
    following = torch.nn.Linear(10, 3).double()
    before = following(activations)
    covariance, mean = moments(activations)
    spared = [3, 7, 8]
    spare_units(linear, following, spared, covariance, mean)
    assert not following.weight[:, spared].any()
    assert not linear.weight[spared].any()
    assert not linear.bias[spared].any()
    assert linear.weight[[0, 1, 2, 4, 5, 6, 9]].all()
    after = following(activations)
    # As a regression of the outputs on the units that are left does it.
    left = torch.cat([activations[:, [0, 1, 2, 4, 5, 6, 9]], torch.ones(400, 1)], dim=1)
    best = left @ torch.linalg.lstsq(left, before).solution
    torch.testing.assert_close(after, best, rtol=1e-3, atol=1e-3)


def test_without_biases():
    linear, following = torch.nn.Linear(4, 2, bias=False), torch.nn.Linear(2, 3, bias=False)
    read = following.weight.detach().clone()
    spare_units(linear, following, [1], torch.tensor([[1.0, 0.5], [0.5, 1.0]]), torch.zeros(2))
    torch.testing.assert_close(following.weight[:, 0], read[:, 0] + 0.5 * read[:, 1])
    assert not following.weight[:, 1].any()


def test_dead_units_cost_nothing():
    network = mlp((3, 6, 2), torch.Generator().manual_seed(0))
    linear, following = linear_layers(network)
    with torch.no_grad():
        linear.weight[2] = 0.0
        linear.bias[2] = -1.0
        x = torch.randn(100, 3, generator=torch.Generator().manual_seed(1))
        hidden = linear(x).relu()
        covariance, mean = moments(hidden)
        order, losses, _ = elimination_order(covariance, following.weight.T @ following.weight)
        before = copy.deepcopy(network)(x)
        spare_units(linear, following, order[:1], covariance, mean)
        torch.testing.assert_close(network(x), before)
    assert order[0] == 2
    assert losses[1] < 1e-5 < losses[2]
