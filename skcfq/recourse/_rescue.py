"""Ascent on true outputs, for people whom slopes do not help."""

import torch

from ._base import MARGIN


@torch.no_grad()
def ascend_blind(margin, problem, random=None):
    """Ascent on true outputs: every open move is tried, for people whom slopes do not help."""
    u, choice = problem.start()
    active = torch.arange(len(u))
    fractions = (0.25, 0.5, 1.0)
    for _ in range(min(problem.max_changes, 6)):
        part = problem.select(active)
        at_u, at_choice = u[active], choice[active]
        value = margin(part.encode(at_u, at_choice), part.target)
        full = part.n_changes(at_u, at_choice) >= part.max_changes
        base = part.change(at_u, at_choice).sum(1)
        best = torch.zeros_like(value)
        best_u, best_choice = at_u.clone(), at_choice.clone()

        def consider(try_u, try_choice, open_, part=part, value=value, base=base, best=best,
                     best_u=best_u, best_choice=best_choice):  # fmt: skip
            rows = open_.nonzero().squeeze(1)
            if not len(rows):
                return
            gain = part.margins(margin, try_u[rows], try_choice[rows], rows) - value[rows]
            gain = torch.minimum(gain, MARGIN - value[rows])
            extra = part.change(try_u, try_choice).sum(1)[rows] - base[rows]
            score = gain / extra.clamp(min=1e-3)
            # Reaching the target beats any efficiency.
            score = torch.where(gain >= MARGIN - value[rows], score + 1e6, score)
            won = (score > best[rows]) & (gain > 1e-9)
            rows = rows[won]
            best[rows] = score[won]
            best_u[rows], best_choice[rows] = try_u[rows], try_choice[rows]

        for j in range(u.shape[1]):
            for limit in (part.low, part.high):
                for fraction in fractions:
                    try_u = at_u.clone()
                    try_u[:, j] = limit[:, j] * fraction
                    try_u = part.snap(try_u)
                    open_ = (try_u[:, j] != at_u[:, j]) & ~(full & (at_u[:, j] == 0))
                    consider(try_u, at_choice, open_)
        for c in range(part.price.shape[1]):
            owner = int(part.owner[c])
            try_choice = at_choice.clone()
            try_choice[:, owner] = c
            open_ = (
                part.allowed[:, c]
                & (at_choice[:, owner] != c)
                & ~(full & (at_choice[:, owner] < 0))
            )
            consider(at_u, try_choice, open_)
        u[active], choice[active] = best_u, best_choice
        moved = best > 0
        reached = best >= 1e5
        active = active[moved & ~reached]
        if not len(active):
            break
    yield u, choice
