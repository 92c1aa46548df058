"""Audits on a cluster of processes, also when one of them dies."""

import os
import signal

import joblib
import numpy as np
import pandas as pd
import pytest

from skcfq import CoordinateSolver, RecourseAuditor

from .test_planted import ACTIONS, linear_model

dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def people():
    """2400 people, half of whom the reference refuses."""
    random = np.random.default_rng(0)
    rows = random.integers(0, 160, size=(2400, 2)) / 8 + [0, 1 / 16]
    table = pd.DataFrame(rows, columns=["income", "debt"])
    return table.assign(
        y=(rows[:, 0] > rows[:, 1]).astype(int), sex=random.choice(["f", "m"], 2400)
    )


@pytest.fixture(scope="module")
def auditor(people):
    """Linear models, the second one stricter where debt is above 10. Not to be changed."""
    models = linear_model([1, -1], 0.0), linear_model([1, -1.05], 0.5)
    solver = CoordinateSolver(n_starts=1, n_rounds=1)  # quick
    auditor = RecourseAuditor(*models, actions=ACTIONS, solver=solver)
    return auditor.fit(people[["income", "debt"]].head(300), people["y"].head(300))


@pytest.fixture(scope="module")
def expected(auditor, people):
    return auditor.audit(people[["income", "debt"]], people["y"], people["sex"], chunk_size=100)


def same(result, expected):
    assert result.counts == expected.counts
    assert result.counts_by_group == expected.counts_by_group
    assert result.gaps.n == expected.gaps.n
    for name, figure in result.measures.items():
        other = expected.measures[name]
        assert figure.n == other.n
        np.testing.assert_allclose(
            [figure, figure.low, figure.high], [other, other.low, other.high], rtol=1e-5
        )


def test_a_dask_frame_without_a_cluster(auditor, people, expected):
    frame = dd.from_pandas(people.assign(other=0), npartitions=7)
    result = auditor.audit(frame, "y", "sex", max_people=10)
    same(result, expected)
    assert result.about["source"] == "dask"
    assert result.about["n_parts"] == 7
    assert result.people.index.is_unique
    rows = people.loc[result.people.index]
    np.testing.assert_array_equal(rows[["income", "debt"]], result.people[["income", "debt"]])


def test_empty_partitions_add_nothing(auditor, people, expected):
    frame = dd.from_pandas(people, npartitions=4)
    frame = frame[frame["income"] >= 0].repartition(npartitions=4)
    none = dd.from_pandas(people, npartitions=3)
    none = none[none["income"] < 0]
    same(auditor.audit(dd.concat([none, frame]), "y", "sex"), expected)
    with pytest.raises(ValueError, match=r"^RecourseAuditor.audit: X holds no rows\.$"):
        auditor.audit(none, "y", "sex")


def test_a_dask_frame_with_other_columns(auditor, people, tmp_path):
    frame = dd.from_pandas(people, npartitions=2)
    with pytest.raises(
        ValueError, match=r"the Dask DataFrame lacks the columns \['debt', 'race'\]"
    ):
        auditor.audit(frame.drop(columns="debt"), "y", "race")
    with pytest.raises(ValueError, match=r"a Dask DataFrame has no checkpoint; give Parquet files"):
        auditor.audit(frame, "y", checkpoint=tmp_path)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
            memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


def chunks(people, size):
    for start in range(0, len(people), size):
        yield people.iloc[start : start + size]


@pytest.mark.slow
def test_a_worker_that_dies_half_way_changes_nothing(auditor, people, expected, cluster):
    pids = cluster.run(os.getpid)
    assert len(set(pids.values()) - {os.getpid()}) == 2
    victim, read = next(iter(pids.values())), []

    def parts():
        for number, part in enumerate(chunks(people, 100)):
            read.append(number)
            if number == 12:
                os.kill(victim, signal.SIGKILL)
            yield part

    with joblib.parallel_config(backend="dask"):
        result = auditor.audit(parts(), "y", "sex", chunk_size=100)
    assert read == list(range(24))
    same(result, expected)
    assert repr(result.measures) == repr(expected.measures)
    # Whoever is left audits a frame whose partitions lie on the cluster.
    same(auditor.audit(dd.from_pandas(people, npartitions=6), "y", "sex"), expected)
