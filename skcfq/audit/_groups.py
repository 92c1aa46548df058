"""Whom an audit tells apart."""

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems

#: The group of people without a label.
MISSING = "missing"


def read_groups(groups, frame):
    """Labels of each person, one column for each way to tell people apart.

    Parameters
    ----------
    groups : str, sequence of str, array-like of shape (n_samples,) or None
        A column of `frame`, several of them, or labels.
    frame : DataFrame of shape (n_samples, n_columns)

    Returns
    -------
    DataFrame of shape (n_samples, n_groupings) or None
        Text, ``"missing"`` where there is no label; the column is called ``"group"`` if labels
        were given.

    Raises
    ------
    ValueError
        If `groups` names no column, or is of another length.
    """
    if groups is None:
        return None
    names = column_names(groups)
    if names is None or (len(names) == len(frame) and not set(names) <= set(frame.columns)):
        labels = pd.Series(np.asarray(groups, dtype=object).ravel(), dtype=object)
        if len(labels) != len(frame):
            raise ValueError(f"groups has {len(labels)} labels for {len(frame)} rows of X.")
        return pd.DataFrame({"group": label_text(labels)})
    unknown = [name for name in names if name not in frame.columns]
    if unknown:
        raise ValueError(
            f"groups names {unknown}, not a column of X; columns are {list(frame.columns)}."
        )
    return pd.DataFrame({name: label_text(frame[name]) for name in names})


def column_names(groups):
    """The columns that `groups` names, or None if it holds labels.

    Raises
    ------
    ValueError
        If none is named.
    """
    if isinstance(groups, str):
        return [groups]
    if not isinstance(groups, (list, tuple)) or not all(isinstance(g, str) for g in groups):
        return None
    if not groups:
        raise_problems("groups", ["no column is named: give one, or None for no groups."])
    return list(groups)


def check_labelled(labels):
    """Raise ValueError if nobody has a label of some grouping, which a typing error may cause.

    Parameters
    ----------
    labels : DataFrame of shape (n_samples, n_groupings)
    """
    empty = [name for name, column in labels.items() if (column == MISSING).all()]
    raise_problems("groups", [f"{name!r} holds no label, all are missing." for name in empty])


def label_text(column):
    """Text of labels, the same whatever type a part of the rows has.

    Whole numbers read alike as integers and as floats, which a part with missing values has.

    Examples
    --------
    >>> label_text(pd.Series([1.0, None, 2.5])).tolist()
    ['1', 'missing', '2.5']
    """
    codes, values = pd.factorize(column)
    texts = [_text(value) for value in values] + [MISSING]
    return np.array(texts, dtype=object)[codes]  # the code of a missing one is -1, the last


def _text(value):
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


class GroupCells:
    """The finest groups of an audit, and what they add up to.

    Tallies are kept for each combination of labels that occurs, a cell; groups are unions of
    cells.

    Parameters
    ----------
    names : sequence of str
        What tells people apart, one name for each entry of a cell.
    """

    def __init__(self, names):
        self.names = tuple(names)

    def members(self, cells):
        """The cells of every group, by grouping.

        Parameters
        ----------
        cells : iterable of tuple of str
            One label for each of `names`, in order of appearance.

        Returns
        -------
        dict of str to dict of str to list of tuple
            Grouping, group, its cells. With one name a group is called as its label, with
            several ``"sex=Female"``, and ``"sex=Female & race=Black"`` in the grouping of all
            combinations, ``"sex & race"``.
        """
        found = {}
        for position, name in enumerate(self.names):
            groups = found.setdefault(name, {})
            for cell in cells:
                label = cell[position] if len(self.names) == 1 else f"{name}={cell[position]}"
                groups.setdefault(label, []).append(cell)
        if len(self.names) > 1:
            found[" & ".join(self.names)] = {self.joined(cell): [cell] for cell in cells}
        return found

    def joined(self, cell):
        """What a cell is called among the groups.

        Parameters
        ----------
        cell : tuple of str

        Returns
        -------
        str
        """
        if len(self.names) == 1:
            return cell[0]
        return " & ".join(f"{n}={label}" for n, label in zip(self.names, cell, strict=True))
