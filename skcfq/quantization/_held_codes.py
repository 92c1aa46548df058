"""Integer weights that training leaves as they are: all at once, or one share after the other."""

import torch

from ._functional import coarse_limits


class HeldCodes:
    """What a :class:`QuantLinear` does while some or all of its integer weights are held."""

    @torch.no_grad()
    def relax_codes(self):
        """Train codes that need not be whole numbers yet, within the range of the levels.

        Training then computes without rounding, and learns ``weight`` in units of levels; evaluation rounds. Those that
        :meth:`hold_codes` has rounded stay as they are, and the others learn to make up for that [1]_.
        :meth:`release_codes` ends it.

        References
        ----------
        .. [1] A. Zhou, A. Yao, Y. Guo, L. Xu, Y. Chen (2017). "Incremental Network Quantization: Towards
           Lossless CNNs with Low-Precision Weights". ICLR. arXiv:1702.03044
        """
        free = self.free()
        self.weight.copy_(torch.where(free, self.weight / (self.steps() * self.grain()), 0.0))
        self.held_codes, self.held = torch.zeros_like(self.weight), ~free

    @torch.no_grad()
    def hold_codes(self, which=None):
        """Leave integer weights as they are from now on; in training, the others learn, and steps and bias.

        Otherwise weights near the middle of two levels swing between them, and steps and bias never
        fit what is deployed [1]_. :meth:`release_codes` ends it.

        Parameters
        ----------
        which : torch.Tensor of bool, of shape (out_features, in_features), default=None
            Held beside those that are already, after :meth:`relax_codes`; ``None``: all.

        References
        ----------
        .. [1] M. Nagel, M. Fournarakis, Y. Bondarenko, T. Blankevoort (2022). "Overcoming Oscillations
           in Quantization-Aware Training". ICML. arXiv:2203.08807
        """
        self.held_codes = self.codes().to(self.weight)
        self.held = None if which is None else self.held | which

    @torch.no_grad()
    def release_codes(self):
        """Let the integer weights learn again, from the codes that were held. Outputs stay as they are."""
        if self.held_codes is not None:
            self.weight.copy_(self.codes() * self.steps())
            self.held_codes = self.held = None

    def _relaxed(self):
        """Codes that need not be whole numbers, from weights in units of levels."""
        grain = self.grain()
        return self.weight.clamp(*coarse_limits(*self.limits(), grain)) * grain
