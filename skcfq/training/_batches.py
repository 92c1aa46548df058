"""Rows as tensors, fed by slicing."""

import typing

import torch


class Batch(typing.NamedTuple):
    """Some training rows. Shapes: ``n`` rows, ``d`` encoded columns.

    Attributes
    ----------
    x : tensor of shape (n, d)
        Encoded rows.
    y : tensor of int64, shape (n,)
        Class indices.
    weight : tensor of shape (n,)
        Sample weights with mean 1 over the training rows.
    recourse : tensor of shape (n, d) or None
        Encoded rows after the teacher's recourse; the row itself where none is needed.
    reached : tensor of shape (n,) or None
        1 where `recourse` gets the target from the teacher, 0 where none was found.
    low, high, short_action : tensors of shape (n, d) or None
        Limits of relaxed actions and the teacher's action after the few steps of the match
        term.
    """

    x: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    recourse: torch.Tensor | None = None
    reached: torch.Tensor | None = None
    low: torch.Tensor | None = None
    high: torch.Tensor | None = None
    short_action: torch.Tensor | None = None

    def take(self, index):
        """The rows at `index`."""
        return Batch(*(None if part is None else part[index] for part in self))

    def to(self, device):
        """The batch on a device."""
        return Batch(*(None if part is None else part.to(device) for part in self))


class BatchDataset(torch.utils.data.Dataset):
    """A batch of all rows as a torch data set, so that skorch takes it as it is."""

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch.x)

    def __getitem__(self, index):
        return self.batch.take(index)


class TensorBatches:
    """Iterate over a :class:`BatchDataset` in slices, without a call per row.

    Parameters
    ----------
    dataset : BatchDataset
    batch_size : int
    generator : torch.Generator, default=None
        Shuffles each epoch; ``None`` keeps the order.
    """

    def __init__(self, dataset, batch_size, generator=None):
        self.batch = dataset.batch
        self.batch_size = batch_size
        self.generator = generator

    def __iter__(self):
        n = len(self.batch.x)
        order = (
            torch.arange(n)
            if self.generator is None
            else torch.randperm(n, generator=self.generator)
        )
        for index in order.split(self.batch_size):
            yield self.batch.take(index)

    def __len__(self):
        return -(-len(self.batch.x) // self.batch_size)
