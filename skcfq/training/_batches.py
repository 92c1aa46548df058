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
    points : dict of str to tensor of shape (n, d)
        Further rows, one for each of `x`, at which an objective asks for logits.
    extra : dict of str to tensor of shape (n, ...)
        What else an objective knows about the rows.
    """

    x: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    points: dict = {}
    extra: dict = {}

    def map(self, function):
        """The batch with a function applied to every tensor."""
        return Batch(
            function(self.x),
            function(self.y),
            function(self.weight),
            {name: function(part) for name, part in self.points.items()},
            {name: function(part) for name, part in self.extra.items()},
        )

    def take(self, index):
        """The rows at `index`, a tensor of int64."""
        return self.map(lambda part: part.index_select(0, index))

    def to(self, device):
        """The batch on a device."""
        return self.map(lambda part: part.to(device))


class BatchDataset(torch.utils.data.Dataset):
    """Rows of a batch as a torch data set, so that skorch takes it as it is.

    Parameters
    ----------
    batch : Batch
    rows : ndarray or tensor of int64, default=None
        Which rows; nothing is copied. ``None``: all.
    share : tensor of shape (len(rows),), default=None
        In proportion to which rows are drawn, with replacement. ``None``: each comes once an epoch.
    n_drawn : int, default=None
        How many are drawn in an epoch; needs `share`.
    """

    def __init__(self, batch, rows=None, share=None, n_drawn=None):
        self.batch = batch
        self.rows = torch.arange(len(batch.x)) if rows is None else torch.as_tensor(rows)
        self.share = share
        self.n_drawn = n_drawn

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.batch.take(self.rows[index])


class TensorBatches:
    """Iterate over a :class:`BatchDataset` in slices, without a call per row.

    Parameters
    ----------
    dataset : BatchDataset
    batch_size : int
    generator : torch.Generator, default=None
        Shuffles each epoch, or draws where rows have shares; ``None`` keeps the order.
    """

    def __init__(self, dataset, batch_size, generator=None):
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator

    def __iter__(self):
        n, share = len(self.dataset), self.dataset.share
        if self.generator is None:
            order = torch.arange(n)
        elif share is None:
            order = torch.randperm(n, generator=self.generator)
        else:
            order = torch.multinomial(share, self.dataset.n_drawn, True, generator=self.generator)
        for index in order.split(self.batch_size):
            yield self.dataset[index]

    def __len__(self):
        drawn = self.generator is not None and self.dataset.share is not None
        n = self.dataset.n_drawn if drawn else len(self.dataset)
        return -(-n // self.batch_size)
