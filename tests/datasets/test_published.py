"""The five published data sets, cell by cell against their files."""

import csv

import numpy as np
import pandas as pd
import pytest

from skcfq.actions import ActionSet
from skcfq.datasets import (
    _german_credit,
    fetch_adult,
    fetch_bank_marketing,
    fetch_compas,
    fetch_credit_default,
    fetch_german_credit,
)

LOADERS = {
    "adult": fetch_adult,
    "german": fetch_german_credit,
    "compas": fetch_compas,
    "bank": fetch_bank_marketing,
    "default": fetch_credit_default,
}
FIELDS = {
    "frame", "data", "target", "target_names", "feature_names", "favourable", "train_index",
    "test_index", "actions", "realistic_actions", "sensitive_features", "DESCR",
}  # fmt: skip


@pytest.fixture(scope="module")
def load(real_data):
    cache = {}

    def load(name):
        if name not in cache:
            cache[name] = LOADERS[name](data_home=real_data, download_if_missing=False)
        return cache[name]

    return load


@pytest.fixture(params=LOADERS)
def bunch(request, load):
    return load(request.param)


def raw_records(real_data, name):
    """Every record of the published files as strings, read without pandas."""
    if name == "adult":
        records = []
        for file in ("adult.data", "adult.test"):
            lines = (real_data / file).read_text().splitlines()
            records += [line.split(", ") for line in lines if line and not line.startswith("|")]
        return records
    if name == "german":
        return [line.split() for line in (real_data / "german.data").read_text().splitlines()]
    file, delimiter = {
        "compas": ("compas-scores-two-years.csv", ","),
        "bank": ("bank-full.csv", ";"),
        "default": ("default-of-credit-card-clients.csv", ","),
    }[name]
    with open(real_data / file, newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "shape", "favourable", "count"),
    [
        ("adult", (48842, 14), ">50K", 7841 + 3846),
        ("german", (1000, 20), "good", 700),
        ("compas", (6172, 8), "no recidivism", 3363),
        ("bank", (45211, 15), "yes", 5289),
        ("default", (30000, 23), "no default", 23364),
    ],
)
def test_rows_columns_and_favourable_count(load, name, shape, favourable, count):
    bunch = load(name)
    assert bunch.data.shape == shape
    assert bunch.favourable == favourable
    assert (bunch.target == favourable).sum() == count


def test_fields_are_the_same_everywhere(bunch):
    assert set(bunch) == FIELDS
    assert bunch.feature_names == list(bunch.data.columns)
    assert list(bunch.frame.columns) == [*bunch.feature_names, bunch.target.name]
    pd.testing.assert_frame_equal(bunch.frame[bunch.feature_names], bunch.data)
    pd.testing.assert_series_equal(bunch.frame[bunch.target.name], bunch.target)
    assert bunch.data.index.equals(pd.RangeIndex(len(bunch.data)))
    assert bunch.target_names == sorted(set(bunch.target))
    assert len(bunch.target_names) == 2
    assert bunch.favourable in bunch.target_names
    assert set(bunch.sensitive_features) <= set(bunch.feature_names)
    assert "http" in bunch.DESCR
    assert "icence" in bunch.DESCR


def test_every_column_is_whole_numbers_or_strings(bunch):
    for name, dtype in bunch.data.dtypes.items():
        if dtype != np.int64:
            assert pd.api.types.is_string_dtype(bunch.data[name].dropna()), name


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (
            "adult",
            "age fnlwgt education-num capital-gain capital-loss hours-per-week",
        ),
        (
            "german",
            "duration credit_amount installment_rate residence_since age existing_credits "
            "num_dependents",
        ),
        ("compas", "age juv_fel_count juv_misd_count juv_other_count priors_count"),
        ("bank", "age balance day campaign pdays previous"),
        (
            "default",
            "LIMIT_BAL AGE PAY_0 PAY_2 PAY_3 PAY_4 PAY_5 PAY_6 BILL_AMT1 BILL_AMT2 BILL_AMT3 "
            "BILL_AMT4 BILL_AMT5 BILL_AMT6 PAY_AMT1 PAY_AMT2 PAY_AMT3 PAY_AMT4 PAY_AMT5 PAY_AMT6",
        ),
    ],
)
def test_number_columns(load, name, numbers):
    assert list(load(name).data.select_dtypes("number").columns) == numbers.split()


class TestTrapsOfTheReleasedCode:
    def test_label_polarity_is_not_reversed(self, load, real_data):
        raw = {name: raw_records(real_data, name) for name in LOADERS}
        kept = [record for record in raw["compas"] if _propublica_keeps(record)]
        expected = {
            "adult": [r[-1].startswith(">50K") for r in raw["adult"]],
            "german": [r[-1] == "1" for r in raw["german"]],
            "compas": [r["two_year_recid"] == "0" for r in kept],
            "bank": [r["y"] == "yes" for r in raw["bank"]],
            "default": [r["default payment next month"] == "0" for r in raw["default"]],
        }
        for name, favourable in expected.items():
            bunch = load(name)
            assert (bunch.target == bunch.favourable).tolist() == favourable, name

    def test_target_column_is_not_left_among_the_inputs(self, bunch):
        assert bunch.target.name not in bunch.data
        favourable = (bunch.target == bunch.favourable).astype(float)
        for name, column in bunch.data.items():
            assert name != bunch.target.name
            if column.nunique() <= 100:
                share = favourable.groupby(column.astype(object)).transform("mean")
                best = np.maximum(share, 1 - share).mean()  # accuracy of the column alone
                assert best < 0.95, name

    def test_nothing_is_imputed_before_the_split(self, load):
        data = load("adult").data
        missing = data.isna().sum()
        assert missing[missing > 0].to_dict() == {
            "workclass": 1836 + 963,
            "occupation": 1843 + 966,
            "native-country": 583 + 274,
        }
        incomplete = data.isna().any(axis=1)
        assert incomplete[:32561].sum() == 2399
        assert incomplete[32561:].sum() == 1221
        for name in set(LOADERS) - {"adult"}:
            assert not load(name).data.isna().any(axis=None)

    def test_a_row_does_not_depend_on_the_others(self, load, real_data):
        """Neither imputation nor scaling, rare categories kept: every cell is the file's."""
        data = load("adult").data
        records = raw_records(real_data, "adult")
        for j, name in enumerate(data.columns):
            expected = [None if r[j] == "?" else r[j] for r in records]
            found = data[name].astype(object).where(data[name].notna(), None)
            assert [v if v is None else str(v) for v in found] == expected, name

        for name in ("bank", "compas"):
            data = load(name).data
            records = raw_records(real_data, name)
            if name == "compas":
                records = [record for record in records if _propublica_keeps(record)]
            for column in data.columns:
                assert data[column].astype(str).tolist() == [r[column] for r in records], column

        data = load("german").data
        records = raw_records(real_data, "german")
        for j, name in enumerate(data.columns):
            labels = _german_credit.LABELS.get(name, {})
            expected = [labels.get(r[j], r[j]) for r in records]
            assert data[name].astype(str).tolist() == expected, name

        data = load("default").data
        records = raw_records(real_data, "default")
        for name in set(data.columns) - {"SEX", "EDUCATION", "MARRIAGE"}:
            assert data[name].astype(str).tolist() == [r[name] for r in records], name


def _propublica_keeps(record):
    days = record["days_b_screening_arrest"]
    return (
        days != ""
        and -30 <= float(days) <= 30
        and record["is_recid"] != "-1"
        and record["c_charge_degree"] != "O"
        and record["score_text"] != "N/A"
    )


class TestAdult:
    def test_the_published_split_is_kept(self, load):
        adult = load("adult")
        assert adult.train_index.dtype.kind == "i"
        assert adult.train_index.tolist() == list(range(32561))
        assert adult.test_index.tolist() == list(range(32561, 48842))
        favourable = adult.target == ">50K"
        assert favourable.iloc[adult.train_index].sum() == 7841
        assert favourable.iloc[adult.test_index].sum() == 3846

    def test_test_labels_lose_their_full_stop(self, load):
        assert load("adult").target_names == ["<=50K", ">50K"]

    def test_first_and_last_row_of_both_files(self, load):
        data = load("adult").data
        assert data.iloc[0].tolist()[:5] == [39, "State-gov", 77516, "Bachelors", 13]
        assert data.iloc[32560].tolist()[:3] == [52, "Self-emp-inc", 287927]
        assert data.iloc[32561].tolist()[:3] == [25, "Private", 226802]
        assert data.iloc[48841].tolist()[:3] == [35, "Self-emp-inc", 182148]

    def test_education_and_its_number_are_the_same(self, load):
        data = load("adult").data
        pairs = data[["education", "education-num"]].drop_duplicates()
        assert len(pairs) == 16
        assert sorted(pairs["education-num"]) == list(range(1, 17))
        assert "education" in load("adult").realistic_actions.immutable

    def test_paper_actions(self, load):
        assert load("adult").actions == ActionSet(
            immutable=("age", "sex", "race", "native-country"), max_changes=5
        )


class TestGerman:
    def test_first_row(self, load):
        german = load("german")
        row = german.data.iloc[0]
        assert row["checking_status"] == "no account"  # A11, after the corrected code table
        assert row["duration"] == 6
        assert row["foreign_worker"] == "no"
        assert german.target.iloc[:2].tolist() == ["good", "bad"]

    @pytest.mark.parametrize(
        ("column", "counts"),
        [
            (
                "checking_status",
                {"no account": 274, "below 0 DM": 269, "0 to 200 DM": 63, "200 DM or more": 394},
            ),
            ("housing", {"for free": 179, "rent": 713, "own": 108}),
            ("foreign_worker", {"no": 963, "yes": 37}),
        ],
    )
    def test_labels_follow_the_corrected_codes(self, load, column, counts):
        assert load("german").data[column].value_counts().to_dict() == counts

    def test_labels_of_a_column_are_distinct(self):
        for labels in _german_credit.LABELS.values():
            assert len(set(labels.values())) == len(labels)

    def test_paper_actions(self, load):
        assert load("german").actions == ActionSet(
            immutable=("age", "personal_status", "foreign_worker"), max_changes=4
        )


class TestCompas:
    def test_names_and_birth_dates_are_never_read(self, real_data, monkeypatch):
        read = []
        original = pd.read_csv

        def read_csv(*args, **kwargs):
            frame = original(*args, **kwargs)
            read.extend(frame.columns)
            return frame

        monkeypatch.setattr(pd, "read_csv", read_csv)
        compas = fetch_compas(data_home=real_data)
        assert set(read) == {
            *compas.frame.columns, "days_b_screening_arrest", "is_recid", "score_text",
        }  # fmt: skip

    def test_columns(self, load):
        assert load("compas").feature_names == [
            "age", "sex", "race", "juv_fel_count", "juv_misd_count", "juv_other_count",
            "priors_count", "c_charge_degree",
        ]  # fmt: skip

    def test_the_repeated_header_is_the_same_count(self, real_data):
        columns = pd.read_csv(
            real_data / "compas-scores-two-years.csv", usecols=["priors_count", "priors_count.1"]
        )
        assert (columns["priors_count"] == columns["priors_count.1"]).all()

    def test_paper_actions(self, load):
        assert load("compas").actions == ActionSet(immutable=("age", "sex", "race"), max_changes=3)

    def test_few_points_can_be_reached_with_whole_counts(self, load):
        """Every person's reachable points can be listed, as a check on solvers needs it."""
        compas = load("compas")
        counts = list(compas.realistic_actions.decrease_only)
        points = (compas.data[counts] + 1).prod(axis=1)
        assert points.sum() < 500_000


class TestBank:
    def test_duration_of_the_call_is_left_out(self, load):
        assert "duration" not in load("bank").frame

    def test_unknown_stays_a_category(self, load):
        data = load("bank").data
        unknown = (data == "unknown").sum()
        assert unknown[unknown > 0].to_dict() == {
            "job": 288, "education": 1857, "contact": 13020, "poutcome": 36959,
        }  # fmt: skip

    def test_paper_actions(self, load):
        assert load("bank").actions == ActionSet(immutable=("age",), max_changes=5)


class TestCreditDefault:
    def test_id_is_left_out(self, load):
        assert "ID" not in load("default").frame

    @pytest.mark.parametrize(
        ("column", "counts"),
        [
            ("SEX", {"female": 18112, "male": 11888}),
            (
                "EDUCATION",
                {"university": 14030, "graduate school": 10585, "high school": 4917, "5": 280,
                 "others": 123, "6": 51, "0": 14},
            ),
            ("MARRIAGE", {"single": 15964, "married": 13659, "others": 323, "0": 54}),
        ],
    )  # fmt: skip
    def test_undocumented_codes_stay_categories(self, load, column, counts):
        assert load("default").data[column].value_counts().to_dict() == counts

    def test_paper_actions(self, load):
        assert load("default").actions == ActionSet(immutable=("SEX",), max_changes=4, cost="l2")


class TestActions:
    def test_only_existing_columns_are_mentioned(self, bunch):
        for actions in (bunch.actions, bunch.realistic_actions):
            assert set(actions.mentioned) <= set(bunch.feature_names)

    def test_only_existing_categories_are_mentioned(self, bunch):
        actions = bunch.realistic_actions
        for name, values in actions.allowed_values.items():
            assert set(values) <= set(bunch.data[name].dropna()), name
        for name, table in actions.transitions.items():
            reach = {to for targets in table.values() for to in targets}
            assert set(table) | reach <= set(bunch.data[name].dropna()), name

    def test_the_paper_moves_continuously(self, bunch):
        assert bunch.actions.step == {}

    def test_realistic_numbers_stay_whole(self, bunch):
        actions = bunch.realistic_actions
        movable = set(bunch.data.select_dtypes("number").columns) - set(actions.immutable)
        assert actions.step == dict.fromkeys(movable, 1)

    def test_realistic_actions_name_every_feature(self, bunch):
        """Nothing is left open by oversight."""
        assert set(bunch.realistic_actions.mentioned) == set(bunch.feature_names)

    def test_what_the_paper_fixes_is_fixed(self, bunch):
        assert set(bunch.actions.immutable) <= set(bunch.realistic_actions.immutable)
        assert bunch.actions.max_changes == bunch.realistic_actions.max_changes
        assert bunch.actions.cost == bunch.realistic_actions.cost

    def test_sensitive_features_are_never_changed(self, bunch):
        assert set(bunch.sensitive_features) <= set(bunch.realistic_actions.immutable)

    def test_json_round_trip(self, bunch):
        for actions in (bunch.actions, bunch.realistic_actions):
            assert ActionSet.from_json(actions.to_json()) == actions
