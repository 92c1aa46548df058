"""What each person may do, what it costs, and the rows after it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.actions import (
    ActionSet,
    Encoding,
    auto_preprocessor,
    bind_actions,
    combine_cost,
    rising_transitions,
)
from skcfq.actions._scales import spread_values

TRAIN = pd.DataFrame(
    {
        "age": [20.0, 60.0, 33.3, 41.0],
        "loans": [0, 4, 2, 1],
        "rate": [1.0, 2.0, 2.5, 4.0],
        "flag": [0, 1, 1, 0],
        "job": pd.Series(["none", "part", "full", np.nan], dtype=object),
    }
)


def bind(frame=TRAIN, preprocessor="auto", **fields):
    if preprocessor == "auto":
        preprocessor = auto_preprocessor(frame)
    return bind_actions(ActionSet(**fields), Encoding(preprocessor, frame.columns), frame)


def numeric(space, feature):
    """Position of a feature among the numeric ones."""
    return space.numeric.feature.tolist().index(space.feature_names.index(feature))


def limits(feature, frame=TRAIN, **fields):
    """(low, high) of one feature for each row of TRAIN, or of `frame`."""
    space = bind(**fields)
    rows, k = space.rows(frame), numeric(space, feature)
    return list(zip(rows.low[:, k].tolist(), rows.high[:, k].tolist(), strict=True))


def reach(feature, frame=TRAIN, **fields):
    """Sets of values that each row may give a discrete feature."""
    space = bind(**fields)
    rows, start = space.rows(frame), 0
    for move in space.discrete:
        stop = start + len(move.table.categories)
        if space.feature_names[move.feature] == feature:
            labels = [None if pd.isna(c) else c for c in move.table.categories]
            return [
                {c for c, ok in zip(labels, row, strict=True) if ok}
                for row in rows.choice_allowed[:, start:stop]
            ]
        start = stop
    raise AssertionError(feature)


# ----- numbers -----------------------------------------------------------------------------


def test_the_training_range_is_the_default():
    found = np.array(limits("age"))
    np.testing.assert_allclose(found, [(0, 40), (-40, 0), (-13.3, 26.7), (-21, 19)])


def test_bounds_and_directions():
    assert limits("age", bounds={"age": (None, 50)}) == [
        (0, 30), (0, 0), (pytest.approx(-13.3), pytest.approx(16.7)), (-21, 9),
    ]  # fmt: skip
    up = limits("age", bounds={"age": (30, 70)}, increase_only=["age"])
    assert up == [(0, 0), (0, 10), (0, pytest.approx(36.7)), (0, 29)]
    down = limits("age", bounds={"age": (30, 70)}, decrease_only=["age"])
    assert down == [(0, 0), (-30, 0), (pytest.approx(-3.3), 0), (-11, 0)]


def test_people_outside_given_bounds_keep_the_value():
    people = TRAIN.assign(age=[10.0, 80.0, 20.0, 60.0])
    given_bounds = {"bounds": {"age": (20, 60)}}
    assert limits("age", people, **given_bounds) == [(0, 0), (0, 0), (0, 40), (-40, 0)]
    one_side = {"bounds": {"age": (None, 70)}}
    assert limits("age", people, **one_side) == [(0, 60), (0, 0), (0, 50), (-40, 10)]


def test_people_outside_the_training_range_may_come_back():
    people = TRAIN.assign(age=[10.0, 80.0, 20.0, 60.0])
    assert limits("age", people) == [(0, 50), (-60, 0), (0, 40), (-40, 0)]
    assert limits("age", people, increase_only=["age"])[1] == (0, 0)
    space = bind()
    rows = space.rows(people)
    back = np.zeros_like(rows.low)
    back[:, 0] = [5, -10, 0, 0]
    after = space.apply(people, rows, back, np.full((4, len(space.discrete)), -1))
    assert after["age"].tolist() == [15, 70, 20, 60]


def test_missing_numbers_stay():
    assert limits("age", TRAIN.assign(age=[np.nan, 30, 30, 30]))[:2] == [(0, 0), (-10, 30)]


def test_trap_ordinal_snapping_that_leaves_the_box():
    # From 33.3 in steps of 10 within [20, 60]: 23.3 and 53.3 are the last ones inside.
    found = limits("age", step={"age": 10})
    assert found == [(0, 40), (-40, 0), (-10, 20), (-20, 10)]
    # 0.1 + 0.2 > 0.3 in floating point: three steps still fit, and end in the box.
    frame = pd.DataFrame({"x": [0.0, 0.3]})
    space = bind(frame, step={"x": 0.1})
    rows = space.rows(frame)
    assert np.rint(rows.high[:, 0] / 0.1).tolist() == [3, 0]
    moved = space.apply(frame, rows, rows.high, np.zeros((2, 0), int))
    assert moved["x"].tolist() == [0.3, 0.3]


@given(
    here=st.floats(-50, 50), low=st.floats(-60, 0), width=st.floats(0, 90), step=st.floats(0.01, 40)
)
def test_limits_are_whole_steps_inside_the_box(here, low, width, step):
    frame = pd.DataFrame({"x": [here, low, low + width, low - 1.0]})
    space = bind(frame, None, bounds={"x": (low, low + width)}, step={"x": step})
    rows = space.rows(frame)
    assert (rows.low <= 0).all()
    assert (rows.high >= 0).all()
    for end in (rows.low, rows.high):
        np.testing.assert_allclose(end / step, np.rint(end / step), atol=1e-6)
        after = space.apply(frame, rows, end, np.zeros((4, 0), int))["x"]
        changed = end[:, 0] != 0
        assert after[changed].between(low, low + width).all()
        assert after[~changed].tolist() == frame["x"][~changed].tolist()
    inside = frame["x"].between(low, low + width)
    room = low + width - frame["x"][inside]
    assert (room - rows.high[inside, 0] < step * (1 + 1e-6)).all()  # not one step more would fit


# ----- choices -----------------------------------------------------------------------------


def test_all_other_categories_are_open_and_a_missing_one_is_a_category():
    assert reach("job") == [
        {"part", "full", None}, {"none", "full", None}, {"none", "part", None},
        {"none", "part", "full"},
    ]  # fmt: skip


def test_allowed_categories():
    assert reach("job", allowed_values={"job": ["part", None]}) == [
        {"part", None}, {None}, {"part", None}, {"part"},
    ]  # fmt: skip


def test_transitions():
    table = {**rising_transitions(["none", "part", "full"]), None: ["none"]}
    assert reach("job", transitions={"job": table}) == [
        {"part", "full"}, {"full"}, set(), {"none"},
    ]  # fmt: skip
    assert reach("job", transitions={"job": {"part": ["part"]}}) == [set()] * 4


def test_values_that_the_encoder_does_not_know():
    people = TRAIN.assign(job="other")
    assert reach("job", people)[0] == {"none", "part", "full", None}
    assert reach("job", people, allowed_values={"job": ["full"]})[0] == {"full"}
    assert reach("job", people, transitions={"job": {"none": ["full"]}})[0] == set()


def test_listed_numbers():
    fields = {"allowed_values": {"rate": (1.0, 2.0, 3.0)}}
    assert reach("rate", **fields) == [{2, 3}, {1, 3}, {1, 2, 3}, {1, 2, 3}]
    assert reach("rate", increase_only=["rate"], **fields) == [{2, 3}, {3}, {3}, set()]
    assert reach("rate", decrease_only=["rate"], **fields) == [set(), {1}, {1, 2}, {1, 2, 3}]
    # Within bounds only, and nowhere from outside them.
    assert reach("rate", bounds={"rate": (2, 3)}, **fields) == [set(), {3}, {2, 3}, set()]
    people = TRAIN.assign(rate=[np.nan, 1, 1, 1])
    assert reach("rate", people, **fields)[0] == set()
    space = bind(**fields)
    assert np.isfinite(space.rows(people).choice_cost).all()


def test_listed_numbers_cost_their_distance():
    space = bind(allowed_values={"rate": (1, 2, 3)}, cost_weights={"rate": 10.0, "job": 7.0})
    price = space.rows(TRAIN).choice_cost
    owner = [space.feature_names[space.discrete[k].feature] for k in space.choice_feature]
    listed = np.array(owner) == "rate"
    np.testing.assert_allclose(price[2, listed], [15, 5, 5])
    assert set(price[:, np.array(owner) == "job"].ravel()) == {7.0}


def test_columns_of_zero_and_one_are_choices_with_directions():
    assert reach("flag") == [{1}, {0}, {0}, {1}]
    assert reach("flag", increase_only=["flag"]) == [{1}, set(), set(), {1}]
    assert reach("flag", decrease_only=["flag"]) == [set(), {0}, {0}, set()]
    assert reach("flag", bounds={"flag": (0, 1)}) == [{1}, {0}, {0}, {1}]
    assert reach("flag", bounds={"flag": (None, 0)}) == [set()] * 3 + [set()]
    assert reach("flag", transitions={"flag": {0: [1]}}) == [{1}, set(), set(), {1}]
    assert reach("flag", TRAIN.assign(flag=0.5), increase_only=["flag"]) == [set()] * 4


def test_a_count_that_is_zero_or_one_in_this_split_stays_a_number():
    # A fold may hold counts of 0 and 1 only; bounds and steps still mean what they say.
    assert limits("flag", step={"flag": 1}) == [(0, 1), (-1, 0), (-1, 0), (0, 1)]
    assert limits("flag", step={"flag": 1}, bounds={"flag": (0, 3)})[0] == (0, 3)
    assert limits("flag", bounds={"flag": (0, 3)})[0] == (0, 3)


def test_numeric_categories_take_directions_bounds_and_steps():
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    frame = pd.DataFrame({"level": [1, 2, 4, 7]})
    encoder = ColumnTransformer([("o", OrdinalEncoder(), ["level"])]).fit(frame)

    def levels(**fields):
        space = bind(frame, encoder, **fields)
        open_ = space.rows(frame).choice_allowed
        return [{(1, 2, 4, 7)[j] for j in np.flatnonzero(row)} for row in open_]

    assert levels() == [{2, 4, 7}, {1, 4, 7}, {1, 2, 7}, {1, 2, 4}]
    assert levels(increase_only=["level"]) == [{2, 4, 7}, {4, 7}, {7}, set()]
    assert levels(bounds={"level": (2, 5)}) == [set(), {4}, {2}, set()]
    assert levels(step={"level": 3}) == [{4, 7}, set(), {1, 7}, {1, 4}]
    assert levels(increase_only=["level"], allowed_values={"level": [1, 4]}) == [
        {4}, {4}, set(), set(),
    ]  # fmt: skip


def test_trap_step_sizes_too_small_ever_to_change_a_category():
    # A category changes whole, at one price, however small the steps of a search are.
    space = bind(cost_weights={"job": 0.5})
    rows = space.rows(TRAIN)
    first = int(np.flatnonzero(rows.choice_allowed[0])[-1])
    choice = np.full((4, len(space.discrete)), -1)
    choice[0, space.choice_feature[first]] = first
    delta = np.zeros((4, len(space.numeric.feature)))
    after = space.apply(TRAIN, rows, delta, choice)
    assert after["job"].iloc[0] != TRAIN["job"].iloc[0]
    np.testing.assert_allclose(space.cost(rows, delta, choice), [0.5, 0, 0, 0])


# ----- one-hot groups ----------------------------------------------------------------------

GROUPED = pd.DataFrame(
    {
        "job_a": [1, 0, 0, 1, 0],
        "job_b": [0, 1, 0, 0, 1],
        "job_c": [0, 0, 1, 0, 0],
        "age": [20.0, 40, 30, 25, 50],
    }
)


def test_trap_partly_immutable_one_hot_groups_with_two_active_categories():
    with pytest.raises(ValueError, match="'job_b' is one column of the one-hot group 'job'"):
        bind(GROUPED, None, immutable=["job_b"])
    # What is meant: nobody moves into b, or out of it.
    table = {"a": ["c"], "c": ["a"]}
    space = bind(GROUPED, None, transitions={"job": table})
    rows = space.rows(GROUPED)
    assert rows.choice_allowed.astype(int).tolist() == [
        [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0],
    ]  # fmt: skip
    for pick in range(3):
        choice = np.where(rows.choice_allowed[:, [pick]], pick, -1)
        after = space.apply(GROUPED, rows, np.zeros((5, 1)), choice)
        assert (after[["job_a", "job_b", "job_c"]].sum(axis=1) == 1).all()


def test_trap_two_active_categories_from_one_that_training_rows_lack():
    train = GROUPED.assign(job_d=0)
    space = bind(train, None)
    person = pd.DataFrame({"job_a": [0], "job_b": 0, "job_c": 0, "age": 30.0, "job_d": 1})
    rows = space.rows(person)
    assert rows.choice_allowed.tolist() == [[True] * 3]
    after = space.apply(person, rows, np.zeros((1, 1)), np.array([[1]]))
    assert after[["job_a", "job_b", "job_c", "job_d"]].to_numpy().tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("dtype", [bool, float, "int8", "Int64", "boolean"])
def test_groups_keep_the_dtype_of_their_columns(dtype):
    frame = GROUPED.astype(dict.fromkeys(["job_a", "job_b", "job_c"], dtype))
    space = bind(frame, None)
    rows = space.rows(frame)
    assert rows.choice_allowed.sum() == 10
    after = space.apply(frame, rows, np.zeros((5, 1)), np.full((5, 1), 2))
    assert (after.dtypes == frame.dtypes).all()
    assert after["job_c"].astype(int).tolist() == [1] * 5
    assert after["job_a"].astype(int).tolist() == [0] * 5


# ----- cost --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 3.0 + 0.5 + 2.0),
        ({"cost": "l2"}, np.sqrt(9 + 0.25 + 4)),
        ({"cost": "mixed", "mix": 0.3}, 0.3 * np.sqrt(13.25) + 0.7 * 5.5),
        ({"cost": "mixed", "mix": 0.0}, 5.5),
        ({"cost": "mixed", "mix": 1.0}, np.sqrt(13.25)),
    ],
)
def test_cost_in_closed_form(fields, expected):
    weights = {"age": 0.3, "loans": 0.25, "job": 2.0}
    space = bind(cost_weights=weights, **fields)
    rows = space.rows(TRAIN)
    delta = np.zeros((4, len(space.numeric.feature)))
    delta[0, numeric(space, "age")] = 10.0
    delta[0, numeric(space, "loans")] = -2.0
    choice = np.full((4, len(space.discrete)), -1)
    choice[0, 1] = int(np.flatnonzero(space.choice_feature == 1)[0])
    np.testing.assert_allclose(space.cost(rows, delta, choice), [expected, 0, 0, 0])
    assert space.support(delta, choice).tolist() == [
        [True, True, False, False, True], *[[False] * 5] * 3,
    ]  # fmt: skip


@given(
    change=st.lists(st.floats(-100, 100), min_size=1, max_size=5),
    mix=st.floats(0, 1),
)
def test_mixed_cost_lies_between_l2_and_l1(change, mix):
    change = np.array([change])
    l1, l2 = np.abs(change).sum(), np.linalg.norm(change)
    assert combine_cost(change, "l1", mix) == pytest.approx(l1)
    assert combine_cost(change, "l2", mix) == pytest.approx(l2)
    assert combine_cost(change, "mixed", mix) == pytest.approx(mix * l2 + (1 - mix) * l1)


# ----- rows after the action ---------------------------------------------------------------


def apply_one(frame, feature, delta, **fields):
    """The column after a numeric change of some rows."""
    space = bind(frame, **fields)
    change = np.zeros((len(frame), len(space.numeric.feature)))
    change[:, numeric(space, feature)] = delta
    choice = np.full((len(frame), len(space.discrete)), -1)
    return space.apply(frame, space.rows(frame), change, choice)


def test_whole_steps_stay_whole():
    after = apply_one(TRAIN, "loans", [0, -1, 2, 0], step={"loans": 1})
    assert after["loans"].dtype == TRAIN["loans"].dtype
    assert after["loans"].tolist() == [0, 3, 4, 1]
    assert after.drop(columns="loans").equals(TRAIN.drop(columns="loans"))
    assert apply_one(TRAIN, "loans", [0, -0.5, 0, 0])["loans"].tolist() == [0, 3.5, 2, 1]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "UInt8", "Int16", "Int64"])
def test_integers_do_not_overflow(dtype):
    frame = TRAIN.assign(loans=TRAIN["loans"].astype(dtype))
    fields = {"bounds": {"loans": (-5, 1000)}, "step": {"loans": 1}}
    fits = apply_one(frame, "loans", [7, 0, 0, 0], **fields)["loans"]
    assert (fits.tolist(), fits.dtype) == ([7, 4, 2, 1], frame["loans"].dtype)
    after = apply_one(frame, "loans", [996, 0, -5, 0], **fields)["loans"]
    assert after.tolist() == [996, 4, -3, 1]
    assert pd.api.types.is_integer_dtype(after.dtype)


def test_missing_values_of_extension_integers_stay_missing():
    frame = pd.DataFrame({"n": pd.array([1, None, 5, 3], "Int64"), "x": [1.0, 2, 3, 4]})
    space = bind(frame, None, step={"n": 1})
    rows = space.rows(frame)
    assert rows.high[:, 0].tolist() == [4, 0, 0, 2]
    after = space.apply(
        frame, rows, np.array([[2.0, 0], [0, 0], [0, 0], [-2, 0]]), np.zeros((4, 0), int)
    )
    assert after["n"].dtype == "Int64"
    assert after["n"].tolist() == [3, pd.NA, 5, 1]


def test_listed_fractions_are_not_cut_to_integers():
    space = bind(allowed_values={"loans": (0.5, 1.5)})
    rows = space.rows(TRAIN)
    first = len(space.discrete[0].table.categories)
    assert first == 2
    choice = np.full((4, len(space.discrete)), -1)
    choice[:2, 0] = [0, 1]
    after = space.apply(TRAIN, rows, np.zeros((4, len(space.numeric.feature))), choice)
    assert after["loans"].tolist() == [0.5, 1.5, 2, 1]
    choice[:2, 0] = -1
    assert space.apply(TRAIN, rows, np.zeros((4, len(space.numeric.feature))), choice).equals(TRAIN)


@pytest.mark.parametrize("dtype", ["str", "string", "category", object])
def test_categories_keep_their_dtype_where_it_can_hold_them(dtype):
    train = pd.DataFrame({"job": list("abc"), "x": [1.0, 2.0, 3.0]})
    space = bind(train)
    people = train.astype({"job": dtype}).iloc[[0, 1]]
    after = space.apply(people, space.rows(people), np.zeros((2, 1)), np.array([[2], [-1]]))
    assert after["job"].tolist() == ["c", "b"]
    assert after["job"].dtype == people["job"].dtype
    if dtype == "category":  # the dtype of a part of the rows may lack the new category
        people["job"] = people["job"].cat.remove_unused_categories()
        after = space.apply(people, space.rows(people), np.zeros((2, 1)), np.array([[2], [-1]]))
        assert after["job"].tolist() == ["c", "b"]


def test_a_missing_category_can_be_given():
    space = bind()
    move = space.discrete[1]
    offset = len(space.discrete[0].table.categories)
    (missing,) = [i for i, c in enumerate(move.table.categories) if pd.isna(c)]
    choice = np.full((4, 2), -1)
    choice[0, 1] = offset + missing
    delta = np.zeros((4, len(space.numeric.feature)))
    after = space.apply(TRAIN, space.rows(TRAIN), delta, choice)
    assert after["job"].isna().tolist() == [True, False, False, True]


def test_rows_with_any_index():
    frame = TRAIN.set_axis(["p", "p", "q", "r"])
    after = apply_one(frame, "loans", [1, -1, 0, 0], step={"loans": 1})
    assert after.index.tolist() == ["p", "p", "q", "r"]
    assert after["loans"].tolist() == [1, 3, 2, 1]


def test_the_given_rows_are_not_changed():
    frame = TRAIN.copy()
    apply_one(frame, "loans", [1, -1, 0, 0], step={"loans": 1})
    assert frame.equals(TRAIN)


def test_no_rows():
    space = bind()
    none = TRAIN.iloc[:0]
    rows = space.rows(none)
    assert rows.low.shape == (0, len(space.numeric.feature))
    assert rows.choice_allowed.shape == (0, len(space.choice_feature))
    after = space.apply(none, rows, rows.low, np.zeros((0, len(space.discrete)), int))
    assert after.shape == none.shape


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31 - 1))
def test_any_allowed_action_stays_within_the_words_of_the_set(seed):
    random = np.random.default_rng(seed)
    fields = {
        "bounds": {"age": (25, 55)},
        "step": {"loans": 2, "age": 3},
        "increase_only": ["loans"],
        "allowed_values": {"rate": (1.0, 3.0), "job": ["full", "part"]},
        "immutable": ["flag"],
    }
    space = bind(**fields)
    people = pd.DataFrame(
        {
            "age": random.uniform(10, 70, 6).round(1),
            "loans": random.integers(0, 7, 6),
            "rate": random.choice([1.0, 2.0, 3.0, 9.0], 6),
            "flag": random.integers(0, 2, 6),
            "job": random.choice(["none", "part", "full"], 6),
        }
    )
    rows = space.rows(people)
    unit = np.where(space.numeric.step > 0, space.numeric.step, 1e-9)
    delta = (
        np.trunc((rows.low + random.random(rows.low.shape) * (rows.high - rows.low)) / unit) * unit
    )
    choice = np.full((6, len(space.discrete)), -1)
    for k in range(len(space.discrete)):
        of_k = np.flatnonzero(space.choice_feature == k)
        for i in range(6):
            choice[i, k] = random.choice([-1, *of_k[rows.choice_allowed[i, of_k]]])
    after = space.apply(people, rows, delta, choice)
    moved = after.ne(people)
    np.testing.assert_array_equal(moved.to_numpy(), space.support(delta, choice))
    assert not moved["flag"].any()
    assert after["age"][moved["age"]].between(25, 55).all()
    np.testing.assert_allclose(((after["age"] - people["age"]) / 3 + 0.5) % 1, 0.5, atol=1e-6)
    assert (after["loans"] >= people["loans"]).all()
    assert ((after["loans"] - people["loans"]) % 2 == 0).all()
    assert (after["loans"][moved["loans"]] <= 4).all()
    assert after["rate"][moved["rate"]].isin([1, 3]).all()
    assert after["job"][moved["job"]].isin(["part", "full"]).all()
    # What the records say becomes of the encoding is what the encoder does.
    encoded = space.encoding.encode(people)
    encoded[:, space.numeric.column] += delta * space.numeric.scale
    offset = 0
    for k, move in enumerate(space.discrete):
        picked = choice[:, k] >= 0
        codes = move.table.table[np.where(picked, choice[:, k] - offset, 0)]
        block = np.ix_(picked, move.table.columns)
        encoded[block] = codes[picked]
        offset += len(move.table.categories)
    np.testing.assert_allclose(space.encoding.encode(after), encoded, atol=1e-9)


# ----- values worth trying -----------------------------------------------------------------


def test_few_training_values_are_all_kept():
    np.testing.assert_array_equal(spread_values(np.array([3.0, 1.0, np.nan, 3.0])), [1.0, 3.0])


def test_many_training_values_are_spread_over_ranks_and_over_the_tail():
    tail = np.arange(1000.0, 2000.0)
    values = spread_values(np.concatenate([np.zeros(20_000), tail]), n_values=20)
    assert len(values) <= 20
    assert values[0] == 0
    assert values[-1] == 1999
    assert (np.diff(values) > 0).all()
    # Ranks alone would all be 0.
    assert ((values > 1000) & (values < 1999)).sum() >= 6
