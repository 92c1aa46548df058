"""One-hot groups in input that was encoded before it came to us."""

import numpy as np

from .._utils._errors import raise_problems
from ._features import AffineFeature, TableFeature, numbers


def group_features(features, frame, groups):
    """Join the columns of one-hot codes, and make 0/1 columns two-valued features.

    A column that is 0 in every training row is part of its group, but no category to go to:
    a person who has it leaves it with any move.

    Parameters
    ----------
    features : sequence of AffineFeature, TableFeature or FixedFeature
        As read from the preprocessor.
    frame : DataFrame of shape (n_samples, n_raw_features)
        Training rows: only columns that hold nothing but 0 and 1 are joined.
    groups : mapping of str to sequence of str or int
        Groups named by the user. Other columns are a group if their names share a prefix before
        ``"_"`` and exactly one of them is 1 in every row; at most one, if the names carry a
        ColumnTransformer's ``"branch__"`` (one-hot codes with ``drop``).

    Returns
    -------
    tuple of AffineFeature, TableFeature or FixedFeature
    """
    names = list(frame.columns)
    affine = {f.raw_column: f for f in features if isinstance(f, AffineFeature)}
    values = {i: numbers(frame.iloc[:, i]) for i in affine}
    binary = [i for i in affine if np.isin(values[i], (0.0, 1.0)).all()]
    explicit, taken = _explicit_groups(groups, names, binary), set()
    for members in explicit.values():
        taken.update(members)
    found = dict(explicit)
    named = [i for i in binary if i not in taken and isinstance(names[i], str)]
    found.update(_prefix_groups({i: names[i] for i in named}, values))
    grouped = {i: name for name, members in found.items() for i in members}
    result, done = [], set()
    for feature in features:
        raw = getattr(feature, "raw_column", None)
        if raw is None or raw not in binary:
            result.append(feature)
        elif raw not in grouped:
            if values[raw].min() < values[raw].max():
                feature = _as_table(feature.name, [feature], np.array([[0.0], [1.0]]), (0, 1))
            result.append(feature)
        elif grouped[raw] not in done:
            name = grouped[raw]
            done.add(name)
            rows = np.column_stack([values[i] for i in found[name]])
            result.append(_one_hot(name, [affine[i] for i in found[name]], rows))
    return tuple(result)


def _explicit_groups(groups, names, binary):
    """Positions of the columns of the groups that the user named."""
    lookup = {name: i for i, name in enumerate(names)}
    problems, found = [], {}
    for group, columns in groups.items():
        members = [
            lookup.get(c, c if isinstance(c, int) and 0 <= c < len(names) else None)
            for c in columns
        ]
        for column, member in zip(columns, members, strict=True):
            if member is None:
                problems.append(f"groups[{group!r}] names {column!r}, which is no column of X.")
            elif member not in binary:
                problems.append(
                    f"groups[{group!r}] names {column!r}, which does not hold only 0 and 1."
                )
        found[group] = members
    raise_problems("ActionSet", problems)
    return found


def _prefix_groups(columns, values):
    """Groups by the shortest shared prefix of which at most one column is 1 in each row."""
    found, free = {}, dict(columns)
    prefixes = {prefix for name in columns.values() for prefix in _prefixes(name)}
    prefixes = sorted(prefixes, key=lambda p: (len(p), p))
    searching = True
    while searching:  # again: "job" is one group only when the columns of "job_type" have left it
        searching = False
        for prefix in prefixes:
            members = [i for i, name in free.items() if name.startswith(prefix + "_")]
            if len(members) < 2:
                continue
            total = np.sum([values[i] for i in members], axis=0)
            one_each = (total == 1).all()
            if one_each or ("__" in prefix and (total <= 1).all() and (total == 1).any()):
                found[prefix] = members
                for i in members:
                    del free[i]
                searching = True
    return found


def _prefixes(name):
    """What stands before each single underscore, behind a ColumnTransformer's branch name."""
    start = name.find("__") + 2 if "__" in name else 0
    return [name[:k] for k in range(start + 1, len(name)) if name[k] == "_"]


def _one_hot(name, members, rows):
    """Table of the categories of a one-hot group that training rows show, maybe all zeros."""
    seen = (rows == 1).any(axis=0)
    values = np.eye(len(members))[seen]
    labels = [_label(name, m.name) for m, shown in zip(members, seen, strict=True) if shown]
    if (rows.sum(axis=1) > 1).any():
        raise ValueError(f"ActionSet: groups[{name!r}]: some rows have two columns that are 1.")
    if (rows.sum(axis=1) == 0).any():
        values, labels = np.vstack([values, np.zeros(len(members))]), [*labels, "(none of them)"]
    return _as_table(name, members, values, tuple(labels))


def _label(group, column):
    return (
        column[len(group) + 1 :]
        if isinstance(column, str) and column.startswith(f"{group}_")
        else column
    )


def _as_table(name, members, values, labels):
    scale = np.array([m.scale for m in members])
    offset = np.array([m.offset for m in members])
    return TableFeature(
        name,
        tuple(m.raw_column for m in members),
        np.array([m.column for m in members]),
        tuple(labels),
        values.astype(object),
        values * scale + offset,
    )
