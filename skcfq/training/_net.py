"""The one training loop: skorch's, fed with batches and a list of terms."""

import contextlib
import dataclasses
import functools
import math

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from torch.optim.lr_scheduler import LambdaLR

from ..quantization import gumbel_noise, quant_layers
from ..recourse import one_thread
from ._allocate import allocate_by_preference
from ._batches import TensorBatches
from ._terms import Step

#: Weights are rounded in turn in so many rounds, and the share that is left falls with this power of the time left.
N_ROUNDS = 60
SLOWER = 1.5

#: Learning rates of steps, clips and biases then, as shares of that of the weights, which are in units of levels.
SCALES_LR = 0.05
BIAS_LR = 0.005


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes
    ----------
    max_epochs : int
    batch_size : int
    lr : float
        Of AdamW; it falls to 0 along a cosine, and once more after integer weights are held.
    weight_decay : float
    patience : int or None
        Epochs without a lower validation loss before the loop stops; None never stops.
    seed : int
        Of the order of the rows and of the widths drawn.
    device : str
    bit_budget : float or None
        Average bits that the allocation at the end of the search may spend.
    search_epochs : int
        Epochs during which widths are searched; 0 if there is nothing to search.
    bit_lr : float
        Learning rate of the width preferences.
    hold_epochs : int
        Epochs at the end in which integer weights stay as they are; only steps, clips and biases learn.
    order : sequence of tensor or None
        Round weights in turn, see ``RoundInTurn``; None: all weights are rounded from the start.
    callbacks : tuple
        Further skorch callbacks.
    verbose : int
    """

    max_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    patience: int | None
    seed: int
    device: str = "cpu"
    bit_budget: float | None = None
    search_epochs: int = 0
    bit_lr: float = 0.05
    hold_epochs: int = 0
    order: tuple | None = None
    callbacks: tuple = ()
    verbose: int = 0


class TermNet(NeuralNet):
    """A skorch net whose loss is a sum of terms, see `_terms`.

    Parameters
    ----------
    module : torch.nn.Module
    terms : sequence of callables
    target : int
        Index of the wanted class.
    noise : torch.Generator or None
        Draws the widths while they are searched.
    **kwargs
        As in skorch.
    """

    def __init__(
        self,
        module,
        *,
        terms=(),
        target=0,
        noise=None,
        criterion=torch.nn.CrossEntropyLoss,
        **kwargs,
    ):
        super().__init__(module, criterion=criterion, **kwargs)
        self.terms = terms
        self.target = target
        self.noise = noise

    def _loss(self, batch, noise):
        module = self.module_
        draws = gumbel_noise(module, noise) if noise is not None else None
        network = module if draws is None else functools.partial(module, noise=draws)
        step = Step(network, module, batch.to(self.device), self.target)
        return sum(term(step) for term in self.terms)

    def train_step_single(self, batch, **fit_params):
        """One forward and backward pass over a batch."""
        self._set_training(True)
        loss = self._loss(batch, self.noise)
        loss.backward()
        return {"loss": loss, "y_pred": None}

    def validation_step(self, batch, **fit_params):
        """The loss of a batch, without gradients."""
        self._set_training(False)
        with torch.no_grad():
            return {"loss": self._loss(batch, None), "y_pred": None}


class AllocateBits(Callback):
    """End the search for widths: spend the budget exactly by the learned preferences.

    Parameters
    ----------
    epoch : int
        After which epoch.
    budget : float
        Average bits per weight.
    """

    def __init__(self, epoch, budget):
        self.epoch = epoch
        self.budget = budget

    def on_epoch_end(self, net, **kwargs):
        """Allocate once."""
        if len(net.history) == self.epoch:
            allocate_by_preference(net.module_, self.budget)


class HoldCodes(Callback):
    """End the learning of integer weights, see :meth:`QuantLinear.hold_codes`.

    Parameters
    ----------
    epoch : int
        After which epoch.
    """

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        """Hold once."""
        if len(net.history) == self.epoch:
            for layer in quant_layers(net.module_):
                layer.hold_codes()


class RoundInTurn(Callback):
    """Round weights little by little, those first that matter most, while the others learn on.

    What is rounded late makes up for what was rounded before it; what comes last hardly matters.

    Parameters
    ----------
    order : sequence of tensor of shape (out_features, in_features)
        For each layer, the share of all weights that are rounded before each.
    n_batches : int
        Of the whole training.
    """

    def __init__(self, order, n_batches):
        self.order = order
        self.every = max(1, n_batches // N_ROUNDS)
        self.n_rounds = n_batches // self.every
        self.seen = 0

    def on_batch_begin(self, net, training=True, **kwargs):
        """Hold the next weights once their turn has come."""
        if not training:
            return
        if self.seen % self.every == 0:
            left = 1 - (1 + self.seen // self.every) / (1 + self.n_rounds)
            for layer, first in zip(quant_layers(net.module_), self.order, strict=True):
                layer.hold_codes((first < 1 - left**SLOWER).to(layer.weight.device))
        self.seen += 1


class RefuseToDiverge(Callback):
    """End training with an error once a weight is not finite."""

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        """Look at all weights."""
        if all(bool(each.isfinite().all()) for each in net.module_.parameters()):
            return
        largest = float(dataset_train.batch.x.abs().max())
        raise ValueError(
            f"Training diverged: weights are not finite after epoch {len(net.history)}. Lower lr (now {net.lr:g}), "
            f"or scale the inputs, of which the largest is {largest:.3g} once encoded."
        )


class StopWhenSettled(EarlyStopping):
    """Early stopping that waits until widths are fixed and codes held, and restores the best epoch.

    Parameters
    ----------
    first_epoch : int
        The first that counts.
    **kwargs
        Of :class:`skorch.callbacks.EarlyStopping`.
    """

    def __init__(self, first_epoch, **kwargs):
        super().__init__(**kwargs)
        self.first_epoch = first_epoch

    def on_epoch_end(self, net, **kwargs):
        """Count only epochs in which what is measured is what will be deployed."""
        settled = not any(layer.searches for layer in quant_layers(net.module_))
        if settled and len(net.history) >= self.first_epoch:
            super().on_epoch_end(net, **kwargs)


class EpochHook(Callback):
    """Call a function at the beginning and at the end of each epoch.

    Parameters
    ----------
    begin, end : callable
        Called with the net.
    """

    def __init__(self, begin, end):
        self.begin = begin
        self.end = end

    def on_epoch_begin(self, net, **kwargs):
        """Call `begin`."""
        self.begin(net)

    def on_epoch_end(self, net, **kwargs):
        """Call `end`."""
        self.end(net)


def train(module, terms, rows, valid_rows, target, plan):
    """Train a module.

    Parameters
    ----------
    module : torch.nn.Module
        Trained in place.
    terms : sequence of callables
        See `_terms`.
    rows, valid_rows : BatchDataset
        Training rows, and those for early stopping or None.
    target : int
        Index of the wanted class.
    plan : TrainingPlan

    Returns
    -------
    list of dict
        Losses and seconds of each epoch.

    Raises
    ------
    ValueError
        If weights are not finite any more after an epoch.
    """
    learning_epochs = plan.max_epochs - plan.hold_epochs
    in_turn, generator = plan.order is not None, torch.Generator().manual_seed(plan.seed)
    callbacks = [
        ("finite", RefuseToDiverge()),
        ("lr", LRScheduler(LambdaLR, lr_lambda=_cosines(learning_epochs, plan.hold_epochs))),
    ]
    if plan.search_epochs:
        callbacks.append(("bits", AllocateBits(plan.search_epochs, plan.bit_budget)))
    if in_turn:
        n_batches = plan.max_epochs * len(TensorBatches(rows, plan.batch_size, generator))
        callbacks.append(("turns", RoundInTurn(plan.order, n_batches)))
    elif plan.patience is not None and valid_rows is not None:
        first = learning_epochs + 1 if plan.hold_epochs else 0
        stop = StopWhenSettled(first, patience=plan.patience, load_best=True, sink=_silent)
        callbacks.append(("stop", stop))
    if plan.hold_epochs:
        callbacks.append(("hold", HoldCodes(learning_epochs)))
    callbacks += [(f"callback{i}", callback) for i, callback in enumerate(plan.callbacks)]
    groups = (
        [("*bit_logits", {"lr": plan.bit_lr, "weight_decay": 0.0})] if plan.search_epochs else []
    )
    if quant_layers(module):
        scales = {"lr": plan.lr * SCALES_LR} if in_turn else {}
        groups.append(("*log_step", {"weight_decay": 0.0, **scales}))
        if in_turn:
            groups.append(("*bias", {"weight_decay": 0.0, "lr": plan.lr * BIAS_LR}))
    if any(name.endswith("log_clip") for name, _ in module.named_parameters()):
        groups.append(("*log_clip", {"weight_decay": 0.0, **scales}))
    net = TermNet(
        module,
        terms=terms,
        target=target,
        noise=torch.Generator().manual_seed(plan.seed + 1) if plan.search_epochs else None,
        max_epochs=plan.max_epochs,
        batch_size=plan.batch_size,
        lr=plan.lr,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.0 if in_turn else plan.weight_decay,
        optimizer__fused=True,
        optimizer__betas=(0.9, 0.99 if in_turn else 0.999),  # errors grow as weights are rounded
        **({"optimizer__param_groups": groups} if groups else {}),
        iterator_train=TensorBatches,
        iterator_train__generator=generator,
        iterator_valid=TensorBatches,
        iterator_valid__batch_size=8192,
        train_split=None if valid_rows is None else predefined_split(valid_rows),
        callbacks=callbacks,
        device=plan.device,
        verbose=plan.verbose,
    )
    with one_thread(), _no_denormals():
        net.fit(rows, None)
    for layer in quant_layers(net.module_):
        layer.release_codes()
    module.load_state_dict(net.module_.state_dict())
    return [{k: v for k, v in epoch.items() if k != "batches"} for epoch in net.history.to_list()]


def _cosines(*lengths):
    """Share of the learning rate in each epoch: it falls to 0 along a cosine, and again."""
    shares = [(1 + math.cos(math.pi * k / n)) / 2 for n in lengths for k in range(n)]
    return lambda epoch: shares[epoch] if epoch < len(shares) else 0.0


@contextlib.contextmanager
def _no_denormals():
    """Count tiny numbers as 0: moments of columns that are rarely active decay to denormals,
    on which arithmetic is ten times slower.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _silent(*args):
    """A sink that prints nothing."""


def wrap_net(module, history, device="cpu"):
    """A skorch net around a trained module, with its history and without training state.

    Parameters
    ----------
    module : torch.nn.Module
    history : list of dict
    device : str, default="cpu"

    Returns
    -------
    skorch.NeuralNet
        Initialised: ``net.module_`` computes, ``net.history`` tells how it was trained.
    """
    net = NeuralNet(
        module, criterion=torch.nn.CrossEntropyLoss, train_split=None, callbacks=None,
        iterator_valid=TensorBatches, verbose=0, device=device,
    )  # fmt: skip
    net.initialize()
    for epoch in history:
        net.history.new_epoch()
        for name, value in epoch.items():
            net.history.record(name, value)
    return net
