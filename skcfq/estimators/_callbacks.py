"""scikit-learn's callback protocol, fed from skorch's epochs."""

import copy

from ..quantization import quant_layers
from ..training import EpochHook, allocate_by_preference, wrap_net


class FitTask:
    """The task that scikit-learn's callbacks see while an estimator is fitted.

    Does nothing if nobody listens, or before scikit-learn 1.9.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose fit is under way.
    X, y : training data
        As given to fit.
    n_subtasks : int
        Largest number of subtasks.
    budget : float, default=None
        Average bits per weight, if widths are searched.
    """

    #: What a copy of the estimator needs to predict in the middle of training.
    FITTED = (
        "classes_",
        "n_features_in_",
        "feature_names_in_",
        "encoding_",
        "actions_",
        "teacher_",
    )

    def __init__(self, estimator, X, y, n_subtasks, budget=None):
        self.estimator, self.data, self.context = estimator, {"X": X, "y": y}, None
        self.budget = budget
        #: What an objective does to a module in the end, if anything.
        self.finish = None
        if hasattr(estimator, "_init_callback_context"):
            context = estimator._init_callback_context(task_name="fit", max_subtasks=n_subtasks)
            if getattr(context, "_callbacks", True):
                self.context = context
                context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def step(self, name, work):
        """Do one piece of work as a subtask and return its result."""
        task = self._open(name)
        result = work()
        if task is not None:
            task.call_on_fit_task_end(estimator=self.estimator, **self.data)
        return result

    def _open(self, name):
        if self.context is None:
            return None
        task = self.context.subcontext(task_name=name)
        task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return task

    def hooks(self):
        """Skorch callbacks that open and close a subtask per epoch."""
        if self.context is None:
            return ()
        open_tasks = []

        def begin(net):
            open_tasks.append(self._open("epoch"))

        def end(net):
            open_tasks.pop().call_on_fit_task_end(
                estimator=self.estimator,
                **self.data,
                reconstruction_attributes=lambda: self._fitted(net),
            )

        return (EpochHook(begin, end),)

    def _fitted(self, net):
        state = {
            name: getattr(self.estimator, name)
            for name in self.FITTED
            if hasattr(self.estimator, name)
        }
        module = copy.deepcopy(net.module_).cpu()
        if any(layer.searches for layer in quant_layers(module)):
            # While widths are searched: the network if the search ended now.
            allocate_by_preference(module, self.budget)
        if self.finish is not None:
            self.finish(module)
        return {**state, "net_": wrap_net(module, [])}

    def done(self):
        """Tell that the fit has ended."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, **self.data)
