"""One cell: fit a model, measure it as it is and after the calibration."""

import dataclasses
import time
import traceback

import numpy as np
import torch
from paper_data import ADVISERS, KnownAdvice, load, reference, split
from paper_measures import MEASURES, Case
from paper_methods import all_methods
from paper_store import Figure, versions, write_cell
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skcfq import ValidityCalibrator

#: Validity drop that everybody is calibrated to.
VALIDITY_LEVEL = 0.02


def run_cell(cell, folder):
    """Fit and measure a cell, and write its record; a failure is recorded, too.

    Parameters
    ----------
    cell : Cell
    folder : Path
        Results go to ``cells``, what cells share to ``cache``.

    Returns
    -------
    bool
        Whether it went well.
    """
    torch.set_num_threads(1)
    try:
        record = {"status": "done", **_measured(cell, folder)}
    except Exception as error:
        record = {
            "status": "failed",
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
        }
    write_cell(folder, cell, record)
    return record["status"] == "done"


def _measured(cell, folder):
    data, rows = load(cell.dataset), split(cell.dataset, cell.seed)
    setting = cell.setting
    ref = reference(cell.dataset, cell.seed, setting, folder / "cache")
    X, y = data.data.iloc[rows.learn], data.target.iloc[rows.learn]
    model = make_model(cell, ref, data, folder / "cache")
    began = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - began
    assert_budget(model, cell)
    held = data.data.iloc[rows.held], data.target.iloc[rows.held]
    calibrated, offset = calibrate(model, ref, *held)
    figures = [offset]
    measure = MEASURES[cell.measure]
    for each in (model, calibrated):
        if each is not None:
            figures += measure(Case(cell, data, rows, ref, each, folder / "cache"))
    epochs = [epoch["dur"] for epoch in getattr(model, "history_", ())]
    if epochs:
        figures.append(
            Figure.of(False, "everyone", "epoch_seconds", np.median(epochs), len(epochs))
        )
    return {
        "average_bits": float(model.average_bits_),
        "fit_seconds": round(seconds, 3),
        "versions": versions(),
        "figures": [dataclasses.asdict(figure) for figure in figures],
    }


def make_model(cell, ref, data, cache):
    """The unfitted classifier of a cell."""
    setting = cell.setting
    training = {} if cell.max_epochs is None else {"max_epochs": cell.max_epochs}
    activation_bits = setting.activation_bits if setting.activation_budget is None else "auto"
    return all_methods(
        cell.bit_budget, training=training, activation_bits=activation_bits,
        activation_budget=setting.activation_budget,
        hidden_layer_sizes=setting.hidden_layer_sizes, teacher=FrozenEstimator(ref.teacher),
        actions=ref.teacher.actions, target=data.favourable,
        solver=clone(ADVISERS[setting.adviser]), memory=str(cache), random_state=cell.seed,
    )[cell.method]  # fmt: skip


def assert_budget(model, cell):
    """Budgets are hard limits; what is 8 bits by name has 8."""
    budget = max(cell.bit_budget, 8) if cell.method == "PTQ-8" else cell.bit_budget
    if not model.average_bits_ <= budget:
        raise AssertionError(f"{model.average_bits_} bits on average, above the budget {budget}.")
    limit = cell.setting.activation_budget
    if limit is not None and not model.average_activation_bits_ <= limit:
        raise AssertionError(
            f"{model.average_activation_bits_} bits of activations on average, above the budget {limit}."
        )


def calibrate(model, ref, X, y):
    """The model after the calibration and its offset; None and NaN if too few people are held out."""
    calibrator = ValidityCalibrator(
        FrozenEstimator(model), FrozenEstimator(ref.teacher), validity_level=VALIDITY_LEVEL,
        solver=KnownAdvice(ref.held_advice),
    )  # fmt: skip
    try:
        calibrator.fit(X, y)
    except ValueError as error:
        if "held-out people" not in str(error):
            raise
        return None, Figure.of(True, "held out", "calibration_offset", float("nan"))
    found = calibrator.calibration_
    return calibrator, Figure.of(
        True, "held out", "calibration_offset", found.offset, found.n_counted
    )
