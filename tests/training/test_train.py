import copy
import itertools

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skcfq.quantization import average_bits, build_quantized, linear_layers, mlp, quant_layers
from skcfq.training import (
    Batch,
    BatchDataset,
    TaskObjective,
    TrainingPlan,
    allocate_by_preference,
    deployed,
    train,
    wrap_net,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    x = torch.randn(300, 5, generator=generator())
    y = (x[:, 0] + x[:, 1] ** 2 > 0.5).long()
    return Batch(x, y, torch.ones(300))


def quantized(bits=(2, 4, 8), activation_bits=None):
    clips = None if activation_bits is None else [3.0, 3.0]
    return build_quantized(
        linear_layers(mlp((5, 16, 8, 2), generator())),
        bits,
        activation_bits=activation_bits,
        clips=clips,
    )


def plan(**kwargs):
    settings = {
        "max_epochs": 6,
        "batch_size": 64,
        "lr": 1e-2,
        "weight_decay": 0.0,
        "patience": None,
        "seed": 0,
    }
    return TrainingPlan(**{**settings, **kwargs})


def test_training_learns_and_reports_each_epoch(batch):
    module = mlp((5, 16, 2), generator())
    history = train(
        module,
        TaskObjective(bit_cost=0).prepare(None).terms,
        BatchDataset(batch),
        None,
        1,
        plan(max_epochs=30),
    )
    assert [epoch["epoch"] for epoch in history] == list(range(1, 31))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert (module(batch.x).argmax(1) == batch.y).float().mean() > 0.9


@pytest.mark.parametrize("validated", [False, True])
def test_training_that_diverges_is_an_error_that_says_what_to_do(batch, validated):
    class Once:
        """The root of 0 in the third step: no number has its slope."""

        steps = 0

        def __call__(self, step):
            self.steps += 1
            return (step.logits.sum() * (self.steps != 3)).abs() ** 0.5

    message = (
        r"^Training diverged: weights are not finite after epoch 1\. Lower lr \(now 0\.01\), or scale the "
        r"inputs, of which the largest is 5\.5 once encoded\.$"
    )
    big = batch._replace(x=batch.x.clamp(-3, 3).index_fill(0, torch.tensor([7]), -5.5))
    valid = BatchDataset(batch) if validated else None
    with pytest.raises(ValueError, match=message):
        train(quantized((4,)), (Once(),), BatchDataset(big), valid, 1, plan(patience=3))


def test_the_best_epoch_is_restored(batch):
    module = mlp((5, 64, 2), generator())
    terms = TaskObjective(bit_cost=0).prepare(None).terms
    valid = batch.take(torch.arange(200, 300))
    noisy = valid._replace(y=1 - valid.y)  # validation loss rises as training goes on
    history = train(
        module,
        terms,
        BatchDataset(batch, torch.arange(200)),
        BatchDataset(noisy),
        1,
        plan(max_epochs=30, patience=3),
    )
    losses = [epoch["valid_loss"] for epoch in history]
    assert len(losses) == int(np.argmin(losses)) + 1 + 3
    kept = torch.nn.functional.cross_entropy(module(noisy.x), noisy.y).item()
    assert kept == pytest.approx(min(losses), rel=1e-5)


class Codes(Callback):
    """Keeps the integer weights and the share of the learning rate at the end of every epoch."""

    def __init__(self):
        self.codes, self.rates = [], []

    def on_epoch_begin(self, net, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])

    def on_epoch_end(self, net, **kwargs):
        self.codes.append([layer.codes() for layer in quant_layers(net.module_)])


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_integer_weights_settle_for_the_last_epochs(batch):
    module, seen = quantized(bits=(2,)), Codes()
    terms = TaskObjective(bit_cost=0.0).prepare(None).terms
    settings = plan(max_epochs=7, hold_epochs=3, lr=5e-2, callbacks=(seen,))
    history = train(module, terms, BatchDataset(batch), None, 1, settings)
    changed = [not equal(a, b) for a, b in itertools.pairwise(seen.codes)]
    assert changed == [True, True, True, False, False, False]
    layers = quant_layers(module)
    assert equal([layer.codes() for layer in layers], seen.codes[-1])
    assert all(layer.held_codes is None for layer in layers)
    assert [epoch["epoch"] for epoch in history] == list(range(1, 8))
    cosine = [(1 + np.cos(np.pi * k / n)) / 2 for n in (4, 3) for k in range(n)]
    np.testing.assert_allclose(seen.rates, 5e-2 * np.array(cosine))


def test_the_best_epoch_is_one_of_settled_weights(batch):
    """Validation loss rises from the first epoch on; the earlier ones do not count all the same."""
    module, seen = quantized(bits=(4,)), Codes()
    terms = TaskObjective(bit_cost=0.0).prepare(None).terms
    valid = batch.take(torch.arange(200, 300))
    noisy = BatchDataset(valid._replace(y=1 - valid.y))
    settings = plan(max_epochs=12, hold_epochs=8, patience=2, callbacks=(seen,))
    history = train(module, terms, BatchDataset(batch, torch.arange(200)), noisy, 1, settings)
    losses = [epoch["valid_loss"] for epoch in history]
    assert losses[0] < min(losses[4:])
    assert 7 <= len(history) < 12
    assert equal([layer.codes() for layer in quant_layers(module)], seen.codes[3])
    kept = torch.nn.functional.cross_entropy(module(valid.x), 1 - valid.y).item()
    assert kept == pytest.approx(min(losses[4:]), rel=1e-5)


@pytest.mark.parametrize("budget", [2.0, 2.5, 4.0, 5.0, 8.0])
def test_trap_bit_budget_is_a_guarantee_not_a_penalty(batch, budget):
    module = quantized()
    terms = TaskObjective(bit_cost=0.0).prepare(None).terms  # nothing pushes the widths down
    train(module, terms, BatchDataset(batch), None, 1, plan(bit_budget=budget, search_epochs=2))
    assert average_bits(module) <= budget
    assert all(layer.bits is not None for layer in quant_layers(module))


def test_allocation_follows_preferences_and_spends_what_is_left():
    module = quantized()
    layers = quant_layers(module)  # 80, 128 and 16 weights
    with torch.no_grad():
        layers[0].bit_logits.copy_(torch.tensor([5.0, 0.0, 0.0]))  # likes 2 bits
        layers[1].bit_logits.copy_(torch.tensor([0.0, 0.0, 5.0]))  # likes 8
        layers[2].bit_logits.copy_(torch.tensor([0.0, 5.0, 0.0]))  # likes 4
    allocate_by_preference(module, 5.6)  # 1254 bits: the three wishes take 1248
    assert [layer.bits for layer in layers] == [2, 8, 4]
    module = quantized()
    allocate_by_preference(module, 8.0)
    assert [layer.bits for layer in quant_layers(module)] == [8, 8, 8]


def test_same_seed_same_bits_and_no_global_randomness(batch):
    def weights(seed):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = torch.get_rng_state()
        module = quantized()
        train(
            module,
            TaskObjective().prepare(None).terms,
            BatchDataset(batch),
            None,
            1,
            plan(bit_budget=4.0, search_epochs=3),
        )
        assert torch.equal(before, torch.get_rng_state())
        return module.state_dict()

    one, two = weights(1), weights(2)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("activation_bits", [None, 2, 4])
def test_trap_reloading_changes_the_outputs(batch, activation_bits):
    """What is deployed computes what was trained, and forward passes leave no trace."""
    module = quantized(activation_bits=activation_bits)
    train(
        module,
        TaskObjective().prepare(None).terms,
        BatchDataset(batch),
        None,
        1,
        plan(bit_budget=4.0, search_epochs=2),
    )
    module.eval()
    state = copy.deepcopy(module.state_dict())
    with torch.no_grad():
        outputs = module(batch.x)
        torch.testing.assert_close(deployed(module)(batch.x), outputs)
        module(batch.x[:3])
        assert torch.equal(module(batch.x), outputs)
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())


def test_deployed_weights_are_codes_times_steps():
    module = quantized(bits=(3,))
    network = deployed(module, torch.float64)
    for layer, linear in zip(quant_layers(module), linear_layers(network), strict=True):
        expected = layer.codes().double() * layer.steps().double()
        assert torch.equal(linear.weight, expected)
        assert linear.weight.unique().numel() <= 8 * layer.out_features
        assert not linear.weight.requires_grad


def test_wrapped_net_keeps_history_and_no_optimizer_state(batch):
    module = mlp((5, 4, 2), generator())
    history = train(
        module, TaskObjective(bit_cost=0).prepare(None).terms, BatchDataset(batch), None, 1, plan()
    )
    net = wrap_net(module, history)
    assert [epoch["train_loss"] for epoch in net.history.to_list()] == [
        e["train_loss"] for e in history
    ]
    assert net.optimizer_.state_dict()["state"] == {}


def test_denormals_are_back_after_training(batch):
    train(
        mlp((5, 4, 2), generator()),
        TaskObjective(bit_cost=0).prepare(None).terms,
        BatchDataset(batch),
        None,
        1,
        plan(),
    )
    assert (torch.tensor([1e-39]) * 1.0).item() > 0
