"""Compile an exported header and run it on rows."""

import shutil
import subprocess

import numpy as np
import pytest

from skcfq.export._rows import as_numbers, as_values, is_missing, read_columns

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2")
MAIN = r"""
#include <stdio.h>
#include "model.h"
int main(void)
{
    double raw[MODEL_N_COLUMNS], x[MODEL_N_INPUTS], out[MODEL_N_CLASSES + 1];
    long row = 0;
    int c;
    while (fread(raw, sizeof(double), MODEL_N_COLUMNS, stdin) == MODEL_N_COLUMNS) {
        out[MODEL_N_CLASSES] = model_predict(raw);
        for (c = 0; c < MODEL_N_CLASSES; c++)
            out[c] = 0.0;
        if (row++ % LOGITS_EVERY == 0 && model_encode(raw, x) == 0)
            model_logits(x, out);
        fwrite(out, sizeof(double), MODEL_N_CLASSES + 1, stdout);
    }
    return 0;
}
"""


def raw_doubles(packed, X):
    """Rows as the header takes them, ndarray of float64, shape (n_samples, n_columns)."""
    model = packed.model
    if model.encoder is None:
        return np.asarray(X, dtype=np.float64)
    columns = read_columns(X, model.feature_names, model.n_features, model.encoder.needed)
    columns = list(columns.T) if isinstance(columns, np.ndarray) else columns
    n_samples = next(len(column) for column in columns if column is not None)
    raw = np.zeros((n_samples, len(columns)))
    for k, (record, column) in enumerate(zip(model.encoder.columns, columns, strict=True)):
        if hasattr(record, "scale"):
            raw[:, k] = as_numbers(column)
        elif hasattr(record, "categories"):
            index = {category: i for i, category in enumerate(record.categories)}
            raw[:, k] = [
                np.nan if is_missing(value) else index.get(value, -1) for value in as_values(column)
            ]
    return raw


def run_c(folder, header, raw, n_classes, logits_every=1):
    """Logits (n_samples, n_classes) and what ``model_predict`` returns (n_samples,).

    Logits of all rows, or of every so many; the others are 0.
    """
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (folder / "model.h").write_text(header)
    (folder / "main.c").write_text(MAIN)
    program = folder / "model"
    subprocess.run(
        [
            "gcc",
            *STRICT,
            f"-DLOGITS_EVERY={logits_every}",
            "-o",
            str(program),
            str(folder / "main.c"),
        ],
        check=True,
        text=True,
    )
    data = np.ascontiguousarray(raw, dtype=np.float64).tobytes()
    done = subprocess.run([str(program)], input=data, capture_output=True, check=True)
    out = np.frombuffer(done.stdout).reshape(len(raw), n_classes + 1)
    return out[:, :-1], out[:, -1].astype(int)
