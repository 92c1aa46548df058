"""Plain quantization-aware training, the baseline."""

from ..training import TaskObjective
from ._trained import BaseTrainedClassifier


class QATClassifier(BaseTrainedClassifier):
    """Quantized classifier trained on labels alone: the baselines of the paper.

    The same code as :class:`CFQClassifier` without a recourse loss. With one width in `bits` it
    is LSQ [1]_, with `activation_bits` PACT [2]_, with several widths accuracy-centric mixed
    precision under a hard budget.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Widths of the hidden ReLU layers; ``()`` is logistic regression.
    bit_budget : float, default=4.0
        Largest average number of bits per weight. A hard limit.
    byte_budget : int, default=None
        Largest number of bytes of the packed network: codes, steps and biases, see
        :func:`~skcfq.quantization.packed_bytes`. A hard limit, beside `bit_budget`.
    bits : sequence of {1.58, 2, 3, ..., 8} or one of them, default=(2, 3, 4, 8)
        Candidate widths; 1.58 is ternary. A single one is uniform quantization.
    activation_bits : {2, ..., 8}, sequence of them, "auto" or None, default=None
        Width of the hidden activations, by learned clips; ``None``: float activations.
    activation_budget : float, default=None
        Largest average number of bits per hidden activation, with several widths in `activation_bits`, one
        for each layer; chosen by an exact knapsack from sensitivities, those of `allocation` or else
        :class:`FisherSensitivity`. ``"auto"`` stands for all widths, and gives every hidden unit one of
        its own, 0 to 8 bits, if `allocation` is per channel: units that matter get more levels, at the same
        distance, and those that others can stand in for none.
    per_channel : bool, default=True
        One learned step per output of a layer; otherwise one per layer.
    prune_fraction : float, default=0.0
        Share of the weights, the smallest of the network that is quantized, that are 0 and stay 0 through
        all training. They still count for `bit_budget`. Where inputs have widths of their own, the first are
        those of the commonest categories, which are 0 anyway and take no bits.
    allocation : RecourseSensitivity, FisherSensitivity or object with ``values``, default=None
        How the widths of the layers are chosen: ``None`` learns them in training, an object tells the
        worth of each from the teacher's network beforehand. The budget is spent by an exact knapsack
        either way.
    pin : dict of int to width, default=None
        Layers whose width is settled, e.g. ``{0: 8, -1: 8}`` for the first and the last. They
        count for `bit_budget`.
    start : OutputObjective or object with ``calibrate``, default=None
        Where training starts: ``None`` rounds the teacher's weights, ``OutputObjective()`` takes what
        post-training quantization makes of them. It needs widths that are settled before: an
        `allocation`, or one width in `bits`. A small `lr` keeps what it gives.
    search_fraction : float, default=0.3
        Share of the epochs during which widths are searched, if they are learned.
    settle_fraction : float, default=0.0
        Share of the epochs, the last, in which integer weights stay as they are, and only steps, clips and
        biases learn: rounded weights swing between levels otherwise, and what is deployed is what the
        last swing left.
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
        The full-precision model: ``None`` trains a :class:`FullPrecisionClassifier` of the same
        `hidden_layer_sizes`, `preprocessor`, `actions` and `target`; an unfitted classifier is cloned and fitted; a fitted one is used as it is
        (``FrozenEstimator`` around it survives ``clone``). It must be backed by a network.
    memory : joblib.Memory or path, default=None
        Where the teacher and its recourse are kept, so that a grid over bit budgets trains one
        teacher per fold.
    max_epochs : int, default=30
        Passes over the training rows of the quantized network.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 256, and fewer where an epoch would have less than 64
        steps, but at least 32.
    lr : float, default=1e-3
        Learning rate of AdamW at the start; it falls to 0 along a cosine.
    weight_decay : float, default=1e-2
        Of AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.
    early_stopping : bool, default=True
        Stop when the objective on held-out training rows falls no more, and keep the best
        epoch. With fewer than 100 different rows nothing is held out.
    validation_fraction : float, default=0.1
        Share of the different training rows held out.
    n_iter_no_change : int, default=8
        Epochs without improvement before the loop stops.
    callbacks : sequence of skorch callbacks, default=None
        Called by the training loop of the quantized network.
    device : str, default="cpu"
        Where the networks train.
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
    teacher_ : classifier
        The fitted full-precision model.
    net_ : skorch.NeuralNet
        The trained quantized network.
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
    history_ : list of dict
        Losses and seconds of each epoch.
    actions_ : ActionSpace
        The action set bound to the training rows.
    encoding_ : Encoding
        Raw frame to network input.
    target_ : label
        The class that recourse leads to.

    See Also
    --------
    CFQClassifier : Keeps the recourse.

    References
    ----------
    .. [1] S. K. Esser et al. (2020). "Learned Step Size Quantization". arXiv:1902.08153
    .. [2] J. Choi et al. (2018). "PACT: Parameterized Clipping Activation for Quantized Neural
       Networks". arXiv:1805.06085

    Examples
    --------
    >>> from skcfq import QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = QATClassifier(bits=4, bit_budget=4, max_epochs=10, random_state=0)
    >>> clf.fit(data.data, data.target).bits_
    (4, 4, 4)
    """

    def _objective(self):
        return TaskObjective()
