"""Hypothesis strategies of action sets and raw rows."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from skcfq.actions import ActionSet

#: Names and categories that a careless writer of JSON would confuse: "1", 1 and 1.5.
names = st.one_of(st.text(max_size=4), st.integers(-3, 3), st.sampled_from(["1", "age", "a__b"]))
finite = st.floats(-1e12, 1e12)
categories = st.one_of(st.text(max_size=3), st.integers(-5, 5), st.booleans(), st.none(), finite)
weights = st.floats(1e-6, 1e6)


@st.composite
def _number_fields(draw, feature):
    """Fields of one numeric feature."""
    fields = {}
    lower = draw(st.none() | finite)
    upper = draw(st.none() | finite.filter(lambda v: lower is None or v >= lower))
    if draw(st.booleans()):
        fields["bounds"] = {feature: (lower, upper)}
    direction = draw(st.sampled_from([None, "increase_only", "decrease_only"]))
    if direction:
        fields[direction] = [feature]
    kind = draw(st.sampled_from(["free", "step", "listed"]))
    if kind == "step":
        fields["step"] = {feature: draw(weights)}
    elif kind == "listed":
        fields["allowed_values"] = {feature: draw(st.lists(finite, min_size=1, max_size=4))}
    return fields


@st.composite
def _category_fields(draw, feature):
    """Fields of one categorical feature."""
    if draw(st.booleans()):
        return {"allowed_values": {feature: draw(st.lists(categories, min_size=1, max_size=4))}}
    table = st.dictionaries(categories, st.lists(categories, max_size=3), max_size=3)
    return {"transitions": {feature: draw(table)}}


@st.composite
def action_sets(draw):
    """Action sets without contradictions, every field used now and then."""
    fields = {"immutable": []}
    features = draw(st.lists(names, max_size=6, unique=True))
    for feature in features:
        kind = draw(st.sampled_from(["immutable", "number", "category"]))
        if kind == "immutable":
            fields["immutable"].append(feature)
            continue
        drawn = draw(_number_fields(feature) if kind == "number" else _category_fields(feature))
        for field, value in drawn.items():
            held = fields.setdefault(field, type(value)())
            held.update(value) if isinstance(value, dict) else held.extend(value)
    fields["max_changes"] = draw(st.none() | st.integers(1, 9))
    fields["cost"] = draw(st.sampled_from(["l1", "l2", "mixed"]))
    fields["mix"] = draw(st.floats(0, 1))
    fields["cost_weights"] = draw(
        st.one_of(
            st.sampled_from(["std", "mad", "range"]), st.dictionaries(names, weights, max_size=3)
        )
    )
    columns = draw(st.lists(names, max_size=6, unique=True))
    groups = draw(st.lists(st.text(max_size=3), max_size=2, unique=True)) if columns else []
    fields["groups"] = {
        group: columns[i :: len(groups)]
        for i, group in enumerate(groups)
        if columns[i :: len(groups)]
    }
    return ActionSet(**fields)


def raw_rows(numbers, categories, *, min_rows=1, max_rows=6):
    """Frames with float columns named in `numbers` and columns of listed categories.

    Parameters
    ----------
    numbers : sequence of str
    categories : mapping of str to sequence
    """
    value = st.floats(-1e3, 1e3, allow_subnormal=False)
    columns = dict.fromkeys(numbers, value)
    columns |= {name: st.sampled_from(list(items)) for name, items in categories.items()}

    def frame(rows):
        table = pd.DataFrame(rows, columns=list(columns))
        dtypes = dict.fromkeys(numbers, float) | dict.fromkeys(categories, object)
        return table.astype(dtypes)

    return st.lists(st.tuples(*columns.values()), min_size=min_rows, max_size=max_rows).map(frame)


def seeds():
    """Seeds of NumPy generators."""
    return st.integers(0, 2**31 - 1).map(np.random.default_rng)
