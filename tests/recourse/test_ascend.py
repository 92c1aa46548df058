"""The best single move by slopes, against all of them one by one."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.recourse._ascend import best_moves
from tests.recourse.test_problem import KINDS, any_state, bound


@settings(max_examples=25, deadline=None)
@given(kind=KINDS, seed=st.integers(0, 10**6), steps=st.booleans())
def test_the_best_choice_buys_most_of_what_is_needed_per_unit_of_cost(kind, seed, steps):
    _, _, problem = bound(kind, seed % 50, n=12, steps=steps)
    random = np.random.default_rng(seed)
    u, choice = problem.project(*any_state(problem, random))
    gradient = torch.from_numpy(random.normal(size=problem.x.shape).astype(np.float32))
    need = torch.from_numpy(random.uniform(0.1, 3, len(u)).astype(np.float32))
    _, (pick, efficiency) = best_moves(problem, gradient, u, choice, need, 1.0)
    here, before = problem.encode(u, choice), problem.change(u, choice).sum(dim=1)
    full = problem.n_changes(u, choice) >= problem.max_changes
    every = torch.full((len(u), len(problem.owner)), -torch.inf)
    for c, owner in enumerate(problem.owner.tolist()):
        there = choice.clone()
        there[:, owner] = c
        gain = ((problem.encode(u, there) - here) * gradient).sum(dim=1)
        extra = (problem.change(u, there).sum(dim=1) - before).clamp(min=1e-3)
        open_ = problem.allowed[:, c] & (choice[:, owner] != c) & (gain > 1e-5)
        open_ &= ~(full & (choice[:, owner] < 0))
        every[:, c] = torch.where(open_, torch.minimum(gain, need) / extra, -torch.inf)
    torch.testing.assert_close(efficiency, every.amax(dim=1), rtol=1e-3, atol=1e-4)
    found = torch.isfinite(efficiency).nonzero().squeeze(1)
    torch.testing.assert_close(every[found, pick[found]], efficiency[found], rtol=1e-3, atol=1e-4)
