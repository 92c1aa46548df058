"""What is wrong with parameters that only numbers and objects themselves can tell."""

import numbers
import pickle

import numpy as np
from sklearn.base import is_classifier

from ..actions import CausalActionSet
from ..quantization import TERNARY_BITS, canonical_bits
from ._sessions import OnnxModel, is_session
from ._views import is_fitted, missing_network, unwrap


def size_problems(sizes):
    """Sentences about sizes of hidden layers, empty if all is well.

    Parameters
    ----------
    sizes : sequence of int

    Returns
    -------
    list of str
    """
    if all(
        isinstance(size, numbers.Integral) and not isinstance(size, bool) and size > 0
        for size in sizes
    ):
        return []
    return [
        f"hidden_layer_sizes={sizes!r}: whole numbers >= 1 are needed, or () for no hidden layer."
    ]


def read_widths(bits, budget):
    """Candidate widths in canonical form, the budget, and what is wrong with them.

    Parameters
    ----------
    bits : width or sequence of width
    budget : float
        1.58 stands for the width of a ternary weight, as it does among the widths.

    Returns
    -------
    widths : tuple of int or float
        In rising order.
    budget : float
    problems : list of str
    """
    given = (bits,) if isinstance(bits, (str, numbers.Real)) else tuple(bits)
    widths, problems = set(), []
    for width in given:
        try:
            widths.add(canonical_bits(width))
        except ValueError as error:
            problems.append(str(error))
    if not given:
        problems.append(f"bits={bits!r}: at least one width is needed.")
    if abs(budget - TERNARY_BITS) < 0.005:
        budget = max(budget, TERNARY_BITS)
    if widths and budget < min(widths):
        problems.append(
            f"bit_budget={budget!r} is below the narrowest width, {min(widths):.4g} bits: raise the "
            "budget, or add a narrower width to bits (1.58 is ternary)."
        )
    return tuple(sorted(widths)), float(budget), problems


def pin_problems(pin, widths, n_layers=None):
    """Sentences about pinned layers, empty if all is well.

    Parameters
    ----------
    pin : dict or None
        Layer to width.
    widths : sequence of int or float
        Candidates, in canonical form.
    n_layers : int, default=None
        If it is known already.

    Returns
    -------
    list of str
    """
    problems, seen = [], set()
    for layer, width in (pin or {}).items():
        if not isinstance(layer, numbers.Integral) or isinstance(layer, bool):
            problems.append(f"pin: {layer!r} is no layer. Give positions, e.g. 0 and -1.")
            continue
        if n_layers is not None and not -n_layers <= layer < n_layers:
            problems.append(f"pin: there is no layer {layer}; the network has {n_layers}.")
        if n_layers is not None and layer % n_layers in seen:
            problems.append(f"pin: layer {layer} is given twice, from the front and from the end.")
        seen.add(layer if n_layers is None else layer % n_layers)
        try:
            known = canonical_bits(width) in widths
        except ValueError as error:
            problems.append(f"pin of layer {layer}: {error}")
            continue
        if not known:
            problems.append(
                f"pin of layer {layer}: {width!r} is none of the candidate widths "
                f"{', '.join(f'{each:.4g}' for each in widths)}: add it to bits."
            )
    return problems


def activation_problems(bits, budget):
    """Sentences about widths of activations and their budget, empty if all is well.

    Parameters
    ----------
    bits : int, sequence of int, "auto" or None
    budget : float or None

    Returns
    -------
    list of str
    """
    if isinstance(bits, str):
        if budget is not None:
            return []
        return ['activation_bits="auto" needs an activation_budget, e.g. 4.']
    if np.ndim(bits) == 0:
        if budget is None:
            return []
        return [
            f"activation_budget={budget!r} chooses among several widths: give them as activation_bits, "
            'e.g. (2, 4, 8), or "auto".'
        ]
    problems = [
        f"activation_bits={bits!r}: whole widths from 2 to 8 are needed, {width!r} is none."
        for width in bits
        if not isinstance(width, numbers.Integral) or not 2 <= width <= 8
    ]
    if not problems and (len(bits) == 0 or len(set(bits)) < len(bits)):
        problems.append(f"activation_bits={bits!r}: different widths are needed, at least one.")
    if budget is None:
        problems.append(f"activation_bits={bits!r}: several widths need an activation_budget.")
    elif not problems and budget < min(bits):
        problems.append(
            f"activation_budget={budget!r} is below the narrowest of activation_bits, {min(bits)}."
        )
    return problems


def model_problems(role, model, columns, named):
    """What keeps a classifier, or a function of scores, from being searched on these rows.

    Parameters
    ----------
    role : str
        What the model is, for the sentences.
    model : classifier, callable or onnxruntime.InferenceSession
        Fitted or not.
    columns : sequence of str
        Of the rows.
    named : bool
        Whether the user gave these names.

    Returns
    -------
    list of str
    """
    if is_session(model) or isinstance(model, OnnxModel):
        graph = OnnxModel(model) if is_session(model) else model
        return [f"the {role}: {problem}" for problem in graph.problems(columns)]
    if not hasattr(model, "predict"):
        return []
    if missing_network(role, model) and not is_classifier(model):
        return [
            f"the {role} {type(unwrap(model)).__name__} is no classifier: give one, or a function that returns scores."
        ]
    return _row_problems(role, model, columns, named)


def _row_problems(role, model, columns, named):
    """Sentences about rows that differ from those that a model was fitted on."""
    if not is_fitted(model):
        return []
    model = unwrap(model)
    names, n_columns = getattr(model, "feature_names_in_", None), len(columns)
    if names is not None and list(names) != list(columns):
        given = list(columns) if named else f"{n_columns} columns without names"
        return [f"the {role} was fitted on the columns {list(names)}, X has {given}."]
    n_fitted = getattr(model, "n_features_in_", n_columns)
    if n_fitted != n_columns:
        return [f"the {role} was fitted on {n_fitted} columns, X has {n_columns}."]
    return []


def causal_problems(actions, objective, memory):
    """What keeps actions in a causal graph from being trained for.

    Parameters
    ----------
    actions : ActionSet or None
    objective : object
        With a match term if it has a true ``unrolls_steps``.
    memory : joblib.Memory, str or None

    Returns
    -------
    list of str
    """
    if not isinstance(actions, CausalActionSet) or not actions.graph:
        return []
    problems = []
    if getattr(objective, "unrolls_steps", False):
        problems.append(
            "actions has a causal graph, and the match term of the objective knows no "
            "consequences: leave out match_action and match_cost."
        )
    for feature, equation in actions.equations.items() if memory is not None else ():
        try:
            pickle.dumps(equation)
        except (pickle.PicklingError, AttributeError, TypeError):
            problems.append(
                f"equations[{feature!r}] of actions cannot be pickled, which memory needs: use a "
                "function of a module, not a lambda or a function inside another."
            )
    return problems


def teacher_problems(teacher, classes, columns, named):
    """What keeps a teacher from teaching these rows, before any work is done.

    Parameters
    ----------
    teacher : classifier
        Fitted or not.
    classes : ndarray of shape (n_classes,)
        Of the rows.
    columns, named
        As in :func:`model_problems`.

    Returns
    -------
    list of str
    """
    problems = missing_network("teacher", teacher) or _row_problems(
        "teacher", teacher, columns, named
    )
    if is_fitted(teacher) and not missing_network("teacher", teacher):
        known = np.asarray(unwrap(teacher).classes_).tolist()
        if known != classes.tolist():
            problems.append(f"the teacher knows the classes {known}, y holds {classes.tolist()}.")
    return problems
