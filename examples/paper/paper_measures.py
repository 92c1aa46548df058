"""What is measured of a fitted model: all people, groups, shifted samples, robust advice, bounds."""

import dataclasses

import numpy as np
from paper_data import SOURCES, realistic_advice
from paper_store import Figure
from sklearn.frozen import FrozenEstimator

from skcfq import EnsembleSolver, GreedySolver, PTQClassifier, ValidityCalibrator
from skcfq.audit import margin_certificate
from skcfq.estimators import compare, joint_view, network_view
from skcfq.metrics import accuracy, recourse_gap
from skcfq.training import OutputObjective

#: Test people of the smaller studies, drawn at random; of the measures that are slow, fewer.
SAMPLE = 500
FEW_PEOPLE = 200

#: Seeds whose main table looks at the realistic actions, too.
REALISTIC_SEEDS = (0,)

#: Resamples of the intervals.
RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class Case:
    """A fitted cell, ready to be measured.

    Attributes
    ----------
    cell : Cell
    data : Bunch
    rows : Rows
    ref : Reference
    model : fitted classifier
        As it is, or calibrated.
    cache : Path
        What cells share.
    """

    cell: object
    data: object
    rows: object
    ref: object
    model: object
    cache: object

    @property
    def calibrated(self):
        """Whether the model was calibrated."""
        return isinstance(self.model, ValidityCalibrator)

    @property
    def test(self):
        """Test people, in raw units."""
        return self.data.data.iloc[self.rows.test]

    @property
    def labels(self):
        """What became of them."""
        return self.data.target.iloc[self.rows.test].to_numpy()

    def in_need(self, most):
        """Positions of at most so many test people who need recourse and have advice."""
        return self.ref.in_need(most, self.cell.seed)

    def figure(self, people, measure, value, n=0):
        """A `Figure` of this case."""
        return Figure.of(self.calibrated, people, measure, value, n)


def compared(case, frame, space, advice):
    """Recourse of people under the teacher, known already, and under the model."""
    views = [network_view(model, frame.columns) for model in (case.ref.teacher, case.model)]
    target = case.data.favourable
    return compare(*views, frame, target, GreedySolver(), space, space, reference_result=advice)


def figures_of(case, people, comparison, labels):
    """Accuracy and what became of recourse, with who decides otherwise in which direction."""
    found = comparison.measures(n_resamples=RESAMPLES)
    before, after = comparison.reference_decision, comparison.deployed_decision
    target, n = case.data.favourable, len(labels)
    costs = comparison.reference.cost, comparison.deployed.cost
    named = {
        "accuracy": accuracy(labels, after),
        "reference_accuracy": accuracy(labels, before),
        **found,
        "weighted_gap": recourse_gap(*costs, average="weighted", n_resamples=RESAMPLES),
        "newly_accepted": np.mean((before != target) & (after == target)),
        "newly_refused": np.mean((before == target) & (after != target)),
    }
    return [case.figure(people, measure, value, n) for measure, value in named.items()]


def measure_people(case):
    """All test people, by the actions that the teacher gives advice for."""
    comparison = compared(case, case.test, case.ref.space, case.ref.advice)
    return figures_of(case, "everyone", comparison, case.labels)


def measure_sample(case):
    """As `measure_people`, of a random sample of the test people."""
    random = np.random.default_rng(case.cell.seed)
    rows = np.sort(random.permutation(len(case.labels))[:SAMPLE])
    comparison = compared(case, case.test.iloc[rows], case.ref.space, case.ref.advice.take(rows))
    return figures_of(case, "everyone", comparison, case.labels[rows])


def measure_main(case):
    """As `measure_people`, and a sample of those in need by the realistic actions."""
    if case.cell.seed not in REALISTIC_SEEDS:
        return measure_people(case)
    other = realistic_advice(case.cell, FEW_PEOPLE, case.cache)
    comparison = compared(case, case.test.iloc[other.rows], other.space, other.advice)
    labels = case.labels[other.rows]
    return measure_people(case) + figures_of(case, "realistic actions", comparison, labels)


def measure_groups(case):
    """Test people group by group."""
    whole = compared(case, case.test, case.ref.space, case.ref.advice)
    group = case.test[SOURCES[case.cell.dataset].group].astype(str).to_numpy()
    figures = []
    for name in np.unique(group):
        rows = np.flatnonzero(group == name)
        if len(rows) < 30:
            continue
        part = dataclasses.replace(
            whole, reference=whole.reference.take(rows), deployed=whole.deployed.take(rows),
            deployed_valid=whole.deployed_valid[rows],
            reference_decision=whole.reference_decision[rows],
            deployed_decision=whole.deployed_decision[rows],
        )  # fmt: skip
        figures += figures_of(case, name, part, case.labels[rows])
    return figures


def measure_shifts(case):
    """Test people with noise on their numbers, of other groups, of another share of good cases."""
    random = np.random.default_rng(case.cell.seed)
    figures = measure_sample(case)
    for name, rows, frame in shifted(case, random):
        view = network_view(case.ref.teacher, frame.columns)
        advice = view.solve(GreedySolver(), frame, case.data.favourable, case.ref.space)
        comparison = compared(case, frame, case.ref.space, advice)
        figures += figures_of(case, name, comparison, case.labels[rows])
    return figures


def shifted(case, random):
    """Name, positions and rows of each shifted sample of the test people."""
    frame, n = case.test, min(len(case.test), SAMPLE)
    everybody = np.sort(random.permutation(len(frame))[:n])
    numbers = frame.select_dtypes("number").columns
    for size in (0.1, 0.5):
        noisy = frame.iloc[everybody].copy()
        spread = frame[numbers].std().to_numpy()
        noise = random.normal(size=(n, len(numbers))) * spread * size
        # Within the range of the test people: a count below 0 is no person.
        low, high = frame[numbers].min().to_numpy(), frame[numbers].max().to_numpy()
        noisy[numbers] = np.clip(noisy[numbers].to_numpy() + noise, low, high)
        yield f"noise of {size} standard deviations", everybody, noisy
    group = frame[SOURCES[case.cell.dataset].group].astype(str)
    small = group.value_counts().index[1]
    for name, chosen in (
        (f"mostly {small}", (group == small).to_numpy()),
        ("mostly favourable labels", case.labels == case.data.favourable),
    ):
        weight = np.where(chosen, 0.8 / chosen.sum(), 0.2 / (~chosen).sum())
        rows = np.sort(random.choice(len(frame), n, p=weight / weight.sum()))
        yield name, rows, frame.iloc[rows]


def measure_robust(case):
    """Advice for one, two and four models at once, tried on quantizations that it does not know."""
    who = case.in_need(FEW_PEOPLE)
    frame, target = case.test.iloc[who], case.data.favourable
    plain = case.ref.advice.take(who)

    def quantized(bits, objective=None):
        model = PTQClassifier(
            teacher=FrozenEstimator(case.ref.teacher), bits=bits, bit_budget=bits, target=target,
            actions=case.ref.teacher.actions, objective=objective, memory=str(case.cache),
        )  # fmt: skip
        rows = case.rows.learn
        return model.fit(case.data.data.iloc[rows], case.data.target.iloc[rows])

    known = [case.ref.teacher, case.model, quantized(3, OutputObjective()), quantized(8)]
    unknown = {"PTQ 4": quantized(4), "PTQ 5": quantized(5), "PTQ 6": quantized(6),
               "CF-PTQ 2": quantized(2, OutputObjective())}  # fmt: skip
    figures = []
    for count in (1, 2, 4):
        result = plain
        if count > 1:
            view = joint_view(known[:count], frame)
            result = view.solve(EnsembleSolver(), frame, target, case.ref.space)
            paid = np.where(result.success, result.cost, np.nan)
            gap = recourse_gap(plain.cost, paid, average="weighted", n_resamples=RESAMPLES)
            figures.append(case.figure("everyone", f"{count}_models_extra_cost", gap))
        advised = result.counterfactual[result.success]
        for name, model in {"the model itself": case.model, **unknown}.items():
            fails = (model.predict(advised) != target).mean()
            figures.append(case.figure(name, f"{count}_models_advice_fails", fails, len(advised)))
    return figures


def measure_theory(case):
    """Bounds on the logits around the advice, and what the models really do there."""
    who = case.in_need(FEW_PEOPLE)
    frame, advice = case.test.iloc[who], case.ref.advice.take(who)
    valid = case.model.predict(advice.counterfactual) == case.data.favourable
    figures = [case.figure("everyone", "advice_holds", valid.mean(), len(who))]
    for radius in (0.0, 0.01, 0.1):
        proof = margin_certificate(
            FrozenEstimator(case.ref.teacher), case.model, frame, advice, radius
        )
        people, n = f"radius {radius:g}", len(who)
        possible = proof.reference_margin > proof.empirical_margin_eps
        named = {
            "certified": proof.certified.mean(),
            "paper_condition": np.mean(proof.reference_margin > 2 * proof.eps),
            "at_most_certifiable": possible.mean(),
            "robust": proof.robust.mean(),
            "median_eps": np.median(proof.eps),
            "median_empirical_eps": np.median(proof.empirical_eps),
            "median_margin_eps": np.median(proof.margin_eps),
            "q95_margin_eps": np.quantile(proof.margin_eps, 0.95),
            "median_reference_margin": np.median(proof.reference_margin),
            "broken_though_certified": np.mean(proof.certified & ~valid),
        }
        figures += [case.figure(people, name, value, n) for name, value in named.items()]
    return figures


MEASURES = {
    "people": measure_people,
    "sample": measure_sample,
    "main": measure_main,
    "groups": measure_groups,
    "shifts": measure_shifts,
    "robust": measure_robust,
    "theory": measure_theory,
}
