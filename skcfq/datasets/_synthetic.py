"""A credit data set whose decision rule, and so whose cheapest recourse, is known."""

import math
import numbers

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from .._utils._errors import raise_problems
from ..actions import ActionSet, rising_transitions
from ._affine_recourse import affine_score, cheapest_affine_action
from ._bunch import assemble

TARGET = "credit"
INTERCEPT = -2.3
#: Score per raw unit, or effect of a category. Sex has no part in the decision.
COEFFICIENTS = {
    "age": 0.01,
    "income": 8e-4,
    "debt": -8e-5,
    "savings": 6e-5,
    "years_employed": 0.06,
    "open_loans": -0.25,
    "housing": {"family": -0.1, "rent": 0.0, "own": 0.4},
    "employment": {"unemployed": -1.0, "temporary": 0.0, "self-employed": 0.1, "permanent": 0.5},
}
#: Cost per raw unit, or per change of category. No two features give the same score per cost.
COSTS = {
    "income": 1 / 350,
    "debt": 1 / 5000,
    "savings": 1 / 5000,
    "years_employed": 1.0,
    "open_loans": 0.5,
    "housing": 3.0,
    "employment": 1.2,
}
BOUNDS = {
    "income": (0, 6000),
    "debt": (0, 60000),
    "savings": (0, 10000),
    "years_employed": (0, 50),
    "open_loans": (0, 8),
}

ACTIONS = ActionSet(
    immutable=("age", "sex"),
    bounds=BOUNDS,
    allowed_values={f: tuple(COEFFICIENTS[f]) for f in ("housing", "employment")},
    max_changes=3,
    cost_weights=COSTS,
)

REALISTIC_ACTIONS = ActionSet(
    immutable=("age", "sex", "housing"),
    increase_only=("years_employed",),
    decrease_only=("debt", "open_loans"),
    bounds=BOUNDS,
    step={"income": 50, "debt": 100, "savings": 100, "years_employed": 1, "open_loans": 1},
    transitions={
        "employment": rising_transitions(("unemployed", "temporary", "self-employed", "permanent"))
    },
    max_changes=3,
    cost_weights=COSTS,
)

DESCR = """\
Synthetic credit decisions with known recourse

People and a decision rule made up for this package; no row is a real person. A credit is granted
if a known affine score of the features, plus noise, is at least 0. The cheapest action under the
noise-free score is known for every row, in closed form.
"""


def make_recourse_classification(n_samples=2000, *, noise=0.4, random_state=None):
    """Generate credit decisions with known cheapest recourse (binary classification).

    The decision rule is affine in raw units: an intercept, a score per unit of each number,
    and the effect of each category. A credit is granted if score plus noise is at least 0,
    which about 60 % of people reach. Use it to check a recourse solver, or a quantized model's
    recourse, against the truth.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of people, at least 1.
    noise : float, default=0.4
        Standard deviation of the normal noise that is added to the score when the decision is
        drawn, in score units, at least 0. With 0.4 about 8 % of decisions are not those of
        the rule, with 0 none. The features do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Fixes the draw.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (n_samples, 10), features and the column ``credit``;
        - ``data`` : DataFrame of shape (n_samples, 9). int64: age (years), income (euros a
          month), debt and savings (euros), years_employed (years), open_loans (number).
          Strings: sex, housing, employment;
        - ``target`` : Series of ``"granted"`` and ``"refused"``; ``target_names``, sorted;
        - ``favourable`` : ``"granted"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : ``None``;
        - ``actions`` : the :class:`~skcfq.ActionSet` of ``true_recourse``: age and sex are
          fixed, three changes at most, L1 cost. Bounds, categories and weights are written
          out, so nothing in it depends on the rows drawn;
        - ``realistic_actions`` : the same bounds, weights and number of changes, with numbers
          in steps (50 euros of income, 100 of debt and savings, whole years and loans), debts
          and loans that only fall, tenure and employment that only rise, and fixed housing;
        - ``sensitive_features`` : ``("sex", "age")``; sex is not in the decision rule, but
          women earn 8 % less, as they do in many places;
        - ``true_coefficients`` : dict of feature to score per raw unit, or to a dict of
          category to score; ``true_intercept`` : float;
        - ``true_score`` : Series of the noise-free score of every row;
        - ``true_recourse`` : DataFrame of shape (n_samples, 10): the values of the features
          after the cheapest action under ``actions``, and its ``cost``. The action brings
          ``true_score`` to 1e-9 or more; whoever has 0 or more keeps everything, at cost 0.
          Everyone has an action;
        - ``DESCR`` : what this is.

    Raises
    ------
    ValueError
        If a parameter is out of its range; all such parameters are listed.

    Notes
    -----
    With categories settled, the cheapest change of the numbers is a fractional knapsack: fill
    the missing score with the feature that gives most score per cost, up to its bound, then
    with the next [1]_. All changes of category, and all choices of at most three features, are
    tried, so ``true_recourse`` is the exact optimum for continuous changes. It is not the
    optimum under ``realistic_actions``, whose steps can only make recourse dearer.

    References
    ----------
    .. [1] G. B. Dantzig (1957). "Discrete-Variable Extremum Problems". Operations Research
       5(2). https://doi.org/10.1287/opre.5.2.266

    Examples
    --------
    >>> from skcfq.datasets import make_recourse_classification
    >>> credit = make_recourse_classification(n_samples=500, random_state=0)
    >>> credit.data.shape, credit.favourable
    ((500, 9), 'granted')
    >>> refused = credit.true_score < 0
    >>> bool((credit.true_recourse["cost"][refused] > 0).all())
    True
    """
    problems = []
    if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
        problems.append(f"n_samples={n_samples!r}: an integer >= 1 is needed.")
    if not isinstance(noise, numbers.Real) or not math.isfinite(noise) or noise < 0:
        problems.append(f"noise={noise!r}: a finite number >= 0 is needed.")
    raise_problems("make_recourse_classification", problems)

    random = check_random_state(random_state)
    data = _draw_people(n_samples, random)
    score = affine_score(data, COEFFICIENTS, INTERCEPT).rename("true_score")
    granted = score + noise * random.normal(size=n_samples) >= 0
    frame = data.assign(**{TARGET: np.where(granted, "granted", "refused")})
    return assemble(
        frame,
        target=TARGET,
        favourable="granted",
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("sex", "age"),
        DESCR=DESCR,
        true_coefficients={
            feature: dict(value) if isinstance(value, dict) else value
            for feature, value in COEFFICIENTS.items()
        },
        true_intercept=INTERCEPT,
        true_score=score,
        true_recourse=cheapest_affine_action(data, COEFFICIENTS, INTERCEPT, ACTIONS),
    )


def _draw_people(n_samples, random):
    """Features that hang together: no job no tenure, no loan no debt, pay by employment."""
    age = random.normal(42, 13, n_samples).round().clip(18, 75)
    sex = random.choice(["female", "male"], n_samples)
    employment = random.choice(
        ["permanent", "temporary", "self-employed", "unemployed"],
        n_samples,
        p=[0.60, 0.18, 0.14, 0.08],
    )
    tenure = np.minimum(random.exponential(7, n_samples).round(), age - 16)
    years_employed = np.where(employment == "unemployed", 0, tenure)
    typical = {"permanent": 2700, "temporary": 2000, "self-employed": 2900, "unemployed": 1100}
    pay = np.array([typical[kind] for kind in employment]) * np.where(sex == "female", 0.92, 1.0)
    income = (pay * random.lognormal(0, 0.4, n_samples)).round().clip(500, 12000)
    open_loans = random.poisson(1.4, n_samples).clip(0, 8)
    debt = (open_loans * random.lognormal(8.3, 0.8, n_samples)).round().clip(0, 60000)
    savings = random.lognormal(8.3, 1.1, n_samples).round().clip(0, 80000)
    housing = random.choice(["rent", "own", "family"], n_samples, p=[0.50, 0.35, 0.15])
    numbers_drawn = {
        "age": age,
        "income": income,
        "debt": debt,
        "savings": savings,
        "years_employed": years_employed,
        "open_loans": open_loans,
    }
    people = pd.DataFrame({name: drawn.astype(np.int64) for name, drawn in numbers_drawn.items()})
    people.insert(1, "sex", sex)
    return people.assign(housing=housing, employment=employment)
