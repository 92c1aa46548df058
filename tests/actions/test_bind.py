"""Binding: names, units, and everything that the rows cannot express."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skcfq.actions import ActionSet, Encoding, auto_preprocessor, bind_actions

ROWS = pd.DataFrame(
    {
        "age": [20.0, 31, 44, 25, 60, 33],
        "income": [900.0, 2100, 1500, 3200, 1800, 2500],
        "loans": [0, 2, 1, 3, 0, 1],
        "job": list("abcabc"),
        "home": list("xyxyxx"),
    }
)


def bind(actions, frame=ROWS, preprocessor="auto", sample_weight=None):
    """Bind to an encoding of the frame; `preprocessor` as in an estimator."""
    if preprocessor == "auto":
        preprocessor = auto_preprocessor(frame)
    return bind_actions(actions, Encoding(preprocessor, frame.columns), frame, sample_weight)


def problem(actions, *args, **kwargs):
    """The one problem that binding reports."""
    with pytest.raises(ValueError) as error:
        bind(actions, *args, **kwargs)
    text = str(error.value)
    assert text.startswith("ActionSet: ")
    return text.removeprefix("ActionSet: ")


def encoded(prefixes=True, scaler=None, **options):
    """ROWS behind a ColumnTransformer, as an estimator at a Pipeline's end sees them."""
    transformer = ColumnTransformer(
        [
            ("num", scaler or StandardScaler(), ["age", "income", "loans"]),
            ("cat", OneHotEncoder(sparse_output=False, **options), ["job", "home"]),
        ],
        verbose_feature_names_out=prefixes,
    )
    return transformer.set_output(transform="pandas").fit_transform(ROWS)


# ----- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("incom", " Did you mean 'income'?"),
        ("hme", " Did you mean 'home'?"),
        ("quite else", ""),
        (99, ""),
        (-1, ""),
        (True, ""),
        (1.5, ""),
    ],
)
def test_unknown_feature(name, hint):
    assert problem(ActionSet(immutable=[name])) == (
        f"unknown feature {name!r}.{hint} Features are 'age', 'income', 'loans', 'job', 'home'."
    )


def test_long_lists_of_features_are_cut():
    frame = pd.DataFrame(np.arange(45.0).reshape(3, 15), columns=[f"f{i}" for i in range(15)])
    text = problem(ActionSet(step={"z": 1}), frame)
    assert text.endswith("'f10', 'f11' and 3 more.")


def test_all_unknown_names_and_units_come_at_once():
    actions = ActionSet(
        immutable=["x1"], bounds={"job": (0, 1)}, transitions={"age": {}}, cost_weights={"x2": 1}
    )
    with pytest.raises(ValueError) as error:
        bind(actions)
    assert str(error.value).splitlines() == [
        "ActionSet has 4 problems:",
        "  1. unknown feature 'x1'. Features are 'age', 'income', 'loans', 'job', 'home'.",
        "  2. unknown feature 'x2'. Features are 'age', 'income', 'loans', 'job', 'home'.",
        "  3. 'age' is numeric: transitions are for categories.",
        "  4. 'job' is categorical: bounds is for numbers. Use transitions.",
    ]


def test_a_mistyped_name_does_not_hide_the_aliases_of_others():
    # Once the alias was not resolved, 'num__loans' would be reported as not immutable too.
    frame = encoded(scaler=FunctionTransformer(feature_names_out="one-to-one"))
    frame["num__loans"] = ROWS["loans"]
    opaque = ColumnTransformer(
        [("p", PolynomialFeatures(), ["num__loans"])], remainder="passthrough"
    ).fit(frame)
    text = problem(ActionSet(immutable=["loans", "agge"]), frame, opaque)
    assert text.startswith("unknown feature 'agge'. Did you mean 'age'? Features are")


def test_aliases_without_the_branch_name():
    space = bind(
        ActionSet(immutable=["age", "job"], increase_only=["income"], cost_weights={"loans": 3}),
        encoded(),
        None,
    )
    assert space.actions.immutable == ("num__age", "cat__job")
    assert space.actions.increase_only == ("num__income",)
    assert space.actions.cost_weights == {"num__loans": 3}
    assert space.feature_names == ("num__age", "num__income", "num__loans", "cat__job", "cat__home")


def test_ambiguous_alias():
    frame = ROWS[["age", "income"]].set_axis(["a__x", "b__x"], axis=1)
    assert problem(ActionSet(step={"x": 1}), frame) == (
        "'x' may be 'a__x' or 'b__x': give the full name."
    )
    bind(ActionSet(step={"a__x": 1}), frame)


def test_the_same_feature_under_two_names():
    actions = ActionSet(bounds={"income": (0, 1), "num__income": (0, 2)})
    assert problem(actions, encoded(scaler="passthrough"), None) == (
        "bounds: 'income' and 'num__income' are the same feature."
    )
    actions = ActionSet(immutable=["income", "num__income"])
    assert set(bind(actions, encoded(), None).actions.immutable) == {"num__income"}
    with pytest.raises(ValueError, match="'num__income' is immutable and also in step"):
        bind(ActionSet(immutable=["income"], step={"num__income": 1}), encoded(), None)


def test_features_by_position():
    space = bind(ActionSet(immutable=[0, 3], increase_only=[np.int64(1)]))
    assert space.actions.immutable == ("age", "job")
    assert space.actions.increase_only == ("income",)
    # A column of a one-hot group stands for the group.
    position = list(encoded().columns).index("cat__job_b")
    assert bind(ActionSet(immutable=[position]), encoded(), None).actions.immutable == ("cat__job",)


@pytest.mark.parametrize("field", ["immutable", "transitions"])
def test_one_column_of_a_one_hot_group(field):
    value = ["cat__job_b"] if field == "immutable" else {"cat__job_b": {}}
    assert problem(ActionSet(**{field: value}), encoded(), None) == (
        "'cat__job_b' is one column of the one-hot group 'cat__job': name the group, so that "
        "exactly one of its categories stays active."
    )


def test_groups_named_by_the_user_are_features():
    frame = pd.get_dummies(ROWS[["job", "age"]]).rename(columns=lambda c: c.replace("_", "="))
    columns = ("job=a", "job=b", "job=c")
    space = bind(ActionSet(groups={"work": columns}, immutable=["work"]), frame, None)
    assert space.feature_names == ("age", "work")
    assert len(space.discrete) == 0


# ----- units in Pipeline mode --------------------------------------------------------------


@pytest.mark.parametrize("prefixes", [True, False])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
@pytest.mark.parametrize(
    "fields",
    [
        {"bounds": {"income": (1000, 4000)}},
        {"step": {"income": 50}},
        {"allowed_values": {"income": (1000, 2000)}},
        {"bounds": {"income": (1000, 4000)}, "step": {"income": 50}},
    ],
)
def test_raw_units_on_scaled_columns(fields, scaler, prefixes):
    frame = encoded(prefixes, scaler)
    name = "num__income" if prefixes else "income"
    low, high = frame[name].min(), frame[name].max()
    assert problem(ActionSet(**fields), frame, None) == (
        f"{' and '.join(fields)} of {name!r} cannot be expressed in this column, which holds "
        f"scaled values from {low:.3g} to {high:.3g}: give the ColumnTransformer as "
        "preprocessor=... and fit on the raw frame, or leave them out."
    )


def test_scaled_columns_take_directions_and_immutability():
    space = bind(ActionSet(immutable=["age"], increase_only=["income"]), encoded(), None)
    assert space.numeric.feature.tolist() == [1, 2]
    assert space.numeric.falls.tolist() == [False, True]


def test_columns_that_only_look_scaled_are_taken_at_their_word():
    shares = pd.DataFrame({"use": [0.0, 0.2, 0.9, 1.0, 0.4]})
    space = bind(ActionSet(bounds={"use": (0, 1)}, step={"use": 0.1}), shares)
    assert (space.numeric.lower, space.numeric.upper, space.numeric.step) == (0, 1, 0.1)
    raw = pd.DataFrame({"n": [0, 1, 5, 3]})
    assert bind(ActionSet(bounds={"n": (0, 9)}, step={"n": 1}), raw).numeric.upper == 9


def test_missing_values_do_not_hide_the_unit():
    frame = encoded()
    column = ROWS["income"].where(ROWS["age"] < 60)
    frame["num__income"] = (column - column.mean()) / column.std(ddof=0)
    text = problem(ActionSet(step={"income": 50}), frame, None)
    assert "which holds scaled values from -1.44 to 1.46:" in text


# ----- features that cannot be moved -------------------------------------------------------


def opaque():
    return ColumnTransformer(
        [
            ("poly", PolynomialFeatures(), ["age"]),
            ("twice", StandardScaler(), ["income"]),
            ("again", MinMaxScaler(), ["income"]),
            ("cat", OneHotEncoder(), ["job", "home"]),
        ]
    ).fit(ROWS)


def test_opaque_features_must_be_immutable():
    with pytest.raises(ValueError) as error:
        bind(ActionSet(), preprocessor=opaque())
    cure = "add it to immutable, or encode it with a scaler, OneHotEncoder or OrdinalEncoder."
    assert str(error.value).splitlines()[1:] == [
        "  1. 'age' cannot be moved, because PolynomialFeatures is neither affine nor a category "
        f"code: {cure}",
        f"  2. 'income' cannot be moved, because it feeds several transformers: {cure}",
    ]
    # 'loans' is dropped: no model sees it, and nothing needs to be said about it.
    space = bind(ActionSet(immutable=["age", "income"]), preprocessor=opaque())
    assert [d.feature for d in space.discrete] == [3, 4]
    assert len(space.numeric.feature) == 0


def test_without_an_action_set_opaque_features_just_stay():
    space = bind(None, preprocessor=opaque())
    assert space.actions == ActionSet()
    assert len(space.numeric.feature) == 0
    assert len(space.discrete) == 2


# ----- values that the column cannot express -----------------------------------------------


def test_trap_lower_above_upper_where_one_side_comes_from_the_rows():
    assert problem(ActionSet(bounds={"age": (None, 18)})) == (
        "bounds['age']=(None, 18): training values are from 20 to 60, all above. Give both sides."
    )
    assert problem(ActionSet(bounds={"age": (65, None)})) == (
        "bounds['age']=(65, None): training values are from 20 to 60, all below. Give both sides."
    )
    space = bind(ActionSet(bounds={"age": (65, 70), "income": (None, 900)}))
    assert space.numeric.lower.tolist() == [65, 900, 0]
    assert space.numeric.upper.tolist() == [70, 900, 3]


def test_trap_lower_above_upper_written_into_the_mapping_later():
    actions = ActionSet(bounds={"age": (0, 70)})
    actions.bounds["age"] = (70, 0)
    assert problem(actions) == "bounds['age']=(70, 0): lower is above upper."


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"allowed_values": {"age": ["old"]}},
            "allowed_values['age']=('old',): the feature is numeric, numbers are needed.",
        ),
        (
            {"allowed_values": {"age": [True]}},
            "allowed_values['age']=(True,): the feature is numeric, numbers are needed.",
        ),
        (
            {"allowed_values": {"age": [70, 10]}, "bounds": {"age": (20, 60)}},
            "allowed_values['age']=(70, 10) has no value within bounds (20, 60).",
        ),
        (
            {"allowed_values": {"job": ["z", "q"]}},
            "allowed_values['job'] names 'z', 'q'; the categories are 'a', 'b', 'c'.",
        ),
        (
            {"transitions": {"job": {"z": ["q"]}}},
            "transitions['job'] names 'z', 'q'; the categories are 'a', 'b', 'c'.",
        ),
        (
            {"increase_only": ["job"]},
            "'job' is categorical: increase_only is for numbers. Use transitions.",
        ),
        ({"step": {"job": 1}}, "'job' is categorical: step is for numbers. Use transitions."),
        ({"transitions": {"age": {}}}, "'age' is numeric: transitions are for categories."),
    ],
)
def test_values_that_do_not_fit_the_feature(fields, message):
    assert problem(ActionSet(**fields)) == message


def test_a_split_may_lack_a_rare_category():
    space = bind(ActionSet(allowed_values={"job": ["a", "rare"]}))
    (job, _) = space.discrete
    assert job.allowed[0].tolist() == [True, False, False]
    bind(ActionSet(transitions={"job": {"rare": ["a"]}}))


# ----- cost weights ------------------------------------------------------------------------


def test_cost_weights_in_closed_form():
    column = np.array([1.0, 2.0, 4.0, 8.0, 10.0])
    frame = pd.DataFrame({"x": column, "y": 3 * column})
    median_deviation = np.median(np.abs(column - np.median(column)))
    for rule, scale in {"std": column.std(), "mad": median_deviation, "range": 9.0}.items():
        weight = bind(ActionSet(cost_weights=rule), frame).numeric.weight
        np.testing.assert_allclose(weight, [1 / scale, 1 / (3 * scale)])
    weight = bind(ActionSet(cost_weights={"y": 0.25}), frame).numeric.weight
    np.testing.assert_allclose(weight, [1 / column.std(), 0.25])


def test_mad_of_zero_is_the_standard_deviation():
    frame = pd.DataFrame({"x": [0.0, 0, 0, 0, 5]})
    weight = bind(ActionSet(cost_weights="mad"), frame).numeric.weight
    np.testing.assert_allclose(weight, 1 / frame["x"].std(ddof=0))


@pytest.mark.parametrize("rule", ["std", "mad", "range"])
def test_a_constant_column_weighs_one(rule):
    frame = pd.DataFrame({"x": [1e9] * 4, "y": [0.0, 1, 2, 3]})
    assert bind(ActionSet(cost_weights=rule), frame).numeric.weight[0] == 1


@pytest.mark.parametrize("rule", ["std", "mad", "range"])
def test_weights_of_rows_equal_copies_of_rows(rule):
    frame = pd.DataFrame({"x": [1.0, 2, 4, 8, 99]})
    weighted = bind(
        ActionSet(cost_weights=rule), frame, sample_weight=np.array([3, 1, 1, 2, 0])
    ).numeric.weight
    copied = bind(ActionSet(cost_weights=rule), frame.iloc[[0, 0, 0, 1, 2, 3, 3]]).numeric.weight
    np.testing.assert_allclose(weighted, copied)


def test_a_change_of_category_weighs_one_or_what_the_mapping_says():
    assert [d.weight for d in bind(ActionSet(cost_weights="range")).discrete] == [1, 1]
    assert [d.weight for d in bind(ActionSet(cost_weights={"home": 4})).discrete] == [1, 4]


def test_columns_without_any_value_stay():
    frame = ROWS.assign(income=np.nan)
    preprocessor = ColumnTransformer([("num", "passthrough", ["age", "income"])]).fit(frame)
    space = bind(ActionSet(), frame, preprocessor)
    rows = space.rows(frame)
    assert (rows.low[:, 1] == 0).all()
    assert (rows.high[:, 1] == 0).all()


def test_a_pipeline_of_transformers_binds_as_its_parts():
    transformer = ColumnTransformer(
        [("num", "passthrough", ["age", "income"]), ("cat", OneHotEncoder(), ["job"])],
        sparse_threshold=0,
    )
    actions = ActionSet(step={"age": 1}, bounds={"age": (18, 70)})
    space = bind(actions, ROWS, make_pipeline(transformer, StandardScaler()).fit(ROWS))
    assert space.numeric.upper[0] == 70
    np.testing.assert_allclose(space.numeric.scale, 1 / ROWS[["age", "income"]].std(ddof=0))
    assert space.discrete[0].table.categories == ("a", "b", "c")
