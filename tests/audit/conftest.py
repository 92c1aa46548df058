import pytest
import torch
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are fastest on one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def encoder(scaler, **one_hot):
    numbers = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    return ColumnTransformer(
        [
            ("numbers", scaler, numbers),
            ("words", OneHotEncoder(sparse_output=False, **one_hot), words),
        ]
    )


@pytest.fixture(scope="session")
def pipelines(credit):
    """Two fitted pipelines on the raw frame, with preprocessors of their own."""
    X, y = credit.data, credit.target
    reference = make_pipeline(encoder(StandardScaler()), LogisticRegression())
    deployed = make_pipeline(
        encoder(MinMaxScaler(), drop="first"), LogisticRegression(C=0.3, max_iter=1000)
    )
    return reference.fit(X, y), deployed.fit(X, y)
