"""Small worlds whose every action can be listed, straight from the action set's own words."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from skcfq.actions import ActionSet, ActionSpace, Encoding, bind_actions
from skcfq.quantization import QuantReLU

JOBS = ("none", "part", "full")
HOMES = ("rent", "own")


@dataclasses.dataclass(frozen=True)
class World:
    """Training rows, a network on their encoding, and what people may do."""

    train: pd.DataFrame
    actions: ActionSet
    space: ActionSpace
    logits: nn.Module

    def decide(self, frame):
        """Class indices of raw rows."""
        z = torch.from_numpy(self.space.encoding.encode(frame).astype(np.float32))
        with torch.no_grad():
            return self.logits(z).argmax(dim=1).numpy()


def people(n, random):
    """Raw rows: two whole numbers, one number with listed values, two categories."""
    return pd.DataFrame(
        {
            "years": random.integers(0, 7, n),
            "loans": random.integers(0, 5, n),
            "rating": random.choice([1.0, 2.5, 4.0], n),
            "job": random.choice(JOBS, n),
            "home": random.choice(HOMES, n),
        }
    )


ACTION_SETS = {
    "free": {},
    "directions": {"increase_only": ["years"], "decrease_only": ["loans", "rating"]},
    "bounds": {"bounds": {"years": (1, 5), "loans": (None, 3)}, "immutable": ["home"]},
    "transitions": {"transitions": {"job": {"none": ["part"], "part": ["full"]}}},
    "few changes": {"max_changes": 2},
    "one change": {"max_changes": 1},
    "weights": {"cost_weights": {"years": 0.2, "loans": 1.5, "job": 0.7, "home": 2.0}},
    "l2": {"cost": "l2"},
    "mixed": {"cost": "mixed", "mix": 0.3, "max_changes": 3},
}


def network(n_columns, random, *, n_classes=2, hidden=6, quantized=False):
    """A random ReLU network; `quantized`: activations on the four levels of two bits.

    ``"units"``: two bits on average, no two neighbours alike.
    """
    bits, clip = ((4, 2, 0, 3, 1, 2), 8.0) if quantized == "units" else (2, 2.0)
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    layers = nn.Sequential(
        nn.Linear(n_columns, hidden),
        QuantReLU(bits, clip) if quantized else nn.ReLU(),
        nn.Linear(hidden, hidden),
        QuantReLU(bits, clip) if quantized else nn.ReLU(),
        nn.Linear(hidden, n_classes),
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.8)
    return layers.eval().requires_grad_(False)


def world(seed, fields=None, *, n_classes=2, quantized=False, n=40):
    """A random world; every numeric feature has steps or listed values, so actions are finite."""
    random = np.random.default_rng(seed)
    train = people(n, random)
    fields = dict(fields or {})
    fields["step"] = {"years": 1, "loans": 1}
    fields["allowed_values"] = {"rating": (1.0, 2.5, 4.0)}
    actions = ActionSet(**fields)
    preprocessor = ColumnTransformer(
        [
            ("num", StandardScaler(), ["years", "loans", "rating"]),
            ("cat", OneHotEncoder(sparse_output=False), ["job", "home"]),
        ]
    ).fit(train)
    space = bind_actions(actions, Encoding(preprocessor, train.columns), train)
    logits = network(space.encoding.n_columns, random, n_classes=n_classes, quantized=quantized)
    centre(logits, space.encoding.encode(train))
    return World(train, actions, space, logits)


@torch.no_grad()
def centre(logits, encoded):
    """Shift the last logit so that about a third of people have the last class."""
    values = logits(torch.from_numpy(encoded.astype(np.float32)))
    lead = values[:, -1] - values[:, :-1].amax(dim=1)
    # Between two distinct values, so that no plateau of the network lies on the boundary.
    distinct = torch.unique((lead * 1000).round()) / 1000
    at = int(0.65 * (len(distinct) - 1))
    logits[-1].bias[-1] -= distinct[at : at + 2].mean()


def options(world, row, feature):
    """Pairs (value, weighted change) that one person may give a feature, the present one first."""
    actions, train, here = world.actions, world.train, row[feature]
    stay = [(here, 0.0)]
    if feature in actions.immutable:
        return stay
    weights = actions.cost_weights if isinstance(actions.cost_weights, dict) else {}
    if feature in ("job", "home"):
        reach = JOBS if feature == "job" else HOMES
        if feature in actions.transitions:
            reach = actions.transitions[feature].get(here, ())
        return stay + [(to, weights.get(feature, 1.0)) for to in reach if to != here]
    low, high = actions.bounds.get(feature, (None, None))
    low = min(train[feature].min(), here) if low is None else low
    high = max(train[feature].max(), here) if high is None else high
    if not low <= here <= high:
        return stay
    if feature in actions.step:
        reach = here + np.arange(-50, 51) * actions.step[feature]
    else:
        reach = np.array(actions.allowed_values[feature])
    reach = reach[(reach >= low) & (reach <= high) & (reach != here)]
    if feature in actions.increase_only:
        reach = reach[reach > here]
    if feature in actions.decrease_only:
        reach = reach[reach < here]
    weight = weights.get(feature, 1.0 / train[feature].std(ddof=0))
    return stay + [(to, weight * abs(to - here)) for to in reach]


def all_actions(world, row):
    """Every action of one person: changes (n_actions, 5), costs (infinite: too many), raw rows."""
    lists = [options(world, row, feature) for feature in world.train.columns]
    picks = list(itertools.product(*lists))
    change = np.array([[price for _, price in pick] for pick in picks])
    cost = norm(world.actions, change)
    if world.actions.max_changes is not None:
        cost[(change > 0).sum(axis=1) > world.actions.max_changes] = np.inf
    frame = pd.DataFrame(
        [[value for value, _ in pick] for pick in picks], columns=world.train.columns
    )
    return change, cost, frame


def cheapest(world, row, target):
    """Lowest cost at which one person gets the target, infinite if no action does."""
    _, cost, frame = all_actions(world, row)
    return np.where(world.decide(frame) == target, cost, np.inf).min()


def cheapest_supports(world, row, target):
    """Costs and features of valid actions, cheapest first, none with a cheaper one's features."""
    change, cost, frame = all_actions(world, row)
    cost = np.where(world.decide(frame) == target, cost, np.inf)
    found = []
    for i in np.argsort(cost, kind="stable"):
        support = change[i] > 0
        if np.isfinite(cost[i]) and not any((support | ~other).all() for _, other in found):
            found.append((cost[i], support))
    return found


def norm(actions, change):
    """The action set's cost of weighted changes of shape (n, n_features)."""
    l1, l2 = change.sum(axis=1), np.sqrt((change**2).sum(axis=1))
    return {"l1": l1, "l2": l2, "mixed": actions.mix * l2 + (1 - actions.mix) * l1}[actions.cost]


def price(world, before, after):
    """Cost of the step from one raw row to another; infinite if some constraint forbids it."""
    change = []
    for feature in world.train.columns:
        found = dict(options(world, before, feature)).get(after[feature], np.inf)
        change.append(found)
    change = np.array([change])
    limit = world.actions.max_changes
    if limit is not None and (change > 0).sum() > limit:
        return np.inf
    return norm(world.actions, change)[0] if np.isfinite(change).all() else np.inf


class TreeLogits:
    """Scores of a scikit-learn classifier of encoded rows; nothing to differentiate."""

    def __init__(self, model):
        self.model = model

    def __call__(self, z):
        return torch.from_numpy(self.model.predict_proba(z.numpy()).astype(np.float32))


def tree_world(seed, fields, model):
    """A world whose decisions are those of trees: flat nearly everywhere."""
    smooth = world(seed, fields, n=300)
    random = np.random.default_rng(seed)
    y = smooth.decide(smooth.train) ^ (random.random(300) < 0.1)
    encoded = smooth.space.encoding.encode(smooth.train)
    return dataclasses.replace(smooth, logits=TreeLogits(model.fit(encoded, y)))
