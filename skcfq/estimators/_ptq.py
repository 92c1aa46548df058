"""Post-training quantization."""

from .._utils._errors import raise_problems
from .._utils._sklearn import InstanceWith
from ..training import FisherSensitivity, WeightObjective
from ._quantized import BaseQuantizedClassifier, Recipe
from ._views import is_fitted, network_view, relu_twin, unwrap


class PTQClassifier(BaseQuantizedClassifier):
    """Quantize a fitted classifier without training it again.

    Takes the network of a teacher, chooses the widths of its layers within the bit budget, and
    calibrates codes, steps, biases and clips on the training rows: in closed form, in seconds. What
    is kept is an object: by default the weights (:class:`WeightObjective`), with
    :class:`OutputObjective` what each layer computes at the rows and at the teacher's recourse
    (CF-PTQ [1]_). With one width in `bits` quantization is uniform; with several, widths are chosen
    by the sensitivity of the layers.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Widths of the hidden ReLU layers of the teacher that is trained if `teacher` is ``None``.
    bit_budget : float, default=4.0
        Largest average number of bits per weight. A hard limit.
    byte_budget : int, default=None
        Largest number of bytes of the packed network: codes, steps and biases, see
        :func:`~skcfq.quantization.packed_bytes`. A hard limit, beside `bit_budget`.
    bits : sequence of {1.58, 2, 3, ..., 8} or one of them, default=(2, 3, 4, 8)
        Candidate widths; 1.58 is ternary. A single one is uniform quantization.
    activation_bits : {2, ..., 8}, sequence of them, "auto" or None, default=None
        Width of the hidden activations, with clips measured on the rows; ``None``: float
        activations. It says what it is: with ``bits=8`` and ``activation_bits=8``, both have 8 bits.
    activation_budget : float, default=None
        Largest average number of bits per hidden activation, with several widths in `activation_bits`, one
        for each layer; chosen by an exact knapsack from sensitivities, those of `allocation` or else
        :class:`FisherSensitivity`. ``"auto"`` stands for all widths, and gives every hidden unit one of
        its own, 0 to 8 bits, if `allocation` is per channel: units that matter get more levels, at the same
        distance, and those that others can stand in for none.
    per_channel : bool, default=True
        One step per output of a layer; otherwise one per layer.
    prune_fraction : float, default=0.0
        Share of the weights, the smallest of the network that is quantized, that are 0. They still count for
        `bit_budget`. Where inputs have widths of their own, the first are those of the commonest
        categories, which are 0 anyway and take no bits.
    objective : WeightObjective, OutputObjective or object with ``calibrate``, default=None
        What is kept; ``None`` is ``WeightObjective()``.
    allocation : FisherSensitivity, RecourseSensitivity or object with ``values``, default=None
        What tells the worth of each width in each layer; ``None`` is ``FisherSensitivity()``. The
        budget is spent by an exact knapsack.
    pin : dict of int to width, default=None
        Layers whose width is settled, e.g. ``{0: 8, -1: 8}`` for the first and the last. They
        count for `bit_budget`.
    preprocessor : {"auto"}, transformer or None, default="auto"
        How raw rows become the network's input. ``"auto"`` standardises numbers (columns of 0
        and 1 stay) and one-hot encodes everything else, a missing category being a category.
        ``None``: `X` is encoded already. Not to be given together with a teacher, which brings
        its own.
    actions : ActionSet, default=None
        What a person may change, in the units of `X`; ``None``: everything, within the range of
        the training rows.
    target : label, default=None
        The favourable class that recourse leads to; ``None`` takes the last of ``classes_``.
    solver : BaseSolver, default=None
        Recourse search; ``None`` is :class:`GreedySolver`.
    teacher : classifier, default=None
        The model to quantize, of linear layers and ReLUs: a fitted one is used as it is
        (``FrozenEstimator`` around it survives ``clone``), an unfitted one is cloned and fitted;
        ``None`` trains a :class:`FullPrecisionClassifier`.
    memory : joblib.Memory or path, default=None
        Where the teacher and its recourse are kept, so that a grid over bit budgets trains one
        teacher per fold.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.
    random_state : int, RandomState instance or None, default=None
        Seed of the teacher's training. Quantization itself is not random.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` had names.
    teacher_ : classifier
        The fitted full-precision model.
    net_ : skorch.NeuralNet
        The quantized network.
    bits_ : tuple of float
        Width of each layer's weights, on average over its outputs.
    channel_bits_ : tuple of tuple of float
        Width of the weights of each output of each layer.
    input_shifts_ : tuple of tuple of int
        By how much narrower the weights of each input of each layer are.
    average_bits_ : float
        Average over all weights, at most `bit_budget`.
    activation_bits_ : tuple of float or None
        Width of the activations of each hidden layer, on average over its units.
    unit_bits_ : tuple of tuple of int or None
        Width of the activation of each unit of each hidden layer.
    average_activation_bits_ : float or None
        Average over all hidden units, at most `activation_budget`.
    packed_bytes_ : int
        Bytes of the packed network, at most `byte_budget`.
    history_ : list
        Empty: nothing is trained after the teacher.
    actions_ : ActionSpace
        The action set bound to the training rows.
    encoding_ : Encoding
        Raw frame to network input.
    target_ : label
        The class that recourse leads to.

    See Also
    --------
    CFQClassifier : Trains the quantized network, which keeps more at few bits.
    ValidityCalibrator : Guarantees a validity drop, from rows that the teacher has not seen.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skcfq import FullPrecisionClassifier, OutputObjective, PTQClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> X, y = data.data, data.target
    >>> teacher = FullPrecisionClassifier(actions=data.actions, max_epochs=20, random_state=0)
    >>> teacher = FrozenEstimator(teacher.fit(X, y))
    >>> clf = PTQClassifier(teacher=teacher, actions=data.actions, objective=OutputObjective())
    >>> clf.fit(X, y).average_bits_ <= 4
    True
    """

    _parameter_constraints = {
        **BaseQuantizedClassifier._parameter_constraints,
        "objective": [InstanceWith(["calibrate"]), None],
    }
    _n_subtasks = 0

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        bit_budget=4.0,
        byte_budget=None,
        bits=(2, 3, 4, 8),
        activation_bits=None,
        activation_budget=None,
        per_channel=True,
        prune_fraction=0.0,
        objective=None,
        allocation=None,
        pin=None,
        preprocessor="auto",
        actions=None,
        target=None,
        solver=None,
        teacher=None,
        memory=None,
        class_weight=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bit_budget = bit_budget
        self.byte_budget = byte_budget
        self.bits = bits
        self.activation_bits = activation_bits
        self.activation_budget = activation_budget
        self.per_channel = per_channel
        self.prune_fraction = prune_fraction
        self.objective = objective
        self.allocation = allocation
        self.pin = pin
        self.preprocessor = preprocessor
        self.actions = actions
        self.target = target
        self.solver = solver
        self.teacher = teacher
        self.memory = memory
        self.class_weight = class_weight
        self.random_state = random_state

    def _objective(self):
        return WeightObjective() if self.objective is None else self.objective

    def _recipe(self):
        return Recipe(FisherSensitivity() if self.allocation is None else self.allocation)

    @property
    def _n_layers(self):
        return len(self.hidden_layer_sizes) + 1 if self.teacher is None else None

    def _problems(self, frame):
        problems = super()._problems(frame)
        if not problems and self.teacher is not None and is_fitted(self.teacher):
            twin = relu_twin(network_view(self.teacher, frame.columns))
            problems += _twin_problems(self.teacher, twin)
        return problems

    def _network(self, twin, n_columns, seed):
        """The teacher's network."""
        raise_problems(type(self).__name__, _twin_problems(self.teacher_, twin))
        return twin

    def _quantize(self, module, network, lesson, codes, budget, seed, task, recipe):
        """Calibrate; the history is empty."""
        self._objective().calibrate(module, network, lesson)
        return []


def _twin_problems(teacher, twin):
    if twin is not None:
        return []
    return [
        f"the network of the teacher {type(unwrap(teacher)).__name__} is not one of linear layers with ReLUs "
        "between them, which post-training quantization needs. CFQClassifier and QATClassifier take "
        "any teacher."
    ]
