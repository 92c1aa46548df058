"""People between the training rows, whom a teacher can tell as much about as about real ones."""

import dataclasses

import numpy as np
import pandas as pd
import torch

#: Share of a synthetic person's features that come from a second one.
SHARE_OF_SECOND = 0.3

#: To find people in need, at most so many times as many are put together as are wanted, and so many at once.
MOST_DRAWN = 12
MOST_AT_ONCE = 50_000


def recombined(frame, weight, n, random):
    """Synthetic people: each has the features of one person, some of them replaced by another's.

    What a teacher computes needs no label, so that a student can be taught around the rows as well as at them,
    as in vicinal risk minimisation [1]_. All values are values of the data.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)
        People, in raw units.
    weight : ndarray of shape (n_samples,)
        They are drawn in proportion to it.
    n : int
        How many are made.
    random : numpy.random.Generator

    Returns
    -------
    DataFrame of shape (n, n_features)

    References
    ----------
    .. [1] O. Chapelle, J. Weston, L. Bottou, V. Vapnik (2000). "Vicinal Risk Minimization". NIPS.

    Examples
    --------
    >>> people = pd.DataFrame({"income": [10, 20, 30], "city": ["A", "B", "C"]})
    >>> recombined(people, np.array([1.0, 1.0, 0.0]), 3, np.random.default_rng(1)).isin([30, "C"]).any().any()
    np.False_
    """
    weight = np.asarray(weight, dtype=np.float64)
    first, second = random.choice(len(frame), (2, n), p=weight / weight.sum())
    swapped = random.random((n, frame.shape[1])) < SHARE_OF_SECOND
    columns = {
        name: column.array.take(np.where(swapped[:, j], second, first))
        for j, (name, column) in enumerate(frame.items())
    }
    return pd.DataFrame(columns)


def with_synthetic(lesson, n, seed, encode, solve, in_need=False):
    """A lesson with synthetic people after the real ones; each weighs as much as a real one does on average.

    Parameters
    ----------
    lesson : Lesson
    n : int
        How many, see :func:`recombined`.
    seed : int
    encode : callable
        Raw rows to float64 inputs of the network.
    solve : callable
        Raw rows to the teacher's recourse.
    in_need : bool, default=False
        Whether they are people whom the teacher refuses, as far as these are found.

    Returns
    -------
    Lesson
    """
    random = np.random.default_rng([seed, n])
    if in_need:
        frame = _refused(lesson, n, random, encode)
    else:
        frame = recombined(lesson.frame, lesson.weight.numpy(), n, random)
    x = torch.from_numpy(encode(frame).astype(np.float32))
    return dataclasses.replace(
        lesson,
        x=torch.cat([lesson.x, x]),
        frame=pd.concat([lesson.frame, frame], ignore_index=True),
        advice=lesson.advice.followed_by(solve(frame)),
        weight=torch.cat([lesson.weight, torch.full((n,), lesson.weight.mean())]),
    )


def _refused(lesson, n, random, encode):
    """Synthetic people whom the teacher refuses; others where these are too rare to be found."""
    weight, found, others, drawn = lesson.weight.numpy(), [], [], 0
    while sum(map(len, found)) < n and drawn < MOST_DRAWN * n:
        frame = recombined(lesson.frame, weight, min(n, MOST_AT_ONCE), random)
        with torch.no_grad():
            logits = lesson.network(torch.from_numpy(encode(frame).astype(np.float32)))
        needs = (logits.argmax(1) != lesson.target).numpy()
        found.append(frame[needs])
        if not others:
            others.append(frame[~needs])
        drawn += len(frame)
    return pd.concat(found + others, ignore_index=True).iloc[:n]
