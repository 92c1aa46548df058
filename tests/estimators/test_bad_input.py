"""Bad input is one clear error that says what, where and what to do, before any work."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import skorch.callbacks
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import (
    ActionSet,
    CFQClassifier,
    FullPrecisionClassifier,
    GreedySolver,
    PaperObjective,
    QATClassifier,
)


class NeverFitted(LogisticRegression):
    """A teacher that tells if work begins before the input is checked."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("work began")


def refused(message, error=ValueError):
    """Expect an error of exactly this type and text."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.fixture
def X(credit):
    return credit.data.head(100).copy()


@pytest.fixture
def y(credit):
    return credit.target.head(100).copy()


def fit(X, y, **params):
    small = {"hidden_layer_sizes": (4,), "max_epochs": 1, "random_state": 0}
    return CFQClassifier(**{**small, "teacher": NeverFitted(), **params}).fit(X, y)


def test_the_guard_can_fail(X, y):
    with pytest.raises(AssertionError, match="work began"):
        fit(X, y)


# ----- rows ----------------------------------------------------------------------------------


def test_every_bad_number_of_a_frame_is_listed(X, y):
    X["income"] = X["income"].astype(float)
    X["debt"] = X["debt"].astype(float)
    X.loc[X.index[3], "income"] = np.nan
    X.loc[X.index[5], "debt"] = np.inf
    with refused(
        "Input X of QATClassifier has 2 problems:\n"
        "  1. column 'income' holds NaN. Impute it: preprocessor=ColumnTransformer with "
        "SimpleImputer in front of the scaler.\n"
        "  2. column 'debt' holds infinity."
    ):
        QATClassifier().fit(X, y)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_arrays_with_nan_or_infinity_are_refused(value, said):
    X = np.ones((20, 2))
    X[4, 1] = value
    with pytest.raises(ValueError, match=f"Input X contains {said}"):
        fit(X, [0, 1] * 10)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, r"NaN or infinity after the preprocessor, from the columns \['savings'\]: add a "),
        (np.inf, r"column 'savings' holds infinity\."),
    ],
    ids=["NaN", "infinity"],
)
def test_bad_numbers_are_refused_at_predict(fitted, X, value, said):
    X["savings"] = X["savings"].astype(float)
    X.loc[X.index[0], "savings"] = value
    for method in (fitted.predict, fitted.predict_proba, fitted.recourse):
        with pytest.raises(ValueError, match=said):
            method(X)


def test_missing_number_is_refused_at_predict_without_a_teacher_of_the_users(X, y):
    classifier = FullPrecisionClassifier((4,), max_epochs=1).fit(X, y)
    X["savings"] = X["savings"].astype(float)
    X.loc[X.index[0], "savings"] = np.nan
    with pytest.raises(ValueError, match=r"column 'savings' holds NaN\. Impute it"):
        classifier.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "recourse", "score"])
def test_unknown_category_names_column_value_and_known_values(fitted, X, y, method):
    given = (X, y) if method == "score" else (X,)
    X.loc[X.index[0], "housing"] = "castle"
    X.loc[X.index[1], "employment"] = "king"
    with refused(
        "X of CFQClassifier: column 'housing' holds 'castle', not seen in fit; known are 'family', "
        "'own', 'rent'. column 'employment' holds 'king', not seen in fit; known are 'permanent', "
        "'self-employed', 'temporary', 'unemployed'. Correct the values, or give a preprocessor "
        "whose OneHotEncoder has handle_unknown='infrequent_if_exist'."
    ):
        getattr(fitted, method)(*given)


def test_missing_category_is_unknown_if_fit_saw_none(fitted, X):
    X["housing"] = X["housing"].astype(object)
    X.loc[X.index[0], "housing"] = None
    with pytest.raises(ValueError, match="column 'housing' holds nan, not seen in fit"):
        fitted.predict(X)


def test_text_in_a_numeric_column_names_column_and_value(fitted, X):
    X["age"] = X["age"].astype(object)
    X.loc[X.index[0], "age"] = "old"
    with refused("X of CFQClassifier: column 'age' holds 'old', not a number."):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: X.rename(columns={"age": "years"}), "unseen at fit time:\n- years"),
        (lambda X: X.drop(columns="age"), "seen at fit time, yet now missing:\n- age"),
        (lambda X: X[X.columns[::-1]], "must be in the same order"),
    ],
)
def test_other_columns_than_in_fit_are_refused(fitted, X, change, said):
    for method in (fitted.predict, fitted.recourse):
        with pytest.raises(ValueError, match=said):
            method(change(X))


def test_array_has_the_columns_of_fit(X, y):
    numbers = X.select_dtypes("number")
    numbers = (numbers - numbers.mean()) / numbers.std()
    classifier = fit(numbers, y, teacher=LogisticRegression(), hidden_layer_sizes=())
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        predicted = classifier.predict(numbers.to_numpy())
    np.testing.assert_array_equal(predicted, classifier.predict(numbers))


@pytest.mark.parametrize("sparse", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_array_is_refused(sparse):
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense data is required"):
        fit(sparse(np.eye(10)), [0, 1] * 5)


def test_sparse_column_is_refused(X, y):
    X["debt"] = pd.arrays.SparseArray(X["debt"])
    with refused(
        "column 'debt' is sparse: dense data is required, use sparse.to_dense().", TypeError
    ):
        fit(X, y)


def test_empty_frame_is_refused(fitted, X, y):
    message = (
        "Found array with 0 sample(s) and 9 feature(s) (shape=(0, 9)) while a minimum of 1 is "
        "required."
    )
    with refused(message):
        fit(X.head(0), y.head(0))
    with refused(message):
        fitted.predict(X.head(0))
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        fit(X[[]], y)


def test_duplicate_columns_are_refused(X, y):
    with refused("X has columns of the same name: ['age']. Rename them."):
        fit(pd.concat([X, X[["age"]]], axis=1), y)


@pytest.mark.parametrize(
    "column",
    [
        pd.Timestamp("2020-02-01"),
        pd.Timestamp("2020-02-01", tz="UTC"),
        pd.Timedelta(days=1),
        pd.Period("2020-02", "M"),
        pd.Timestamp("2020-02-01").date(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dates_are_refused(X, y, column):
    X["since"] = [column] * len(X)
    with refused(
        "Input X of CFQClassifier: column 'since' holds dates or times: turn them into numbers "
        "first, e.g. years."
    ):
        fit(X, y)


def test_text_needs_a_preprocessor(X, y):
    with refused(
        "CFQClassifier has 3 problems:\n"
        "  1. column 'sex' is not numeric: with preprocessor=None, X must be encoded.\n"
        "  2. column 'housing' is not numeric: with preprocessor=None, X must be encoded.\n"
        "  3. column 'employment' is not numeric: with preprocessor=None, X must be encoded."
    ):
        fit(X, y, preprocessor=None, teacher=None)


def test_missing_numbers_after_the_preprocessor_are_refused(X, y):
    X["income"] = X["income"].astype(float)
    X.loc[X.index[0], "income"] = np.nan
    preprocessor = ColumnTransformer(
        [
            ("numbers", StandardScaler(), make_column_selector(dtype_include="number")),
            ("words", OneHotEncoder(), make_column_selector(dtype_exclude="number")),
        ]
    )
    with refused(
        "X of FullPrecisionClassifier holds NaN or infinity after the preprocessor, from the "
        "columns ['income']: add a SimpleImputer to it."
    ):
        fit(X, y, teacher=None, preprocessor=preprocessor)


# ----- labels and weights --------------------------------------------------------------------


def test_one_class_is_refused(X):
    with refused(
        "CFQClassifier needs at least two classes in y with positive weight; y holds only one "
        "class: ['granted']."
    ):
        fit(X, np.full(len(X), "granted"))


@pytest.mark.parametrize("where", ["sample_weight", "class_weight"])
def test_one_class_with_positive_weight_is_refused(X, y, where):
    weight = {"granted": 0.0, "refused": 1.0}
    classifier, given = CFQClassifier(teacher=NeverFitted()), {}
    if where == "sample_weight":
        given["sample_weight"] = y.map(weight)
    else:
        classifier.set_params(class_weight=weight)
    with pytest.raises(ValueError, match=r"y holds only one class: \['refused'\]"):
        classifier.fit(X, y, **given)


def test_negative_class_weight_is_refused(X, y):
    weight = {"granted": -1.0, "refused": 1.0}
    with refused(f"CFQClassifier: class_weight={weight!r}: weights >= 0 are needed."):
        fit(X, y, class_weight=weight)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (-np.ones(100), "Negative values in data passed to `sample_weight`"),
        (np.ones(99), r"sample_weight.shape == \(99,\), expected \(100,\)"),
        (np.full(100, np.nan), "Input sample_weight contains NaN"),
        (np.zeros(100), "must contain at least one non-zero number"),
    ],
    ids=["negative", "short", "NaN", "zero"],
)
def test_bad_weights_are_refused(X, y, weight, said):
    with pytest.raises(ValueError, match=said):
        CFQClassifier(teacher=NeverFitted()).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "y_bad",
    [
        np.array([0.0, 1.0, np.nan, 1.0] * 25),
        np.array([0.0, 1.0, np.inf, 1.0] * 25),
        np.array(["yes", "no", None, "no"] * 25, dtype=object),
    ],
    ids=["NaN", "infinity", "None"],
)
def test_missing_labels_are_refused(X, y_bad):
    with refused("Input y contains NaN, infinity or missing labels."):
        fit(X, y_bad)


def test_no_labels_or_other_than_rows_are_refused(fitted, X, y):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        fit(X, None)
    for use in (fit, lambda X, y: fitted.score(X, y)):
        with refused("Found input variables with inconsistent numbers of samples: [100, 7]"):
            use(X, y.head(7))
    with pytest.raises(ValueError, match="y should be a 1d array"):
        fit(X, np.zeros((100, 2)))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        fit(X, np.linspace(0, 1, 100))


def test_labels_of_another_kind_are_refused_by_score(fitted, X):
    with pytest.raises(ValueError, match="y_true holds numbers and y_pred holds text"):
        fitted.score(X, np.arange(100) % 2)


# ----- parameters ----------------------------------------------------------------------------


def test_all_wrong_parameters_are_listed(X, y):
    with refused(
        "CFQClassifier has 3 problems:\n"
        "  1. The 'eta' parameter of CFQClassifier must be a float in the range [0.0, inf). Got -2 "
        "instead.\n"
        "  2. The 'lr' parameter of CFQClassifier must be a float in the range (0.0, inf) or a str among "
        "{'auto'}. Got -1 instead.\n"
        "  3. The 'max_epochs' parameter of CFQClassifier must be an int in the range [1, inf). Got "
        "0 instead."
    ):
        CFQClassifier(max_epochs=0, lr=-1, eta=-2).fit(X, y)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("hidden_layer_sizes", 8),
        ("bit_budget", 0),
        ("bit_budget", float("nan")),
        ("bits", "4"),
        ("activation_bits", 1),
        ("activation_bits", 9),
        ("target", ["granted"]),
        ("actions", {"immutable": ["age"]}),
        ("solver", "greedy"),
        ("solver", GreedySolver),
        ("preprocessor", "autoo"),
        ("preprocessor", StandardScaler),
        ("teacher", "mlp"),
        ("teacher", FullPrecisionClassifier),
        ("memory", 5),
        ("class_weight", "balance"),
        ("validation_fraction", 1.0),
        ("random_state", "seed"),
    ],
)
def test_wrong_parameter_is_named_with_what_is_allowed(X, y, parameter, value):
    message = f"^The '{parameter}' parameter of CFQClassifier must be .* Got .* instead\\.$"
    with pytest.raises(ValueError, match=message) as caught:
        CFQClassifier(**{parameter: value}).fit(X, y)
    assert type(caught.value).__name__ == "InvalidParameterError"


@pytest.mark.parametrize("objective", ["cfq", "paper", PaperObjective])
def test_trap_a_mistyped_method_name_is_accepted(X, y, objective):
    """A method is an object: there is no name to mistype, and a class is no object."""
    with pytest.raises(ValueError, match="The 'objective' parameter of CFQClassifier must be an "):
        fit(X, y, objective=objective)


def test_trap_an_objective_with_a_mistyped_term_is_accepted():
    with pytest.raises(TypeError, match="matchh_action"):
        PaperObjective(matchh_action=0.1)


def test_all_that_is_impossible_is_listed(X, y):
    with refused(
        "CFQClassifier has 6 problems:\n"
        "  1. hidden_layer_sizes=(8, 0): whole numbers >= 1 are needed, or () for no hidden layer.\n"
        "  2. target='yes' is not one of the classes ['granted', 'refused'].\n"
        '  3. bits=7.5: not a width. Allowed: "ternary" (or 1.58), 2, 3, 4, 5, 6, 7, 8.\n'
        "  4. bit_budget=1.5 is below the narrowest width, 2 bits: raise the budget, or add a "
        "narrower width to bits (1.58 is ternary).\n"
        "  5. hinge=-1: a number >= 0 is needed.\n"
        "  6. callbacks holds 'stop': instances of skorch.callbacks.Callback are needed."
    ):
        CFQClassifier(
            (8, 0),
            callbacks=["stop"],
            target="yes",
            bits=(2, 7.5),
            bit_budget=1.5,
            objective=PaperObjective(hinge=-1),
            teacher=NeverFitted(),
        ).fit(X, y)


@pytest.mark.parametrize("sizes", [(8.0,), (True,), (-1,), ("8",)])
def test_layer_sizes_are_whole_numbers(X, y, sizes):
    for estimator in (FullPrecisionClassifier(sizes), QATClassifier(sizes, teacher=NeverFitted())):
        with pytest.raises(ValueError, match="whole numbers >= 1 are needed"):
            estimator.fit(X, y)


def test_unknown_device_is_refused(X, y):
    with pytest.raises(ValueError, match="CFQClassifier: device='warp' is not available"):
        fit(X, y, device="warp")


def test_callback_that_needs_other_batches_is_refused(X, y):
    with pytest.raises(ValueError, match=r"EpochScoring, .* use sklearn.callback.ScoringMonitor\."):
        fit(X, y, callbacks=[skorch.callbacks.EpochScoring("accuracy")])


def test_no_width_is_refused(X, y):
    with refused("CFQClassifier: bits=(): at least one width is needed."):
        fit(X, y, bits=())


@pytest.mark.parametrize(
    ("budget", "bits"), [(1.58, 1.58), (1.58, (1.58, 2)), (1.585, "ternary"), (2, ("ternary",))]
)
def test_ternary_budget_may_be_written_as_1_58(X, y, budget, bits):
    teacher = FullPrecisionClassifier((4,), max_epochs=1, random_state=0)
    classifier = fit(X, y, bit_budget=budget, bits=bits, teacher=teacher)
    assert set(classifier.bits_) == {np.log2(3)}
    assert classifier.average_bits_ == np.log2(3)


def test_action_on_a_missing_column_is_refused(X, y):
    actions = ActionSet(immutable=["agee"], bounds={"wealth": (0, 5)})
    with pytest.raises(ValueError, match="ActionSet has 2 problems:") as caught:
        fit(X, y, teacher=None, actions=actions)
    assert "1. unknown feature 'agee'. Did you mean 'age'?" in str(caught.value)
    assert "2. unknown feature 'wealth'." in str(caught.value)


def test_unfitted_is_said():
    for use in ("predict", "predict_proba", "decision_function", "recourse"):
        with pytest.raises(NotFittedError, match="This CFQClassifier instance is not fitted yet"):
            getattr(CFQClassifier(), use)([[0.0]])
    with pytest.raises(NotFittedError):
        CFQClassifier().score([[0.0]], [1])


# ----- teachers ------------------------------------------------------------------------------


def test_teacher_of_other_columns_and_classes_is_refused(X, y):
    numbers = X.select_dtypes("number")
    teacher = LogisticRegression(max_iter=1000).fit(numbers, (y == "granted").astype(int))
    with refused(
        "CFQClassifier has 2 problems:\n"
        "  1. the teacher was fitted on the columns ['age', 'income', 'debt', 'savings', "
        "'years_employed', 'open_loans'], X has ['age', 'income'].\n"
        "  2. the teacher knows the classes [0, 1], y holds ['granted', 'refused']."
    ):
        fit(numbers[["age", "income"]], y, teacher=FrozenEstimator(teacher))


def test_preprocessor_and_teacher_are_not_both_given(X, y):
    with refused(
        "CFQClassifier: preprocessor and teacher are both given, and the teacher's encoding is what "
        "the quantized network uses too: give the preprocessor to the teacher."
    ):
        fit(X, y, preprocessor=StandardScaler())


def test_teacher_of_another_width_is_refused():
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    with refused("CFQClassifier: the teacher was fitted on 2 columns, X has 3."):
        fit(X, y, teacher=LogisticRegression().fit(X[:, :2], y))


def test_teacher_with_names_is_refused_for_an_array():
    X = pd.DataFrame({"a": [0.0, 1.0] * 20, "b": 1.0})
    y = [0, 1] * 20
    with refused(
        "CFQClassifier: the teacher was fitted on the columns ['a', 'b'], X has 2 columns without "
        "names."
    ):
        fit(X.to_numpy(), y, teacher=LogisticRegression().fit(X, y))


class Rule(ClassifierMixin, BaseEstimator):
    """A classifier without a network."""

    def fit(self, X, y):
        raise AssertionError("work began")

    def predict(self, X):
        raise AssertionError("work began")


@pytest.mark.parametrize("teacher", [Rule(), RandomForestClassifier()])
def test_teacher_without_a_network_is_refused_before_it_is_fitted(X, y, teacher):
    with refused(
        f"CFQClassifier: the teacher {type(teacher).__name__} is not backed by a network that "
        "recourse can be searched on. Give a classifier of skcfq, MLPClassifier, "
        "LogisticRegression, a skorch classifier, or a Pipeline that ends in one."
    ):
        fit(X, y, teacher=teacher)


def test_uneven_weights_need_a_teacher_that_takes_them(X, y):
    numbers = X.select_dtypes("number")
    classifier = CFQClassifier(teacher=make_pipeline(StandardScaler(), NeverFitted()))
    with refused(
        "The teacher Pipeline takes no sample_weight: fit it yourself and give "
        "FrozenEstimator(teacher)."
    ):
        classifier.fit(numbers, y, sample_weight=np.arange(1.0, 101.0))
