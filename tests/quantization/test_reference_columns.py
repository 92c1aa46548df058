"""One column of each one-hot group whose weights the bias takes over."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.quantization import drop_reference_columns, linear_layers, mlp


def rows_of(sizes, n=40, seed=0):
    """One-hot groups of the given sizes behind two numbers, and the columns of each."""
    random = torch.Generator().manual_seed(seed)
    parts, groups, start = [torch.randn(n, 2, generator=random)], [], 2
    for size in sizes:
        codes = torch.randint(size, (n,), generator=random)
        parts.append(torch.nn.functional.one_hot(codes, size).float())
        groups.append(list(range(start, start + size)))
        start += size
    return torch.cat(parts, dim=1), groups


def network_for(x, seed=0):
    network = mlp((x.shape[1], 7, 5, 3), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for layer in linear_layers(network):
            layer.bias.normal_(generator=torch.Generator().manual_seed(seed + 1))
    return network


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(2, 5), max_size=4), seed=st.integers(0, 99))
def test_the_commonest_column_goes_and_nothing_changes(sizes, seed):
    x, groups = rows_of(sizes, seed=seed)
    network = network_for(x, seed)
    before = [parameter.clone() for parameter in network.parameters()]
    changed = drop_reference_columns(network, x, groups)
    torch.testing.assert_close(changed(x), network(x), atol=1e-5, rtol=1e-5)
    weight = linear_layers(changed)[0].weight
    for group in groups:
        commonest = group[int(x[:, group].sum(0).argmax())]
        assert [c for c in group if not weight[:, c].any()] == [commonest]
    for parameter, old in zip(network.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


def test_weights_of_rows_count():
    x, groups = rows_of([3], n=30)
    rare = x[:, 4] == 1
    weight = torch.where(rare, 100.0, 1.0)
    changed = drop_reference_columns(network_for(x), x, groups, weight)
    assert not linear_layers(changed)[0].weight[:, 4].any()


@pytest.mark.parametrize("kind", ["a row without", "scaled", "one column"])
def test_other_columns_are_left_alone(kind):
    x, groups = rows_of([3, 2])
    if kind == "a row without":
        x[5, 2:5] = 0.0
    elif kind == "scaled":
        x[:, 2:5] = (x[:, 2:5] - 0.3) * 2.0
    else:
        groups[0] = [2]
        x[:, 2] = 1.0
    network = network_for(x)
    changed = drop_reference_columns(network, x, groups)
    old, new = (linear_layers(each)[0].weight for each in (network, changed))
    assert torch.equal(old[:, :5], new[:, :5])
    assert (new[:, 5:7] == 0).all(0).sum() == 1


def test_sums_of_one_are_enough():
    """Whatever the numbers in a group, as long as they add up to 1."""
    x, groups = rows_of([3])
    x[:, 2:5] = torch.softmax(x[:, 2:5] * 3, dim=1).mul(64).round().div(64)
    x[:, 4] = 1 - x[:, 2] - x[:, 3]
    network = network_for(x)
    changed = drop_reference_columns(network, x, groups)
    torch.testing.assert_close(changed(x), network(x), atol=1e-5, rtol=1e-5)
    assert (linear_layers(changed)[0].weight == 0).all(0).sum() == 1
