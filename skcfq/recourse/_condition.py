"""Levels that the cheapest action of a region must reach, as linear conditions on the action."""

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Condition:
    """Linear functions of the action that have to reach a value, one for each of N regions.

    Attributes
    ----------
    number : tensor of shape (N, m)
    choice : tensor of shape (N, M)
    need : tensor of shape (N,)
    """

    number: torch.Tensor
    choice: torch.Tensor
    need: torch.Tensor

    @classmethod
    def of(cls, relaxation, person, levels, k, off):
        """To reach the k-th level of each region, nothing where there is none.

        Also when moved either way by what lies between the limits `off`, (N, m) each.
        """
        constant, number, choice = relaxation.output(person, levels.unit[:, k])
        side = levels.side[:, k]
        rise, fall = number.clamp(min=0), number.clamp(max=0)
        least, most = ((rise * a + fall * b).sum(dim=1) for a, b in (off, off[::-1]))
        need = side * (levels.limit[:, k] - constant) + torch.maximum(least, -most).clamp(min=0)
        need = need - 1e-11 * (1 + need.abs())
        # Per unit of the largest slope, so that conditions can be compared.
        size = 1 / number.abs().amax(dim=1).clamp(min=1e-12) if number.shape[1] else side.abs()
        need = torch.where(levels.unit[:, k] >= 0, need * size, -torch.inf)
        size = (side * size)[:, None]
        return cls(size * number, size * choice, need)

    @classmethod
    def pick(cls, conditions, which):
        """One of several for each region."""
        columns = zip(*(vars(each).values() for each in conditions), strict=True)
        row = torch.arange(len(which))
        return cls(*(torch.stack(column)[which, row] for column in columns))

    def take(self, index):
        """Those of some of the regions."""
        return Condition(*(value[index] for value in vars(self).values()))

    def mix(self, other, share):
        """What follows from this condition and a share, (N,), of another one."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Condition(*(torch.lerp(a, b, share.view(-1, *[1] * (a.ndim - 1))) for a, b in pairs))

    def short(self, u, picks):
        """By how much states miss it, (N,)."""
        picked = self.choice.gather(1, picks.clamp(min=0)) * (picks >= 0)
        return self.need - (self.number * u).sum(dim=1) - picked.sum(dim=1)
