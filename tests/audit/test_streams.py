"""Rows that come in parts: the same audit as of rows in one piece."""

import functools
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skcfq import PGDSolver, RecourseAuditor

SIZE = 128


@pytest.fixture(scope="module")
def auditor(credit, pipelines):
    """An auditor of the two pipelines. Not to be changed."""
    solver = PGDSolver(n_steps=10)  # quick
    auditor = RecourseAuditor(*pipelines, actions=credit.actions, solver=solver, target="granted")
    return auditor.fit(credit.data, credit.target)


@pytest.fixture(scope="module")
def table(credit):
    """Features, the label and a column that is no feature, by which people are told apart."""
    race = np.random.default_rng(0).choice(["a", "b", None], len(credit.data))
    return credit.data.assign(credit=credit.target, race=race)


@pytest.fixture(scope="module")
def expected(auditor, credit, table):
    """The audit in memory."""
    return auditor.audit(credit.data, credit.target, groups=table["race"], chunk_size=SIZE)


def same(result, expected, *, group="race"):
    """Figures, counts, gaps and tests are equal, to the bit; their grouping's name aside."""
    assert result.measures == expected.measures
    assert repr(result.measures) == repr(expected.measures)
    assert repr(result.by_group) == repr(expected.by_group)
    assert result.counts == expected.counts
    assert result.counts_by_group == expected.counts_by_group
    assert result.gaps == expected.gaps
    assert result.gaps_by_group == expected.gaps_by_group
    assert [t.p_value for t in result.tests] == [t.p_value for t in expected.tests]
    assert result.about["data_sha256"] == expected.about["data_sha256"]
    assert result.about["n_rows"] == expected.about["n_rows"]
    assert result.groupings[group] == expected.groupings["group"]


def chunks(table, *ends):
    """The rows between the ends, one frame after the other."""
    for start, end in zip((0, *ends), (*ends, len(table)), strict=True):
        yield table.iloc[start:end]


@pytest.mark.parametrize(
    "ends", [(), (300,), (1, 2, 500), range(50, 600, 50), (128, 256), (0, 7, 7)]
)
def test_chunks_of_any_size_give_the_same_audit(auditor, table, expected, ends):
    parts = chunks(table, *ends)
    result = auditor.audit(parts, y="credit", groups="race", chunk_size=SIZE)
    same(result, expected)
    assert result.about["source"] == "iterator"
    assert result.about["n_parts"] == 5


def test_other_sizes_of_parts_agree_but_for_rounding(auditor, credit, table, expected):
    labels = table["race"]
    for size in (250, 10_000):
        result = auditor.audit(credit.data, credit.target, groups=labels, chunk_size=size)
        assert result.counts == expected.counts
        assert result.counts_by_group == expected.counts_by_group
        for name, figure in result.measures.items():
            other = expected.measures[name]
            assert figure.n == other.n
            np.testing.assert_allclose(
                [figure, figure.low, figure.high], [other, other.low, other.high], atol=2e-3
            )


def test_pairs_and_arrays(credit):
    X, y = credit.data.select_dtypes("number").to_numpy(float), credit.target.to_numpy()
    models = [LogisticRegression(C=c, max_iter=5000).fit(X / X.std(0), y) for c in (1.0, 0.1)]
    solver = PGDSolver(n_steps=10)
    auditor = RecourseAuditor(*models, solver=solver, target="granted").fit(X / X.std(0), y)
    X = X / X.std(0)
    expected = auditor.audit(X, y, chunk_size=SIZE)
    pairs = ((X[i : i + 90], y[i : i + 90]) for i in range(0, len(X), 90))
    result = auditor.audit(pairs, chunk_size=SIZE)
    assert repr(result.measures) == repr(expected.measures)
    assert result.about["data_sha256"] == expected.about["data_sha256"]
    rows = (X[i : i + 90] for i in range(0, len(X), 90))
    assert "accuracy" not in auditor.audit(rows).measures


def test_the_worst_people_are_kept_worst_first(auditor, table, expected):
    everybody = expected.people
    result = auditor.audit(
        chunks(table, 100, 450), y="credit", groups="race", chunk_size=SIZE, max_people=20
    )
    people = result.people
    assert len(people) == 20
    assert people["outcome"].tolist() == ["broken"] * 20
    assert result.about["people"] == "the worst 20 at most"
    broken = everybody[everybody["outcome"] == "broken"].sort_values(
        "recourse_gap", ascending=False, kind="stable"
    )
    assert people.index.tolist() == broken.index[:20].tolist()
    pd.testing.assert_frame_equal(people[sorted(people)], broken.iloc[:20][sorted(people)])
    assert auditor.audit(chunks(table, 100), y="credit", groups="race", max_people=0).people is None
    default = auditor.audit(chunks(table, 100), y="credit", groups="race", chunk_size=SIZE).people
    assert sorted(default.index) == list(range(600))


def test_everybody_is_listed_in_order_for_rows_in_memory(auditor, credit, expected):
    whole = auditor.audit(credit.data, credit.target).people
    parts = expected.people.drop(columns="group")
    assert parts.index.tolist() == whole.index.tolist()
    pd.testing.assert_frame_equal(parts[sorted(parts)], whole[sorted(whole)], rtol=2e-3)


def test_several_processes_give_the_same_audit(auditor, table, expected):
    same(auditor.audit(chunks(table, 200), "credit", "race", chunk_size=SIZE, n_jobs=2), expected)
    with joblib.parallel_config("threading", n_jobs=2):
        same(auditor.audit(chunks(table, 200), "credit", "race", chunk_size=SIZE), expected)


def test_chunks_are_read_as_they_are_needed(auditor, table):
    read, done = [], []

    def parts():
        for number in range(15):
            read.append(number)
            yield table.iloc[:10]

    work = auditor._comparison

    def counted(X):
        done.append(len(read))
        return work(X)

    auditor._comparison = counted
    try:
        auditor.audit(parts(), "credit", "race", chunk_size=10)
    finally:
        del auditor._comparison
    assert len(done) == 15
    assert max(np.array(done) - np.arange(15)) <= 4


def test_progress_is_shown(auditor, table, capsys):
    auditor.audit(chunks(table, 300), "credit", "race", chunk_size=SIZE, verbose=True)
    assert "600" in capsys.readouterr().err


# ----- Parquet -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(table, tmp_path_factory):
    """The table as one file, and as a folder of files with an unneeded column."""
    folder = tmp_path_factory.mktemp("parquet")
    table.to_parquet(folder / "one.parquet", row_group_size=150)
    (folder / "many").mkdir()
    for number, part in enumerate(chunks(table.assign(other=1.0), 50, 51, 400)):
        part.to_parquet(folder / "many" / f"part-{number}.parquet")
    return folder


@pytest.mark.parametrize("name", ["one.parquet", "many"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_parquet(auditor, files, expected, name, kind):
    result = auditor.audit(kind(files / name), y="credit", groups="race", chunk_size=SIZE)
    same(result, expected)
    assert result.about["source"] == "parquet"


def test_folders_named_by_a_column(auditor, table, tmp_path, expected):
    for sex, rows in table.groupby("sex"):
        folder = tmp_path / f"sex={sex}"
        folder.mkdir()
        rows.drop(columns="sex").to_parquet(folder / "rows.parquet")
    result = auditor.audit(tmp_path, y="credit", groups="race")
    assert result.counts == expected.counts


def test_parquet_problems_are_found_before_any_work(auditor, credit, tmp_path):
    path = tmp_path / "a.parquet"
    with refused(f"RecourseAuditor.audit: there is no file or folder {str(path)!r}."):
        auditor.audit(path)
    path.write_text("age,sex")
    with refused(f"RecourseAuditor.audit: {str(path)!r} cannot be read as Parquet."):
        auditor.audit(path)
    credit.data.drop(columns=["age", "debt"]).to_parquet(path)
    with refused(
        f"RecourseAuditor.audit: {str(path)!r} lacks the columns ['age', 'debt', 'race']."
    ):
        auditor.audit(path, groups="race")
    credit.data.head(0).to_parquet(path)
    with refused(f"RecourseAuditor.audit: {str(path)!r} holds no rows."):
        auditor.audit(path)
    (tmp_path / "empty").mkdir()
    with refused(f"RecourseAuditor.audit: {str(tmp_path / 'empty')!r} holds no rows."):
        auditor.audit(tmp_path / "empty")


# ----- what is refused -----------------------------------------------------------------------


def refused(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_chunks_with_other_columns(auditor, table):
    def second(change):
        yield table.head(10)
        yield change(table.iloc[10:20])

    audit = functools.partial(auditor.audit, y="credit", groups="race")
    with refused("RecourseAuditor.audit: chunk 1 lacks the columns ['debt']."):
        audit(second(lambda part: part.drop(columns="debt")))
    with refused(
        "RecourseAuditor.audit has 2 problems:\n  1. chunk 1 lacks the columns ['age'].\n"
        "  2. chunk 1 has columns that were not there in fit: ['years']."
    ):
        audit(second(lambda part: part.rename(columns={"age": "years"})), n_jobs=2)
    with refused(
        "RecourseAuditor.audit: chunk 1 is no DataFrame: y and groups name columns of one."
    ):
        audit(second(lambda part: part.to_numpy()))


def test_chunks_with_labels_of_another_length_or_some_without(auditor, credit):
    X, y = credit.data, credit.target
    with refused("RecourseAuditor.audit: chunk 0 has 600 rows and 5 labels."):
        auditor.audit(iter([(X, y[:5])]))
    with refused("RecourseAuditor.audit: some chunks come with labels, some without."):
        auditor.audit(iter([(X, y), X]))


def test_missing_numbers_name_the_rows(auditor, table):
    wrong = table.copy()
    wrong.loc[300, "debt"] = np.nan
    with pytest.raises(ValueError, match=r"^rows 256 to 383: X of RecourseAuditor holds NaN"):
        auditor.audit(chunks(wrong, 100), "credit", "race", chunk_size=SIZE)


def test_missing_labels_name_the_rows(auditor, table):
    wrong = table.copy()
    wrong.loc[300, "credit"] = None
    with refused("rows 256 to 383: accuracy: y_true is missing in 1 of 128 rows."):
        auditor.audit(chunks(wrong, 100), "credit", "race", chunk_size=SIZE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [0, 1]}, "y must name a column if X comes in parts, or come with them as (X, y)."),
        ({"groups": [1, 2]}, "groups must name columns if X comes in parts."),
        ({"chunk_size": 0}, "chunk_size=0: a whole number >= 1 is needed."),
        ({"max_people": -1}, "max_people=-1: a whole number >= 0, or None, is needed."),
        ({"confidence_level": 95}, "confidence_level=95: a number in (0, 1) is needed."),
    ],
)
def test_wrong_arguments(auditor, table, arguments, message):
    with refused(f"RecourseAuditor.audit: {message}"):
        auditor.audit(iter([table]), **arguments)


def test_no_rows_and_no_groups(auditor, table):
    with refused("RecourseAuditor.audit: X holds no rows."):
        auditor.audit(iter([]))
    for X in (iter([table]), table.drop(columns=["credit", "race"])):
        with refused("groups: no column is named: give one, or None for no groups."):
            auditor.audit(X, groups=[])


def test_columns_need_an_auditor_that_knows_names(credit):
    X = credit.data.select_dtypes("number").to_numpy(float)
    model = LogisticRegression(max_iter=5000).fit(X / X.std(0), credit.target)
    auditor = RecourseAuditor(model, model).fit(X / X.std(0), credit.target)
    with refused(
        "RecourseAuditor.audit: the auditor was fitted on an array: fit it on a DataFrame, with names."
    ):
        auditor.audit("people.parquet")
