"""What the grid is made of: studies, and the cells that they ask for."""

import dataclasses
import difflib
import itertools
import re

import joblib
from paper_data import ACTION_SETS, ADVISERS, SOURCES, TEACHERS
from paper_methods import BY_OUTPUT, FAITHFUL, MAIN, METHODS, PAPER, TRAINING

from skcfq._utils._errors import raise_problems

NARROWEST = 2


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a cell changes beside method, budget and seed.

    Attributes
    ----------
    name : str
        As tables and figures call it.
    hidden_layer_sizes : tuple of int
        Of teacher and student.
    activation_bits : int or None
        Width of the hidden activations; None: they are floats, unless there is a budget.
    activation_budget : float or None
        Their average width, if every method chooses widths as it can.
    actions : str
        What people may do: a key of `action_sets`.
    teacher : str
        A key of `TEACHERS`.
    adviser : str
        Who searches the advice that students learn from: a key of `ADVISERS`.
    """

    name: str = "default"
    hidden_layer_sizes: tuple = (128, 64)
    activation_bits: int | None = None
    activation_budget: float | None = None
    actions: str = "paper"
    teacher: str = "full"
    adviser: str = "greedy"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One model to fit and to measure.

    Attributes
    ----------
    study, dataset, method : str
    bit_budget : float
        Average bits per weight.
    seed : int
        Of the split, the teacher and the student.
    setting : Setting
    measure : str
        What is measured: a key of `paper_measures.MEASURES`.
    max_epochs : int or None
        Of teacher and student, for quick runs; None: their own.
    """

    study: str
    dataset: str
    method: str
    bit_budget: float
    seed: int
    setting: Setting = Setting()
    measure: str = "people"
    max_epochs: int | None = None

    @property
    def key(self):
        """A file name: legible, and different for every cell."""
        words = [
            self.study,
            self.dataset,
            self.method,
            self.setting.name,
            self.bit_budget,
            self.seed,
        ]
        text = re.sub(r"[^a-z0-9.]+", "-", "_".join(map(str, words)).lower())
        return f"{text}-{joblib.hash(dataclasses.astuple(self))[:8]}"


@dataclasses.dataclass(frozen=True)
class Study:
    """A question, and the cells that answer it: all combinations.

    Attributes
    ----------
    name, about : str
    datasets, methods : tuple of str
    bit_budgets : tuple of float
    seeds : tuple of int
    settings : tuple of Setting
    measure : str
        A key of `paper_measures.MEASURES`.
    """

    name: str
    about: str
    datasets: tuple
    methods: tuple
    bit_budgets: tuple = (4,)
    seeds: tuple = (0,)
    settings: tuple = (Setting(),)
    measure: str = "people"

    def cells(self, max_epochs=None):
        """All combinations, one seed after the other."""
        combinations = itertools.product(
            self.seeds, self.datasets, self.bit_budgets, self.settings, self.methods
        )
        return [
            Cell(self.name, dataset, method, budget, seed, setting, self.measure, max_epochs)
            for seed, dataset, budget, setting, method in combinations
        ]


ALL = ("german", "compas", "default", "adult", "bank")
SMALL = ("german", "compas")
SEEDS = (0, 1, 2)
#: Of the main table, whose shares two seeds more make steadier.
MAIN_SEEDS = (0, 1, 2, 3, 4)
FEW = ("LSQ-QAT", "CF-PTQ", "CFQ", "Faithful CFQ")
CURVES = ("LSQ-QAT", "PACT-QAT", "Mixed precision", "CF-PTQ", "CFQ", "Faithful CFQ")

STUDIES = (
    Study("main", "All methods at 4 bits.", ALL, MAIN, seeds=MAIN_SEEDS, measure="main"),
    Study(
        "budgets", "Average bits of the weights; 4 bits are those of the main table.", ALL, CURVES,
        (2, 3, 8), SEEDS,
    ),
    Study(
        "activations", "Hidden activations of 4 bits too.", ("adult", *SMALL),
        ("PACT-QAT", "Mixed precision", "CF-PTQ", "CFQ", "Faithful CFQ"),
        settings=(Setting("4-bit activations", activation_bits=4),),
    ),
    Study(
        "activation_budget", "Hidden activations of 4 bits on average too.", ("adult", *SMALL),
        ("CF-PTQ", "Faithful CFQ"), seeds=SEEDS,
        settings=(Setting("4-bit activations on average", activation_budget=4),),
    ),
    Study(
        "rounding", "All weights rounded at once, at 4 bits.", ALL, ("Faithful CFQ, rounded together",),
        seeds=MAIN_SEEDS,
    ),
    Study(
        "ablation", "Objectives term by term.", SMALL,
        (*FAITHFUL, *TRAINING, "CF-PTQ", BY_OUTPUT, "Mixed precision", *(name for name in PAPER if "K" not in name), "CFQ",
         "CFQ-uniform", "CFQ + match", "CFQ, K = 3", "CFQ + hinge"), measure="sample",
    ),
    Study(
        "backbones", "Sizes of the network.", SMALL, FEW, measure="sample",
        settings=(
            Setting("logistic regression", hidden_layer_sizes=()),
            Setting("32", hidden_layer_sizes=(32,)),
            Setting("128-64", hidden_layer_sizes=(128, 64)),
            Setting("256-128-64-32", hidden_layer_sizes=(256, 128, 64, 32)),
        ),
    ),
    Study(
        "costs", "What a change costs.", SMALL, FEW, measure="sample",
        settings=tuple(Setting(name, actions=name) for name in ("L1", "L2", "mixed", "L1 by range")),
    ),
    Study(
        "teachers", "Quality of the teacher, and of its advice.", SMALL, FEW, measure="sample",
        settings=(
            Setting("full"),
            *(Setting(name, teacher=name) for name in TEACHERS if name != "full"),
            *(Setting(name, adviser=name) for name in ADVISERS if name != "greedy"),
        ),
    ),
    Study(
        "runtime", "Seconds of an epoch against K, the unrolled steps of the match term.",
        ("german", "compas"),
        ("Mixed precision", "CFQ", *(name for name in PAPER if "K" in name), "Faithful CFQ"),
        measure="sample",
    ),
    Study(
        "constraints", "Tight and loose action sets.", SMALL, FEW, measure="sample",
        settings=(
            Setting("restrictive", actions="restrictive"), Setting("moderate"),
            Setting("permissive", actions="permissive"),
        ),
    ),
    Study("shifts", "Test people who are not like those of the training.", SMALL, FEW,
          measure="shifts"),
    Study(
        "subgroups", "Group by group.", ("german", "compas", "adult"), FEW, measure="groups"),
    Study("robust", "Advice that holds for several quantizations at once.", SMALL,
          ("CF-PTQ", "LSQ-QAT", "Faithful CFQ"), measure="robust"),
    Study("theory", "Margins against bounds on the logits.", ("german", "adult"), FEW,
          (4, 8), measure="theory"),
)  # fmt: skip

QUICK_EPOCHS = 4
QUICK_SIZES = (32, 16)
QUICK_METHODS = ("LSQ-QAT", "CF-PTQ", "CFQ", "Faithful CFQ")


def quick(study):
    """A study on small data and a small network, with few methods and one seed."""
    methods = [name for name in QUICK_METHODS if name in study.methods] or study.methods[:2]
    if study.name in ("ablation", "runtime"):
        methods = study.methods[:3]
    elif study.name not in ("main", "budgets"):
        methods = methods[-1:]
    small = ["german"] if study.name in ("main", "subgroups") else []
    usual = Setting().hidden_layer_sizes
    settings = [
        dataclasses.replace(setting, hidden_layer_sizes=QUICK_SIZES)
        if setting.hidden_layer_sizes == usual
        else setting
        for setting in study.settings[:2]
    ]
    return dataclasses.replace(
        study, datasets=("synthetic", *small), methods=tuple(methods), seeds=(0,),
        bit_budgets=study.bit_budgets[:1], settings=tuple(settings),
    )  # fmt: skip


def make_cells(
    studies=None,
    datasets=None,
    methods=None,
    budgets=None,
    seeds=None,
    *,
    is_quick=False,
    max_epochs=None,
):
    """The cells of a run, in order; nothing is computed yet.

    Parameters
    ----------
    studies, datasets, methods : sequence of str, default=None
        What of the grid is run; None: all.
    budgets : sequence of float, default=None
        Instead of the studies' own.
    seeds : sequence of int, default=None
        Instead of the studies' own.
    is_quick : bool, default=False
        Small data and networks, few methods, one seed.
    max_epochs : int, default=None
        Of teachers and students.

    Returns
    -------
    list of Cell

    Raises
    ------
    ValueError
        Lists every unknown name, every budget below the narrowest width and every wrong seed.
    """
    chosen = [quick(study) if is_quick else study for study in STUDIES]
    if is_quick and max_epochs is None:
        max_epochs = QUICK_EPOCHS
    problems = [
        *_unknown("study", studies, [study.name for study in STUDIES]),
        *_unknown("data set", datasets, SOURCES),
        *_unknown("method", methods, METHODS),
        *(
            f"budget {budget!r} is below the narrowest width, {NARROWEST} bits."
            for budget in budgets or ()
            if not budget >= NARROWEST
        ),
        *(f"seed {seed!r}: an integer >= 0 is needed." for seed in seeds or () if not seed >= 0),
    ]
    for study in chosen:
        for setting in study.settings:
            problems += _unknown("action set", [setting.actions], ACTION_SETS)
            problems += _unknown("teacher", [setting.teacher], TEACHERS)
            problems += _unknown("adviser", [setting.adviser], ADVISERS)
    raise_problems("The grid", problems)
    if budgets is not None:  # 4.0 from the command line is the 4 of the studies
        budgets = tuple(int(each) if float(each).is_integer() else each for each in budgets)
    cells = []
    for study in chosen:
        if studies is not None and study.name not in studies:
            continue
        part = dataclasses.replace(
            study,
            # What is asked for by name is run, also where the study itself would not.
            datasets=study.datasets if datasets is None else tuple(datasets),
            methods=study.methods if methods is None else tuple(methods),
            bit_budgets=study.bit_budgets if budgets is None else tuple(budgets),
            seeds=study.seeds if seeds is None else tuple(seeds),
        )
        cells += part.cells(max_epochs)
    return cells


def _unknown(kind, names, known):
    """A sentence for each name that is not known."""
    sentences = []
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            sentences.append(f"unknown {kind} {name!r}: {hint}")
    return sentences
