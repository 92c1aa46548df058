"""The scikit-learn names that are not public, in this one file."""

from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

try:  # scikit-learn 1.9: experimental, may change without deprecation
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before 1.9, callbacks do nothing

    class CallbackSupportMixin:
        """Stands in for scikit-learn's callback support before 1.9."""

    def with_callbacks(method):
        """Return the method unchanged."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_sample_weight",
    "with_callbacks",
]
