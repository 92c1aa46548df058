"""The full-precision classifier: a teacher, and the reference of an audit."""

import torch

from .._utils._sklearn import StrOptions, with_callbacks
from ..actions import bind_actions
from ..quantization import mlp
from ..recourse import one_thread
from ..training import BatchDataset, TaskObjective, train
from ._callbacks import FitTask
from ._network import BaseNetworkClassifier
from ._training import TRAINING_CONSTRAINTS, as_batch, hold_out, training_plan, training_problems


class FullPrecisionClassifier(BaseNetworkClassifier):
    """Multilayer perceptron in full precision, trained with skorch, that gives recourse.

    The teacher of :class:`CFQClassifier` and a reference for :class:`RecourseAuditor`.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Widths of the hidden ReLU layers; ``()`` is logistic regression.
    preprocessor : {"auto"}, transformer or None, default="auto"
        How raw rows become the network's input. ``"auto"`` standardises numbers (columns of 0
        and 1 stay) and one-hot encodes everything else, a missing category being a category.
        ``None``: `X` is encoded already.
    actions : ActionSet, default=None
        What a person may change, in the units of `X`; ``None``: everything, within the range of
        the training rows.
    target : label, default=None
        The favourable class that recourse leads to; ``None`` takes the last of ``classes_``.
    solver : BaseSolver, default=None
        Recourse search; ``None`` is :class:`GreedySolver`.
    max_epochs : int, default=200
        Largest number of passes over the training rows; early stopping usually ends earlier.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 256, and fewer where an epoch would have less than 64
        steps, but at least 32.
    lr : float or "auto", default="auto"
        Learning rate of AdamW at the start; it falls to 0 along a cosine. ``"auto"`` is 1e-3,
        and 1e-2 without hidden layers.
    weight_decay : float, default=1e-2
        Of AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.
    early_stopping : bool, default=True
        Stop when the loss on held-out training rows falls no more, and keep the best epoch.
        With fewer than 100 different rows nothing is held out.
    validation_fraction : float, default=0.1
        Share of the different training rows held out.
    n_iter_no_change : int, default=8
        Epochs without improvement before the loop stops.
    callbacks : sequence of skorch callbacks, default=None
        Called by the training loop.
    device : str, default="cpu"
        Where the network trains.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random. The same seed gives the same model to the bit, whatever the
        order of the rows.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` had names.
    encoding_ : Encoding
        Raw frame to network input.
    actions_ : ActionSpace
        The action set bound to the training rows.
    net_ : skorch.NeuralNet
        The trained network.
    history_ : list of dict
        Losses and seconds of each epoch.

    See Also
    --------
    CFQClassifier : The quantized classifier that keeps the recourse of its teacher.

    Examples
    --------
    >>> from skcfq import FullPrecisionClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = FullPrecisionClassifier(actions=data.actions, max_epochs=20, random_state=0)
    >>> clf.fit(data.data, data.target).score(data.data, data.target) > 0.8
    True
    >>> clf.recourse(data.data.head(3))["recourse_success"].all()
    np.True_
    """

    _parameter_constraints = {
        **BaseNetworkClassifier._parameter_constraints,
        **TRAINING_CONSTRAINTS,
        "lr": [*TRAINING_CONSTRAINTS["lr"], StrOptions({"auto"})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        preprocessor="auto",
        actions=None,
        target=None,
        solver=None,
        max_epochs=200,
        batch_size="auto",
        lr="auto",
        weight_decay=1e-2,
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=8,
        callbacks=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.preprocessor = preprocessor
        self.actions = actions
        self.target = target
        self.solver = solver
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _problems(self, frame):
        return [*super()._problems(frame), *training_problems(self)]

    @with_callbacks
    @one_thread()
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows: a raw frame, or a numeric array.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; a weight of 2 equals the row given twice.

        Returns
        -------
        self : FullPrecisionClassifier

        Raises
        ------
        ValueError
            For bad input, listing all problems, before training.
        """
        table = self._read(X, y, sample_weight)
        task = FitTask(self, X, y, self.max_epochs)
        self.encoding_ = self._fit_encoding(table)
        self.actions_ = bind_actions(
            self.actions, self.encoding_, table.merged, table.merged_weight
        ).without_values()
        seed = self._seed()
        batch = as_batch(self._encode(table.merged), table.merged_codes, table.merged_weight)
        sizes = (batch.x.shape[1], *self.hidden_layer_sizes, len(self.classes_))
        module = mlp(sizes, torch.Generator().manual_seed(seed))
        train_rows, valid_rows = hold_out(self, table.merged_codes, seed)
        lr = self.lr
        if lr == "auto":
            lr = 1e-3 if len(self.hidden_layer_sizes) else 1e-2
        plan = training_plan(self, len(train_rows), seed, task.hooks(), lr=lr)
        history = train(
            module,
            TaskObjective(bit_cost=0.0).prepare(None).terms,
            BatchDataset(batch, train_rows),
            None if valid_rows is None else BatchDataset(batch, valid_rows),
            self._target_index,
            plan,
        )
        self._set_module(module, history)
        task.done()
        return self
