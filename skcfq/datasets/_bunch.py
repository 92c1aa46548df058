"""The one shape in which every data set is returned."""

from sklearn.utils import Bunch


def assemble(frame, *, target, favourable, train_index=None, test_index=None, **fields):
    """Split the target from the features and name the parts as scikit-learn's loaders do.

    Nothing is computed from the features here: imputation, scaling and bounds are fitted
    later, on training rows only.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_samples, n_features + 1)
        Features and target column, rows in published order.
    target : str
        Name of the target column.
    favourable : str
        The class that a person wants.
    train_index, test_index : ndarray of int, default=None
        Positions of the published split, if there is one.
    **fields
        Fields taken over as they are: ``actions``, ``realistic_actions``,
        ``sensitive_features``, ``DESCR``, and what only one data set has.

    Returns
    -------
    sklearn.utils.Bunch
    """
    data = frame.drop(columns=target)
    return Bunch(
        frame=frame,
        data=data,
        target=frame[target].copy(),
        target_names=sorted(frame[target].unique()),
        feature_names=list(data.columns),
        favourable=favourable,
        train_index=train_index,
        test_index=test_index,
        **fields,
    )
