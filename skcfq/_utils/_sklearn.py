"""The scikit-learn names that are not public, in this one file."""

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

from ._errors import raise_problems

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
    "ClassifierOrScores",
    "InstanceWith",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_parameters",
    "check_sample_weight",
    "with_callbacks",
]


class InstanceWith(HasMethods):
    """A constraint: an object with these methods, and not the class itself."""

    def is_satisfied_by(self, val):
        """Whether `val` is one."""
        return not isinstance(val, type) and super().is_satisfied_by(val)


class ClassifierOrScores(InstanceWith):
    """A constraint: an object with ``predict``, a function, or a session of ONNX Runtime."""

    def __init__(self):
        super().__init__(["predict"])

    def is_satisfied_by(self, val):
        """Whether `val` is one."""
        runs = hasattr(val, "run") and hasattr(val, "get_inputs")
        return super().is_satisfied_by(val) or (
            (callable(val) or runs) and not isinstance(val, type)
        )

    def __str__(self):
        return f"{super().__str__()}, a function of frames or a session of ONNX Runtime"


def check_parameters(estimator):
    """Check an estimator's parameters against its ``_parameter_constraints``.

    Parameters
    ----------
    estimator : BaseEstimator

    Raises
    ------
    InvalidParameterError
        Names every wrong parameter, what is allowed and what came. One alone reads as in
        scikit-learn.
    """
    name, constraints = type(estimator).__name__, estimator._parameter_constraints
    problems = []
    for parameter, value in estimator.get_params(deep=False).items():
        try:
            validate_parameter_constraints(
                {parameter: constraints.get(parameter, "no_validation")},
                {parameter: value},
                caller_name=name,
            )
        except InvalidParameterError as error:
            problems.append(str(error))
    if len(problems) == 1:
        raise InvalidParameterError(problems[0])
    raise_problems(name, problems, InvalidParameterError)
