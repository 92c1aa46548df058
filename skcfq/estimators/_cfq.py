"""The counterfactual-faithful quantized classifier."""

import numbers

import numpy as np
import torch

from .._utils._sklearn import InstanceWith, Interval, StrOptions
from ..quantization import quant_layers
from ..recourse import target_margin
from ..training import (
    FaithfulObjective,
    FisherSensitivity,
    OutputObjective,
    RecourseSensitivity,
    conformal_offset,
    deployed,
    held_out_split,
)
from ._checks import read_widths
from ._quantized import Recipe
from ._trained import BaseTrainedClassifier

#: Candidate widths that are learned in training, those of the paper, and all that can be chosen.
LEARNED_BITS = (2, 3, 4, 8)
ALL_BITS = ("ternary", 2, 3, 4, 5, 6, 7, 8)

#: Learning rate of weights in units of their levels.
LEVELS_LR = 0.02


class CFQClassifier(BaseTrainedClassifier):
    """Quantized classifier trained so that the recourse of its full-precision teacher survives.

    ``fit`` trains a teacher, solves its recourse on the training rows once, and trains the
    quantized network to keep the teacher's decisions and recourse, with learned steps, clips
    and widths. The widths of all outputs are chosen exactly within the bit budget. What is
    minimised is an object: by default :class:`FaithfulObjective`, which holds the decision
    boundary from both sides; the objective of the paper [1]_ is
    ``objective=PaperObjective()``.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Widths of the hidden ReLU layers; ``()`` is logistic regression.
    bit_budget : float, default=4.0
        Largest average number of bits per weight. A hard limit.
    byte_budget : int, default=None
        Largest number of bytes of the packed network: codes, steps and biases, see
        :func:`~skcfq.quantization.packed_bytes`. A hard limit, beside `bit_budget`.
    bits : "auto", sequence of {1.58, 2, 3, ..., 8} or one of them, default="auto"
        Candidate widths; 1.58 is ternary. A single one is uniform quantization. ``"auto"`` is all of them
        if `allocation` chooses, and (2, 3, 4, 8) if widths are learned.
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
    objective : FaithfulObjective, PaperObjective or object with ``prepare``, default=None
        What is trained for; ``None`` is ``FaithfulObjective(eta=eta)``.
    eta : float, default=1.0
        Weight of the recourse in the default objective.
    validity_level : float, default=None
        Validity drop to guarantee, e.g. 0.02: the target's logit is shifted by a split-conformal
        quantile of held-out margins, see :func:`~skcfq.training.conformal_offset` for the
        guarantee. It needs a teacher that has not seen the held-out rows: one that is trained
        here, or a fitted one that was trained on other rows. ``None``: no shift.
    calibration_fraction : float, default=0.2
        Share of the rows held out for it, from teacher and quantized network alike.
    allocation : "auto", RecourseSensitivity, FisherSensitivity, object with ``values`` or None, default="auto"
        How widths are chosen, per layer or per output: ``None`` learns those of the layers in training, an
        object tells the worth of each from the teacher's network beforehand. The budget is spent by an
        exact knapsack either way. ``"auto"``: see Notes.
    pin : dict of int to width, default=None
        Layers whose width is settled, e.g. ``{0: 8, -1: 8}`` for the first and the last. They
        count for `bit_budget`.
    start : "auto", OutputObjective, object with ``calibrate`` or None, default="auto"
        Where training starts: ``None`` rounds the teacher's weights, ``OutputObjective()`` takes what
        post-training quantization makes of them. It needs widths that are settled before: an
        `allocation`, or one width in `bits`. ``"auto"``: see Notes.
    rounding : {"auto", "together", "in turn"}, default="auto"
        ``"together"``: all weights are rounded all the time, and gradients pass straight through. ``"in turn"``: they are
        those of the teacher at first, and are rounded one share after the other, those
        first that matter most, while the others learn to make up for it [2]_. It needs a `start`. An objective with
        ``prepare_points`` then has its points drawn as often as they count, 102,400 for an epoch, 1,024 for a step.
        ``"auto"``: see Notes.
    search_fraction : float, default=0.3
        Share of the epochs during which widths are searched, if they are learned.
    settle_fraction : float or "auto", default="auto"
        Share of the epochs, the last, in which integer weights stay as they are, and only steps, clips and
        biases learn: rounded weights swing between levels otherwise, and what is deployed is what the
        last swing left. ``"auto"`` is 0.5 after a `start` from post-training quantization, else 0. It is about
        weights that are rounded together: others do not swing.
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
    max_epochs : int, default=20
        Passes over the training rows of the quantized network.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 256, and fewer where an epoch would have less than 64
        steps, but at least 32.
    lr : float or "auto", default="auto"
        Learning rate of AdamW at the start; it falls to 0 along a cosine, and once more after integer
        weights have settled. Of weights that are rounded in turn it is in units of their levels, and ``"auto"`` is
        0.02. Of others that is 3e-3, and after a `start` from post-training quantization 3e-4
        at 4 bits (1e-3 with rounded activations), in proportion to the distance of two levels: twice as
        much for each bit less.
    weight_decay : float, default=1e-2
        Of AdamW, unless weights are rounded in turn.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes.
    early_stopping : bool, default=True
        Stop when the objective on held-out training rows falls no more, and keep the best
        epoch. With fewer than 100 different rows nothing is held out. Where weights are rounded in turn, this is about
        the teacher alone: they are all rounded after the last epoch, and learn from all rows.
    validation_fraction : float, default=0.1
        Share of the different training rows held out.
    n_iter_no_change : int, default=10
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
    calibration_ : Calibration
        Offset, rows counted, level, bound and attained validity drop; with `validity_level`.
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
    QATClassifier : The same training without the recourse terms.
    RecourseAuditor : Compares any two fitted classifiers.

    Notes
    -----
    An objective with a true ``keeps_teacher``, as :class:`FaithfulObjective`, asks the quantized network to
    compute what the teacher does. Post-training quantization is nearly there, and training goes on
    from it: for such an objective, ``start="auto"`` is ``OutputObjective(nearness=1.0)``, ``rounding="auto"`` is
    ``"in turn"`` after a `start`, and ``allocation="auto"`` is
    ``RecourseSensitivity(per_channel=True, per_input=True)``, or ``FisherSensitivity`` if nobody among the
    training rows needs recourse and has advice; both are per layer if steps are, and inputs have no widths of
    their own if `bits` lists the widths. For other objectives, and where the
    teacher has no ReLU layers of the sizes in `hidden_layer_sizes`, start and allocation are ``None``, and weights are
    rounded together.

    Where inputs have widths of their own, the commonest column of each one-hot group is spared, see
    :func:`~skcfq.quantization.drop_reference_columns`: a category that the encoding does not know
    (``handle_unknown="ignore"``) is then treated as the commonest one among the people learned from, synthetic ones
    included.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160
    .. [2] A. Zhou, A. Yao, Y. Guo, L. Xu, Y. Chen (2017). "Incremental Network Quantization: Towards
       Lossless CNNs with Low-Precision Weights". ICLR. arXiv:1702.03044

    Examples
    --------
    >>> from skcfq import CFQClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = CFQClassifier(actions=data.actions, bit_budget=4, max_epochs=10, random_state=0)
    >>> score = clf.fit(data.data, data.target).score(data.data, data.target)
    >>> clf.average_bits_ <= 4
    True
    >>> float(score) == score.accuracy
    True
    """

    _parameter_constraints = {
        **BaseTrainedClassifier._parameter_constraints,
        "objective": [InstanceWith(["prepare"]), None],
        "eta": [Interval(numbers.Real, 0, None, closed="left")],
        "validity_level": [Interval(numbers.Real, 0, 1, closed="neither"), None],
        "calibration_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "allocation": [InstanceWith(["values"]), StrOptions({"auto"}), None],
        "start": [InstanceWith(["calibrate"]), StrOptions({"auto"}), None],
        "rounding": [StrOptions({"auto", "in turn", "together"})],
        "bits": ["array-like", numbers.Real, StrOptions({"ternary", "auto"})],
        "settle_fraction": [Interval(numbers.Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(numbers.Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        bit_budget=4.0,
        byte_budget=None,
        bits="auto",
        activation_bits=None,
        activation_budget=None,
        per_channel=True,
        prune_fraction=0.0,
        objective=None,
        eta=1.0,
        validity_level=None,
        calibration_fraction=0.2,
        allocation="auto",
        pin=None,
        start="auto",
        rounding="auto",
        search_fraction=0.3,
        settle_fraction="auto",
        preprocessor="auto",
        actions=None,
        target=None,
        solver=None,
        teacher=None,
        memory=None,
        max_epochs=20,
        batch_size="auto",
        lr="auto",
        weight_decay=1e-2,
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            hidden_layer_sizes,
            bit_budget=bit_budget,
            byte_budget=byte_budget,
            bits=bits,
            activation_bits=activation_bits,
            activation_budget=activation_budget,
            per_channel=per_channel,
            prune_fraction=prune_fraction,
            allocation=allocation,
            pin=pin,
            start=start,
            search_fraction=search_fraction,
            settle_fraction=settle_fraction,
            preprocessor=preprocessor,
            actions=actions,
            target=target,
            solver=solver,
            teacher=teacher,
            memory=memory,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            class_weight=class_weight,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            callbacks=callbacks,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.rounding = rounding
        self.objective = objective
        self.eta = eta
        self.validity_level = validity_level
        self.calibration_fraction = calibration_fraction

    def _objective(self):
        return FaithfulObjective(eta=self.eta) if self.objective is None else self.objective

    @property
    def _keeps_teacher(self):
        return getattr(self._objective(), "keeps_teacher", False)

    def _problems(self, frame):
        problems, recipe = super()._problems(frame), self._recipe()
        if recipe.in_turn and recipe.settle_fraction > 0:
            problems.append(
                f"settle_fraction={self.settle_fraction!r} is about weights that are rounded together: give "
                'rounding="together" too, or leave it out.'
            )
        if self.rounding == "in turn" and recipe.start is None:
            problems.append(
                'rounding="in turn" starts from post-training quantization: give start=OutputObjective(), and '
                "allocation or one width in bits."
            )
        return problems

    def _widths(self, recipe):
        bits = self.bits
        if isinstance(bits, str) and bits == "auto":
            bits = LEARNED_BITS if recipe.allocation is None else ALL_BITS
        return read_widths(bits, self.bit_budget)

    def _recipe(self):
        allocation, start = self.allocation, self.start
        if allocation == "auto":
            allocation = RecourseSensitivity(**self._each) if self._keeps_teacher else None
        if start == "auto":
            # Learned widths are settled too late to start from.
            settled = allocation is not None or len(self._widths(Recipe())[0]) == 1
            start = OutputObjective(nearness=1.0) if self._keeps_teacher and settled else None
        return self._trained_by(allocation, start)

    @property
    def _each(self):
        """What has widths of its own: outputs that have steps, and inputs unless widths are listed."""
        every_width = isinstance(self.bits, str) and self.bits == "auto"
        return {"per_channel": self.per_channel, "per_input": self.per_channel and every_width}

    def _trained_by(self, allocation, start):
        lr, settle_fraction = self.lr, self.settle_fraction
        rounding = self.rounding
        if rounding == "auto":
            rounding = "in turn" if self._keeps_teacher else "together"
        in_turn = rounding == "in turn" and start is not None
        if lr == "auto":
            at_4_bits = 3e-4 if self.activation_bits is None else 1e-3
            together = at_4_bits * 2.0 ** (4 - min(self.bit_budget, 8))
            lr = 3e-3 if start is None else LEVELS_LR if in_turn else together
        if settle_fraction == "auto":
            settle_fraction = 0.0 if start is None or in_turn else 0.5
        clip_rule = "lsq" if self._keeps_teacher else "pact"
        return Recipe(allocation, start, lr, settle_fraction, clip_rule, in_turn)

    def _settled(self, recipe, lesson, same):
        allocation, start = recipe.allocation, recipe.start
        if self.allocation == "auto":
            if not same:
                allocation = None
            elif allocation is not None and (lesson.advice is None or not lesson.counted.any()):
                allocation = FisherSensitivity(**self._each)
        if self.start == "auto" and not same:
            start = None
        return self._trained_by(allocation, start)

    def _hold_back(self, table, seed):
        if self.validity_level is None:
            return table, None
        if len(np.unique(table.weight)) > 1:
            raise ValueError(
                "validity_level cannot be guaranteed with sample or class weights: held-out people would not "
                "stand for the population alike. Leave out the weights, or validity_level."
            )
        learn, held = held_out_split(table.frame, table.codes, self.calibration_fraction, seed)
        return table.take(learn), table.frame.iloc[held]

    def _calibrate(self, module, view, frame):
        """Shift the target's logit so that the held-out people's advice holds as asked."""
        advice = view.solve(self._solver(), frame, self.target_, self.actions_)
        people = advice.counterfactual[advice.needed & advice.success]
        margin = np.zeros(0)
        if len(people):
            with torch.no_grad():
                logits = deployed(module, torch.float64)(
                    torch.from_numpy(np.array(self._encode(people)))
                )
            margin = target_margin(logits, torch.full((len(people),), self._target_index)).numpy()
        calibration = conformal_offset(margin, self.validity_level)
        with torch.no_grad():
            quant_layers(module)[-1].bias[self._target_index] += calibration.offset
        return calibration
