import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import RecourseAuditor
from skcfq.report import write_report

from .browser import Browser, find_chromium

#: Names that break out of whatever does not hold them.
HOSTILE = {
    "column": "<img src=x onerror=alert(1)>",
    "category": '"><script>document.title="broken into"</script>',
    "group": "</script><script>throw 1</script>",
    "title": '</title><svg onload="alert(2)"> & $\\frac{',
    "formula": "{{ 7 * 7 }} {% raw %} 50 $ _x",
}


def audit(names):
    """An audit of two linear models, with columns, categories and groups of the given names."""
    rng = np.random.default_rng(0)
    n = 240
    number, other = names["column"], names["formula"]
    X = pd.DataFrame(
        {
            number: rng.normal(1500, 400, n).round(),
            other: rng.normal(0, 1, n).round(2),
            "kind": rng.choice(["a & b", names["category"]], n),
            "who": rng.choice([names["group"], "others", "it's"], n),
        }
    )
    y = np.where(X[number] / 400 + X[other] + rng.normal(0, 0.7, n) > 4, "yes", "no")

    def fit(C):
        encode = ColumnTransformer(
            [("n", StandardScaler(), [number, other]),
             ("c", OneHotEncoder(sparse_output=False), ["kind", "who"])]
        )  # fmt: skip
        return make_pipeline(encode, LogisticRegression(C=C)).fit(X, y)

    auditor = RecourseAuditor(fit(1.0), fit(0.02), target="yes").fit(X, y)
    return auditor.audit(X, y, groups=["who", "kind"])


@pytest.fixture(scope="session")
def result():
    plain = {"column": "income", "category": "c", "group": "women", "formula": "debt"}
    return audit(plain)


@pytest.fixture(scope="session")
def hostile_result():
    return audit(HOSTILE)


@pytest.fixture(scope="session")
def report(result, tmp_path_factory):
    """Path of a report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(result, path, limits={"validity_drop": 0.02}, max_people=60)
    return path


@pytest.fixture(scope="session")
def hostile_report(hostile_result, tmp_path_factory):
    """Path of a report about people and columns whose names are attacks."""
    path = tmp_path_factory.mktemp("report") / "hostile.html"
    write_report(hostile_result, path, title=HOSTILE["title"], max_people=60)
    return path


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    if path is None:
        pytest.skip("needs an installed Chromium: none on the PATH")
    browser = Browser(path)
    yield browser
    browser.close()
