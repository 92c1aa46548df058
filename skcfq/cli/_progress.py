"""Telling how far a run is, without knowing how it is shown."""

from skorch.callbacks import Callback


class SilentProgress:
    """Stages that nobody watches, and the interface of those that somebody does.

    Attributes
    ----------
    shown : bool
        Whether somebody does.
    """

    shown = False

    def begin(self, name, total=None):
        """End the stage before, and begin one.

        Parameters
        ----------
        name : str
            What is done, for people.
        total : int, default=None
            Largest number of steps; None if it has none that can be counted.
        """

    def advance(self):
        """One step of the present stage is done."""

    def end(self):
        """End the last stage."""

    def close(self):
        """End the last stage, and leave the screen to somebody else."""


class EpochProgress(Callback):
    """A skorch callback for which a training is a stage, and an epoch is a step.

    Parameters
    ----------
    progress : SilentProgress
    name : str
        Name of the stage.
    max_epochs : int
    """

    def __init__(self, progress, name, max_epochs):
        self.progress = progress
        self.name = name
        self.max_epochs = max_epochs

    def on_train_begin(self, net, **kwargs):
        """Begin the stage."""
        self.progress.begin(self.name, self.max_epochs)

    def on_epoch_end(self, net, **kwargs):
        """Count the epoch."""
        self.progress.advance()
