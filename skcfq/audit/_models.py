"""The two models of an audit, as recourse sees them."""

from ..estimators import ScoreView, classifier_view, encode_rows


def model_views(auditor, frame, *encodings):
    """Views of both models; rows that one of them cannot encode are a clear error.

    Parameters
    ----------
    auditor : RecourseAuditor
        With its models, labels and dtypes.
    frame : DataFrame of shape (n_samples, n_features)
        Checked rows.
    *encodings : Encoding
        Of both models, once they are known.

    Returns
    -------
    list of ClassifierView
        Of the reference and of the deployed model.
    """
    # Dtypes of words as they came: some models ask for categorical ones.
    words = {n: d for n, d in auditor._dtypes.items() if frame[n].dtype == object}
    # Known encodings need no categories of these rows, which may hold unknown ones.
    rows, views = (frame.iloc[:0] if encodings else frame).astype(words), []
    models = auditor.reference_, auditor.deployed_
    for model, encoding in zip(models, encodings or (None, None), strict=True):
        view = classifier_view(model, rows, encoding=encoding, classes=auditor._labels)
        missing = isinstance(view, ScoreView)  # such models may know what to do with them
        encode_rows("RecourseAuditor", view.encoding, frame, allow_missing=missing)
        views.append(view)
    return views
