"""Size, latency and load time of what is deployed, on Adult with a 128-64 network.

Prints three tables: bytes of the files over widths, beside the float32 model, scikit-learn's
MLPClassifier and ONNX Runtime's int8; latency at batch 1 and 10,000 of all of them on the encoded
rows, interleaved in one run, with changed decisions; and the seconds that a fresh process takes to
load a packed file and to decide once. With --fuzz N also what became of N mutated files.

    python examples/benchmarks/deployment.py

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded. On
shared machines compare within one run, and quote ratios.
"""

import argparse
import dataclasses
import json
import logging
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.frozen import FrozenEstimator
from threadpoolctl import threadpool_limits

import skcfq
from skcfq.export import PackedClassifier, export_c, export_onnx, export_packed, load_onnx

WIDTHS = {"ternary": 1.58, "2 bits": 2, "3 bits": 3, "4 bits": 4, "8 bits": 8}


def train(data, epochs, seed):
    """A full-precision model, quantized ones by name, and scikit-learn's on the same inputs."""
    from sklearn.neural_network import MLPClassifier

    X, y = data.data.iloc[data.train_index], data.target.iloc[data.train_index]
    common = {"actions": data.actions, "target": data.favourable, "random_state": seed}
    teacher = skcfq.FullPrecisionClassifier(max_epochs=epochs, **common).fit(X, y)
    models = {"float32": teacher}
    budgets = {
        **{name: (bits, 8) for name, bits in WIDTHS.items()},
        "4 bits on average": ((2, 3, 4, 8), 4),
    }
    for name, (bits, budget) in budgets.items():
        clf = skcfq.QATClassifier(
            bits=bits, bit_budget=budget, teacher=teacher, max_epochs=epochs, **common
        )
        models[name] = clf.fit(X, y)
    clf = skcfq.QATClassifier(
        bits=4, teacher=teacher, activation_bits=8, max_epochs=epochs, **common
    )
    models["4 bits, 8-bit activations"] = clf.fit(X, y)
    for name, per_input in (("per output", False), ("per output and input", True)):
        clf = skcfq.CFQClassifier(
            allocation=skcfq.RecourseSensitivity(per_channel=True, per_input=per_input),
            teacher=FrozenEstimator(teacher), max_epochs=epochs, **common,
        )  # fmt: skip
        models[f"4 bits on average, {name}"] = clf.fit(X, y)
    encoded = export_packed(teacher).encode(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPClassifier((128, 64), max_iter=epochs, random_state=seed).fit(encoded, y)
    return models, mlp


def network(packed):
    """The packed classifier without its preprocessing: rows are encoded already."""
    n_inputs = packed.model.layers[0].n_inputs
    model = dataclasses.replace(packed.model, encoder=None, n_features=n_inputs, feature_names=None)
    return PackedClassifier(model)


def int8(path, folder, rows):
    """ONNX Runtime's own quantization of a float32 file: weights and activations in 8 bits."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.parts = iter([{"X": rows.astype(np.float32)}])

        def get_next(self):
            return next(self.parts, None)

    dynamic, static = folder / "dynamic.onnx", folder / "static.onnx"
    logging.disable(logging.WARNING)  # of a model without shapes
    quantize_dynamic(path, dynamic)
    quantize_static(path, static, Rows())
    logging.disable(logging.NOTSET)
    return {
        name: (onnxruntime.InferenceSession(file.read_bytes()), file)
        for name, file in (("dynamic", dynamic), ("static", static))
    }


def size(path):
    return path.stat().st_size


def print_sizes(models, mlp, folder, data):
    """Bytes of every file; returns the files by name."""
    floats = 4 * sum(
        layer.n_inputs * layer.n_outputs + layer.n_outputs
        for layer in export_packed(models["float32"]).model.layers
    )
    print(f"\nBytes of files; float32 weights and biases alone: {floats:,}")
    print("(network: encoded rows come in; with encoder: raw rows come in)\n")
    head = (
        "model",
        "network, joblib",
        "skcfq.save",
        "share of float32",
        "ONNX",
        "with encoder, joblib",
        "skcfq.save",
        "ONNX",
    )
    print(("{:<28}" + "{:>22}" * 7).format(*head))
    for name, clf in models.items():
        packed, cells = export_packed(clf), []
        for model, label in ((network(packed), "network"), (packed, "whole")):
            stem = f"{name} {label}"
            joblib.dump(model, folder / f"{stem}.joblib")
            skcfq.save(model, folder / f"{stem}.skcfq")
            export_onnx(model, folder / f"{stem}.onnx", precision="single")
            cells.append([size(folder / f"{stem}.{kind}") for kind in ("joblib", "skcfq", "onnx")])
        share = cells[0][0] / floats
        cells = [cells[0][0], cells[0][1], f"1/{1 / share:.1f}", cells[0][2], *cells[1]]
        cells = [cell if isinstance(cell, str) else f"{cell:,}" for cell in cells]
        print(f"{name:<28}" + "".join(f"{cell:>22}" for cell in cells))
    joblib.dump(mlp, folder / "mlp.joblib")
    print(f"MLPClassifier, joblib: {size(folder / 'mlp.joblib'):,}")
    header = export_c(network(export_packed(models["4 bits on average"])))
    (folder / "model.c").write_text(
        '#include "model.h"\nint f(const double *x) { return model_decide(x); }\n'
    )
    (folder / "model.h").write_text(header)
    try:
        subprocess.run(
            ["gcc", "-std=c99", "-Os", "-c", "-o", folder / "model.o", folder / "model.c"],
            check=True,
        )
        told = subprocess.run(
            ["size", folder / "model.o"], check=True, capture_output=True, text=True
        )
        print(
            f"C header, 4 bits on average, code and constants (gcc -Os): {told.stdout.split()[6]}"
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"C header: not compiled ({error})")


def medians(calls, repeats):
    """Median seconds of each call, interleaved, each warm from calls that do not count.

    Threads of the program before go on spinning for a while, which is not this one's time.
    """
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            warm = time.perf_counter() + 0.04
            while time.perf_counter() < warm:
                call()
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def print_latency(models, mlp, folder, encoded, threads, repeats):
    """Microseconds per call and changed decisions, against the model that each stands for."""
    import onnxruntime
    import torch

    from skcfq.training import deployed

    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    teacher = network(export_packed(models["float32"]))
    module = deployed(models["float32"].net_.module_)
    runs, expected = {}, {}

    def add(name, run, reference):
        runs[name], expected[name] = run, reference

    float_decisions = teacher.logits(encoded).argmax(axis=1)
    add("MLPClassifier.predict_proba", lambda x, _: mlp.predict_proba(x), None)
    with torch.inference_mode():
        add(
            "torch, float32",
            lambda _, x: torch.softmax(module(torch.from_numpy(x)), 1).numpy(),
            float_decisions,
        )
    chosen = (
        "float32",
        "2 bits",
        "4 bits",
        "8 bits",
        "4 bits on average",
        "4 bits, 8-bit activations",
    )
    for name in chosen:
        packed = network(export_packed(models[name]))
        decisions = packed.logits(encoded).argmax(axis=1)
        add(f"packed NumPy, {name}", lambda x, _, packed=packed: packed.predict_proba(x), decisions)
        forms = [("double", "cast"), ("single", "cast"), ("single", "qdq")]
        for precision, form in forms[:2] if name == "float32" else forms:
            path = folder / f"{name} {precision} {form}.onnx"
            try:
                export_onnx(packed, path, precision=precision, form=form, rows=encoded)
            except RuntimeError as error:
                print(f"ONNX {precision}, {name}: not written. {str(error).splitlines()[-1]}")
                continue
            session = load_onnx(path, options).session
            add(
                f"ONNX {precision} {form}, {name}",
                lambda x, single, session=session, precision=precision: session.run(
                    ["probabilities"], {"X": x if precision == "double" else single}
                )[0],
                decisions,
            )
    for name, (session, file) in int8(
        folder / "float32 single cast.onnx", folder, encoded[:2000]
    ).items():
        add(
            f"ONNX Runtime int8 {name} ({size(file):,} bytes)",
            lambda _, x, session=session: session.run(["probabilities"], {"X": x})[0],
            float_decisions,
        )
    batches = {n: (encoded[:n], encoded[:n].astype(np.float32)) for n in (1, len(encoded))}
    flips = {
        name: None
        if expected[name] is None
        else int((run(*batches[len(encoded)]).argmax(axis=1) != expected[name]).sum())
        for name, run in runs.items()
    }
    table = {}
    for n, rows in batches.items():
        calls = {name: (lambda run=run, rows=rows: run(*rows)) for name, run in runs.items()}
        medians(calls, 3)
        table[n] = medians(calls, repeats * 10 if n == 1 else repeats)
    print(
        f"\nMicroseconds per call, {threads} threads, median of interleaved rounds; changed decisions of {len(encoded):,}\n"
    )
    large = len(encoded)
    mlp_1, mlp_n = (table[n]["MLPClassifier.predict_proba"] for n in batches)
    graph = "ONNX single cast, float32"
    print(
        f"{'':<52}{'batch 1':>10}{'x MLP':>8}{f'batch {large:,}':>14}{'x MLP':>8}{'/ float32 ONNX':>16}{'changed':>9}"
    )
    for name in runs:
        one, many = table[1][name], table[large][name]
        changed = "" if flips[name] is None else flips[name]
        print(
            f"{name:<52}{1e6 * one:>10,.1f}{mlp_1 / one:>8.2f}{1e6 * many:>14,.0f}{mlp_n / many:>8.2f}"
            f"{many / table[large][graph]:>16.2f}{changed:>9}"
        )


LOAD = """
import json, sys, time
import sklearn.base, sklearn.utils, joblib, numpy
rows = json.load(open(sys.argv[2]))
start = time.perf_counter()
if sys.argv[1].endswith(".joblib"):
    model = joblib.load(sys.argv[1])
else:
    import skcfq
    model = skcfq.load(sys.argv[1])
model.predict(rows)
print(time.perf_counter() - start, any(name.split(".")[0] == "torch" for name in sys.modules))
"""


def print_loading(folder, frame):
    """Seconds of a fresh process beyond importing scikit-learn."""
    rows = {
        name: [None if v != v else v for v in column.tolist()]
        for name, column in frame.head(1).items()
    }
    (folder / "rows.json").write_text(json.dumps(rows))
    print("\nSeconds to load and to decide once, beyond importing scikit-learn (median of 5)\n")
    for kind in ("joblib", "skcfq"):
        told = []
        for _ in range(5):
            path = folder / f"4 bits on average whole.{kind}"
            command = [sys.executable, "-c", LOAD, path, folder / "rows.json"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            told.append(done.stdout.split())
        seconds = float(np.median([float(each[0]) for each in told]))
        print(f"{kind:<10}{seconds:>8.3f}   torch loaded: {told[0][1]}")


def print_fuzz(folder, frame, n, seed):
    """What became of mutated files."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.export.fuzz import damaged

    random = np.random.default_rng(seed)
    print(f"\n{n:,} mutated files of each format\n")
    for kind, load in (("skcfq", skcfq.load), ("onnx", load_onnx)):
        path = folder / f"4 bits on average whole.{kind}"
        data, broken, same, refused = path.read_bytes(), folder / f"broken.{kind}", 0, 0
        expected = load(path).predict(frame)
        before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
        for _ in range(n):
            broken.write_bytes(damaged(data, random))
            start = time.perf_counter()
            try:
                same += bool((load(broken).predict(frame) == expected).all())
            except ValueError:
                refused += 1
            slowest = max(slowest, time.perf_counter() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(
            f"{kind:<8}refused {refused:,}, read as the same model {same:,}, else {n - refused - same}; "
            f"slowest {slowest:.3f} s, memory grew by {grown:.0f} MB"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fuzz", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from skcfq.datasets import fetch_adult

    data = fetch_adult()
    models, mlp = train(data, options.epochs, options.seed)
    test = data.data.iloc[data.test_index]
    encoded = np.ascontiguousarray(export_packed(models["float32"]).encode(test)[:10_000])
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print_sizes(models, mlp, folder, data)
        with threadpool_limits(options.threads):  # of NumPy's BLAS; torch and ONNX have their own
            print_latency(models, mlp, folder, encoded, options.threads, options.repeats)
        print_loading(folder, test)
        if options.fuzz:
            print_fuzz(folder, test.head(5), options.fuzz, options.seed)


if __name__ == "__main__":
    main()
