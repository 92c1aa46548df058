"""What a demo found, as plain records."""

import dataclasses
import json
import math
import numbers

from ..metrics import Estimate


@dataclasses.dataclass(frozen=True)
class ModelRow:
    """One model of the table.

    Attributes
    ----------
    name : str
    accuracy : Estimate
        On the test rows.
    average_bits : float
        Per weight.
    bits : tuple of float
        Of each layer.
    n_bytes : int
        Of the packed parameters, see :func:`skcfq.quantization.packed_bytes`.
    validity_drop, recourse_gap, abs_recourse_gap, decision_flips : Estimate or None
        Against the full-precision model, whose own are None.
    """

    name: str
    accuracy: Estimate
    average_bits: float
    bits: tuple
    n_bytes: int
    validity_drop: Estimate | None = None
    recourse_gap: Estimate | None = None
    abs_recourse_gap: Estimate | None = None
    decision_flips: Estimate | None = None


@dataclasses.dataclass(frozen=True)
class Advice:
    """What one model asks of one person.

    Attributes
    ----------
    status : str
        ``"found"``, ``"not needed"`` or ``"not found"``.
    changes : dict of str to value
        Value after the action of each feature that changes, raw units.
    cost : float or None
        None where no action was found.
    """

    status: str
    changes: dict
    cost: float | None


@dataclasses.dataclass(frozen=True)
class PersonAdvice:
    """One person's recourse before and after quantization.

    Attributes
    ----------
    row : int
        Position among the test rows.
    person : dict of str to value
        Features in raw units, the most telling first; a missing value is None.
    advice : dict of str to Advice
        By model name, the full-precision model first.
    still_works : dict of str to bool
        For each quantized model, whether it accepts who did what the full-precision model
        advised.
    """

    row: int
    person: dict
    advice: dict
    still_works: dict


@dataclasses.dataclass(frozen=True)
class DemoResult:
    """Everything that the demo shows.

    Attributes
    ----------
    dataset, favourable : str
        Data set, and the decision that people want.
    realistic : bool
        Whether only what a person could do was advised.
    n_train, n_test : int
        Rows.
    n_refused, n_advised : int
        Test people whom the full-precision model refuses, and those for whom it has advice.
    n_broken : int
        Those among them whose advice plain QAT breaks.
    models : tuple of ModelRow
    people : tuple of PersonAdvice
    output : str
        The saved file.
    output_bytes : int
        Its size.
    seconds : float
        Of the whole run.
    """

    dataset: str
    favourable: str
    realistic: bool
    n_train: int
    n_test: int
    n_refused: int
    n_advised: int
    n_broken: int
    models: tuple
    people: tuple
    output: str
    output_bytes: int
    seconds: float

    def to_json(self):
        """The result as a JSON object; numbers that are not finite are null."""
        return json.dumps(_plain(self), indent=2, allow_nan=False)


def _plain(value):
    """Records, estimates and NumPy numbers as what JSON knows."""
    if isinstance(value, Estimate):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return float(value) if math.isfinite(value) else None
    return value
