"""Proof that a reference's advice holds in a deployed model, for two fitted classifiers."""

import numbers
from collections.abc import Mapping

import numpy as np

from .._utils._errors import raise_problems
from ..estimators import model_problems, network_view, unwrap
from ..recourse import Layer, MarginCertificate, certify_margins, read_layers


def margin_certificate(reference, deployed, X, result, radius, *, actions=None, target=None):
    """Prove for each person that the reference's advice holds in the deployed model.

    Around the row that a person's recourse leads to lies a box: every numeric feature that may
    move is off by up to `radius`, independently, and categories stay as advised. Over that box
    the difference of the two networks' logits is bounded, by relaxing both networks together.
    If the reference's margin exceeds the bound, the deployed model grants the target, which is
    the sufficient condition of the paper [1]_; if the deployed model's own margin is bounded
    above 0, it does so however the advice is carried out within the radius.

    Parameters
    ----------
    reference, deployed : fitted classifier
        Classifiers of ReLU layers or linear ones that encode rows alike: of skcfq,
        :class:`~sklearn.neural_network.MLPClassifier`,
        :class:`~sklearn.linear_model.LogisticRegression`, or Pipelines that end in one.
    X : array-like or DataFrame of shape (n_samples, n_features)
        People, in raw units.
    result : RecourseResult or None
        Recourse of these people; ``None`` asks the reference, ``reference.solve_recourse(X)``.
    radius : float or mapping of feature to float
        A number is in units of cost, the unit in which changes of different features compare:
        a feature of weight ``w`` per raw unit is off by up to ``radius / w`` raw units, with
        ``"std"`` weights by so many standard deviations. A mapping gives raw units itself, for
        any numeric feature; features that are not in it are carried out exactly. Boxes are not
        cut at the bounds of the actions.
    actions : ActionSpace, default=None
        Says which features may move and what they cost, for a number as `radius`; ``None`` is
        the reference's ``actions_``. A :class:`~skcfq.RecourseAuditor` has ``actions_`` for
        models that have none.
    target : label, default=None
        The favourable class; ``None`` is the reference's ``target_``, else its last class.

    Returns
    -------
    MarginCertificate
        NaN for people without recourse. Whoever needs none is certified as they are.

    Raises
    ------
    ValueError
        If the models know other classes or encode rows differently, or `radius` names
        features that are not numeric; lists all problems.
    TypeError
        If a model is no network of linear layers with ReLUs between them.

    Notes
    -----
    The bounds are sound in float64, in which scikit-learn's models and ours decide: they hold
    for what ``predict`` computes, not for real arithmetic only.

    Recourse of least cost ends at the decision boundary, where the reference's margin is next
    to nothing, so that hardly any of it is certified. ``margin_eps`` is the margin that would
    be enough.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import QATClassifier, margin_certificate
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> clf = QATClassifier((16,), bits=8, bit_budget=8, max_epochs=5, random_state=0)
    >>> clf = clf.set_params(actions=data.actions).fit(data.data, data.target)
    >>> proof = margin_certificate(clf.teacher_, clf, data.data.head(50), None, radius=0.01)
    >>> bool((proof.empirical_eps <= proof.eps).all())
    True
    """
    reference, deployed = unwrap(reference), unwrap(deployed)
    frame, space, target = _read(reference, deployed, X, result, radius, actions, target)
    if result is None:
        result = reference.solve_recourse(X)
        frame = result.counterfactual
    views = [network_view(model, frame.columns) for model in (reference, deployed)]
    first, second = views
    widths, problems = _radii(radius, space, first.encoding, frame)
    if set(first.classes.tolist()) != set(second.classes.tolist()):
        problems.append(
            f"the reference knows the classes {first.classes.tolist()}, the deployed model "
            f"{second.classes.tolist()}."
        )
    elif target not in first.classes.tolist():
        problems.append(f"target={target!r} is not one of the classes {first.classes.tolist()}.")
    raise_problems("margin_certificate", problems)
    frame = frame[result.success]
    # Encoders of numbers are monotone, in floating point too: corners are encoded as corners.
    frames = frame, _moved(frame, widths, -1), _moved(frame, widths, 1)
    points, *ends = (first.encoding.encode(rows) for rows in frames)
    others = [second.encoding.encode(rows) for rows in frames]
    if not all(map(np.array_equal, (points, *ends), others)):
        raise ValueError(
            "margin_certificate: the models encode rows differently, so that their logits have no "
            "inputs in common. Fit both on the same rows, or with the same fitted preprocessor."
        )
    layers = [_folded(read_layers(view.exact)) for view in views]
    order = [second.classes.tolist().index(label) for label in first.classes.tolist()]
    *hidden, last = layers[1]
    layers[1] = (*hidden, Layer(last.weight[order], last.bias[order]))
    wanted = np.full(len(points), first.classes.tolist().index(target))
    found = certify_margins(*layers, points, np.minimum(*ends), np.maximum(*ends), wanted)
    return MarginCertificate(
        **{name: _spread(values, result.success) for name, values in vars(found).items()}
    )


def _read(reference, deployed, X, result, radius, actions, target):
    """Rows after the action, if known, the actions and the target; complains about the rest."""
    problems = []
    frame = X if result is None else result.counterfactual
    columns = getattr(frame, "columns", range(np.shape(frame)[1]))
    named = hasattr(frame, "columns")
    problems += model_problems("reference", reference, columns, named)
    problems += model_problems("deployed model", deployed, columns, named)
    if result is None and not hasattr(reference, "solve_recourse"):
        problems.append(
            f"{type(reference).__name__} gives no recourse itself: give result, for example of "
            "RecourseAuditor.recourse_."
        )
    if result is not None and len(result) != len(X):
        problems.append(f"result is about {len(result)} people, X has {len(X)} rows.")
    space = getattr(reference, "actions_", None) if actions is None else actions
    if isinstance(radius, Mapping):
        wrong = {name: size for name, size in radius.items() if not _is_size(size)}
    else:
        wrong = {} if _is_size(radius) else {None: radius}
        if space is None:
            problems.append(
                f"radius={radius!r} is in units of cost, and {type(reference).__name__} has no "
                "actions_ that tell costs: give actions, for example of RecourseAuditor.actions_, "
                "or a mapping from feature to raw units."
            )
    problems += [
        f"radius{'' if name is None else f'[{name!r}]'}={size!r}: a finite number >= 0 is needed."
        for name, size in wrong.items()
    ]
    raise_problems("margin_certificate", problems)
    if target is None:
        target = getattr(reference, "target_", None)
        target = np.asarray(reference.classes_).tolist()[-1] if target is None else target
    return frame, space, target


def _is_size(value):
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and np.isfinite(value) and value >= 0


def _radii(radius, space, encoding, frame):
    """Pairs of a raw column's position and its radius in raw units, and the problems found."""
    if not isinstance(radius, Mapping):
        moves = space.numeric
        return list(zip(moves.raw_column, radius / moves.weight, strict=True)), []
    numeric = {f.name: f.raw_column for f in encoding.features if hasattr(f, "raw_column")}
    problems = [
        f"radius[{name!r}]: not a numeric feature of the model; these are "
        f"{', '.join(map(repr, numeric))}."
        for name in radius
        if name not in numeric
    ]
    return [(numeric[name], size) for name, size in radius.items() if name in numeric], problems


def _moved(frame, widths, sign):
    moved = frame.copy()
    for raw, width in widths:
        moved.isetitem(raw, frame.iloc[:, raw].astype(float) + sign * width)
    return moved


def _folded(layers):
    """The layers with a shift of the logits, as of ValidityCalibrator, in the last bias.

    So that neurons come in pairs; one more rounding of a bias is within the bounds' slack.
    """
    *hidden, last = layers
    if not hidden or hidden[-1].relu or not np.array_equal(last.weight, np.eye(len(last.bias))):
        return layers
    return (*hidden[:-1], Layer(hidden[-1].weight, hidden[-1].bias + last.bias))


def _spread(values, success):
    """Values of people with recourse among all; NaN for the others."""
    spread = np.full(len(success), np.nan)
    spread[success] = values
    return spread
