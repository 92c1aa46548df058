"""Files that are safe to load: the same model, or a clear error."""

import json
import pickle
import resource
import sys
import time

import joblib
import numpy as np
import pytest
import safetensors.numpy

import skcfq
from skcfq.actions import Encoding
from skcfq.export import PackedClassifier, export_onnx, export_packed
from skcfq.export._files import _digest
from skcfq.export._manifest import _read_encoder, _write_encoder, read_manifest, write_manifest
from skcfq.export._read_encoding import pack_encoding
from tests.actions.preprocessors import NAMES, READABLE, fitted
from tests.actions.test_encoding import people

from .conftest import SCHEMES, UNITS
from .fuzz import damaged, made_up
from .test_isolation import BLOCK, USE, run, write_rows
from .test_packed import UNIT_WIDTHS, coarse, hand_made


@pytest.fixture(scope="module")
def packed(classifier):
    return export_packed(classifier("mixed, 8-bit activations"), audit={"validity_drop": 0.02})


@pytest.fixture
def path(tmp_path, packed):
    skcfq.save(packed, tmp_path / "credit.skcfq")
    return tmp_path / "credit.skcfq"


def write(path, manifest, arrays):
    """A file whose SHA-256 is right, whatever it holds."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    arrays = {**arrays, "sha256": _digest(text, arrays)}
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"skcfq": text}))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_round_trip(tmp_path, credit, classifier, scheme):
    packed = export_packed(classifier(scheme))
    skcfq.save(packed, tmp_path / "a.skcfq")
    loaded = skcfq.load(tmp_path / "a.skcfq")
    np.testing.assert_array_equal(loaded.logits(credit.data), packed.logits(credit.data))
    np.testing.assert_array_equal(loaded.predict(credit.data), packed.predict(credit.data))
    assert loaded.bits_ == packed.bits_
    assert loaded.actions == credit.actions
    assert loaded.target_ == "granted"
    assert loaded.model.info == packed.model.info
    assert loaded.classes_.dtype == packed.classes_.dtype
    skcfq.save(loaded, tmp_path / "b.skcfq")
    assert (tmp_path / "a.skcfq").read_bytes() == (tmp_path / "b.skcfq").read_bytes()


def older(manifest, version):
    """The manifest as an older format has it: no layer tells shifts."""
    layers = [{k: v for k, v in each.items() if k != "shifts"} for each in manifest["layers"]]
    return {**manifest, "format": version, "layers": layers}


@pytest.mark.parametrize(
    ("version", "scheme", "sentence"),
    [
        (1, "mixed", None),
        (2, "mixed", None),
        (2, "per output", None),
        (1, "per output", "format 1 has one width per layer"),
        (2, "per output and input", "layer [012] has weights of another size"),
        (3, "mixed", r"layer 0 lacks the fields \['shifts'\]"),
    ],
)
def test_older_formats_are_read(path, credit, classifier, version, scheme, sentence):
    packed = export_packed(classifier(scheme))
    manifest, arrays = write_manifest(packed.model)
    write(path, older(manifest, version), arrays)
    if sentence is None:
        loaded = skcfq.load(path)
        np.testing.assert_array_equal(loaded.logits(credit.data), packed.logits(credit.data))
    else:
        with pytest.raises(ValueError, match=sentence):
            skcfq.load(path)


def test_older_formats_have_no_shifts(path, packed):
    manifest, arrays = write_manifest(packed.model)
    for version in (1, 2):
        write(path, {**manifest, "format": version}, arrays)
        with pytest.raises(ValueError, match=r"fields that are not known: \['shifts'\]"):
            skcfq.load(path)


def test_format_3_has_one_width_of_activations_per_layer(path, credit, classifier):
    for scheme in ("per output and input", UNITS):
        packed = export_packed(classifier(scheme))
        manifest, arrays = write_manifest(packed.model)
        write(path, {**manifest, "format": 3}, arrays)
        if scheme == UNITS:
            with pytest.raises(ValueError, match="format 3 has one width of activations per layer"):
                skcfq.load(path)
        else:
            loaded = skcfq.load(path)
            np.testing.assert_array_equal(loaded.logits(credit.data), packed.logits(credit.data))


@pytest.mark.parametrize("activation_bits", [None, 4, UNIT_WIDTHS])
def test_shifts_survive(tmp_path, monkeypatch, activation_bits):
    packed = coarse(1, activation_bits)[1]
    skcfq.save(packed, tmp_path / "a.skcfq")
    loaded = skcfq.load(tmp_path / "a.skcfq")
    x = np.random.default_rng(0).normal(size=(100, 9))
    np.testing.assert_array_equal(loaded.logits(x), packed.logits(x))
    assert [layer.shifts for layer in loaded.model.layers] == [
        layer.shifts for layer in packed.model.layers
    ]
    assert loaded.average_bits_ == packed.average_bits_
    for layer, expected in zip(loaded.model.layers, packed.model.layers, strict=True):
        assert layer.activation_bits == expected.activation_bits
    # Weights without bytes are what a small file could claim any number of.
    monkeypatch.setattr("skcfq.export._manifest.MAX_ABSENT", 10)
    with pytest.raises(ValueError, match="it has more than 10 weights that take no bits"):
        skcfq.load(tmp_path / "a.skcfq")


def test_shifts_of_full_precision_are_refused(path, teacher):
    manifest, arrays = write_manifest(export_packed(teacher).model)
    manifest["layers"][1]["shifts"] = [1] * 16
    write(path, manifest, arrays)
    with pytest.raises(ValueError, match="layer 1 has shifts of weights that are not quantized"):
        skcfq.load(path)


def test_full_precision_round_trip(tmp_path, credit, teacher):
    skcfq.save(export_packed(teacher), tmp_path / "teacher.skcfq")
    loaded = skcfq.load(tmp_path / "teacher.skcfq")
    np.testing.assert_array_equal(loaded.predict(credit.data), teacher.predict(credit.data))


@pytest.mark.parametrize(
    "labels", [[0, 1], [False, True], [-1.5, 2.0], ["no", "yes"], np.array(["no", "yes"], object)],
    ids=lambda labels: str(np.asarray(labels).dtype),
)  # fmt: skip
def test_labels_keep_their_type(tmp_path, labels):
    packed = hand_made([1, 2])
    labels = np.asarray(labels)
    model = packed.model.__class__(*[
        {"classes": labels, "target": labels.tolist()[1]}.get(name, getattr(packed.model, name))
        for name in packed.model.__dataclass_fields__
    ])  # fmt: skip
    skcfq.save(PackedClassifier(model), tmp_path / "a.skcfq")
    found = skcfq.load(tmp_path / "a.skcfq").predict([[1.0], [-1.0]])
    assert found.tolist() == labels[[1, 0]].tolist()
    assert found.dtype == labels.dtype


@pytest.mark.parametrize("name", READABLE)
def test_every_encoder_survives(name):
    encoder = pack_encoding(Encoding(fitted(name), NAMES), allow_missing=True)
    again = _read_encoder(json.loads(json.dumps(_write_encoder(encoder))))
    assert again == encoder
    frame = people(0)
    columns = [frame[column] for column in NAMES]
    np.testing.assert_array_equal(again.encode(columns), encoder.encode(columns))


@pytest.mark.parametrize("absent", ["torch,skorch,pandas"])
def test_without_torch_skorch_and_pandas(path, credit, packed, absent):
    write_rows(path.parent, packed, credit.data)
    load = 'import skcfq\nmodel = skcfq.load(sys.argv[2] + "/credit.skcfq")'
    done = run(BLOCK + load + USE, absent, path.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["heavy"] == []


def test_only_packed_classifiers_are_saved(tmp_path, classifier):
    with pytest.raises(
        TypeError, match=r"save takes a PackedClassifier, got QATClassifier: pack it"
    ):
        skcfq.save(classifier("4 bits"), tmp_path / "a.skcfq")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(path, packed, monkeypatch):
    before = path.read_bytes()

    def full_disk(self, data):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        skcfq.save(packed, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_is_not_installed_is_named(path, packed, monkeypatch):
    for module in ("safetensors", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    install = r': pip install "skcfq\[export\]"\.'
    with pytest.raises(ImportError, match="skcfq.save needs safetensors" + install):
        skcfq.save(packed, path)
    with pytest.raises(ImportError, match="skcfq.load needs safetensors" + install):
        skcfq.load(path)
    with pytest.raises(ImportError, match="export_onnx needs onnx and onnxruntime" + install):
        export_onnx(packed, path)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemError('code was run')",))


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump])
def test_pickles_are_not_opened(tmp_path, dump):
    with (tmp_path / "evil.skcfq").open("wb") as file:
        dump(Evil(), file)
    with pytest.raises(
        ValueError, match=r"evil.skcfq is not a model that skcfq.load reads: it is no safet"
    ):
        skcfq.load(tmp_path / "evil.skcfq")


def test_other_files_are_named(tmp_path):
    path = tmp_path / "x"
    for data in (b"", b"{}", bytes(100), safetensors.numpy.save({"a": np.zeros(3)})):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"x is not a model that skcfq.load reads: "):
            skcfq.load(path)
    with pytest.raises(FileNotFoundError):
        skcfq.load(tmp_path / "absent")


def test_a_changed_weight_is_noticed(path):
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"do not have the SHA-256 that it states: it was changed"):
        skcfq.load(path)


def test_a_file_that_is_too_large(path, monkeypatch):
    monkeypatch.setattr("skcfq.export._files.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="it has more than 1000 bytes"):
        skcfq.load(path)


def change(manifest, steps, value):
    *path, key = steps
    for step in path:
        manifest = manifest[step]
    manifest[key] = value


@pytest.mark.parametrize(
    ("steps", "value", "sentence"),
    [
        (["format"], 5, "it is of format 5, and this version of skcfq reads formats up to 4: upgrade"),
        (["format"], "1", "does not tell a format"),
        (["pickle"], "gASV", "the manifest has fields that are not known: ['pickle']"),
        (["layers", 0, "code"], "x", "layer 0 has fields that are not known"),
        (["layers", 0, "n_inputs"], 10**9, "layer 0 has wrong values of ['n_inputs']"),
        (["layers", 0, "n_inputs"], 2**21, "more than 16777216 weights"),
        (["layers", 0, "n_inputs"], 9, "layer 0 has weights of another size"),
        (["layers", 0, "bits"], 1, "layer 0 has wrong values of ['bits']"),
        (["layers", 0, "bits"], [4] * 15 + [32], "layer 0 has wrong values of ['bits']"),
        (["layers", 0, "bits"], [4] * 15 + [[4]], "layer 0 has wrong values of ['bits']"),
        (["layers", 0, "bits"], [4, 2], "layer 0 has not one width for each output"),
        (["layers", 0, "bits"], [4] * 16, "layer 0 lists a width that all outputs share"),
        (["layers", 0, "bits"], [4] * 15 + [2], "layer 0 has weights of another size"),
        (["layers", 1, "shifts"], 1, "layer 1 has wrong values of ['shifts']"),
        (["layers", 1, "shifts"], [0] * 15 + [9], "layer 1 has wrong values of ['shifts']"),
        (["layers", 1, "shifts"], [0] * 15 + [-1], "layer 1 has wrong values of ['shifts']"),
        (["layers", 1, "shifts"], [0] * 15 + [True], "layer 1 has wrong values of ['shifts']"),
        (["layers", 1, "shifts"], [1] * 15, "layer 1 has not one shift for each input"),
        (["layers", 1, "shifts"], [], "layer 1 has not one shift for each input"),
        (["layers", 1, "shifts"], [0] * 16, "layer 1 lists shifts that are all 0"),
        (["layers", 1, "shifts"], [0] * 15 + [1], "layer 1 has weights of another size"),
        (["layers", 0, "activation_step"], -1.0, "an activation that is half described"),
        (["layers", 1, "activation_bits"], None, "an activation that is half described"),
        (["layers", 1, "activation_bits"], [4] * 7, "layer 1 has not one activation for each output"),
        (["layers", 1, "activation_bits"], [0] * 8, "layer 1 has activations without any bits"),
        (["layers", 1, "activation_bits"], [9] * 8, "layer 1 has wrong values of ['activation_bits']"),
        (["layers", 1, "activation_bits"], [True] * 8, "layer 1 has wrong values of ['activation_bits']"),
        (["layers", 2, "activation_bits"], [4] * 2, "an activation that is half described"),
        (["layers", 2, "relu"], True, "layer 2 has the wrong activation"),
        (["labels"], "U999999999", "wrong values of ['labels']"),
        (["labels"], "int64", "the classes are not of the type int64"),
        (["classes"], ["granted"], "wrong values of ['classes']"),
        (["classes"], ["granted", "granted"], "a class is given twice"),
        (["target"], "maybe", "the target is no class"),
        (["n_features"], 3, "the columns are not n_features"),
        (["encoder", "n_inputs"], 50_000, "layer 0 does not take what comes before it"),
        (["encoder", "columns", 0, "input"], 400, "column 0 sets an input that is not there"),
        (["encoder", "base"], [[999, 1.0]], "the base has a wrong code"),
        (["feature_names"], ["age"] * 9, "the names are not those of n_features"),
        (["info"], {"deep": {"er": {}}}, "wrong values of ['info']"),
    ],
)  # fmt: skip
def test_made_up_manifests(path, packed, steps, value, sentence):
    manifest, arrays = write_manifest(packed.model)
    manifest = json.loads(json.dumps(manifest))
    change(manifest, steps, value)
    write(path, manifest, arrays)
    with pytest.raises(ValueError, match=r"credit.skcfq is not a model") as caught:
        skcfq.load(path)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"format":1,"format":1}', "has a key twice"),
        ('{"format":NaN}', "a number that is not finite"),
        ('{"format":1e999}', "a number that is not finite"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"format":' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[]", "does not tell a format"),
    ],
    ids=lambda text: text[:14],
)
def test_json_that_is_hard_to_read(path, packed, text, sentence):
    write(path, text, write_manifest(packed.model)[1])
    with pytest.raises(ValueError, match=sentence):
        skcfq.load(path)


def test_arrays_that_nobody_uses(path, packed):
    manifest, arrays = write_manifest(packed.model)
    write(path, manifest, {**arrays, "9.codes": np.zeros(5, np.uint8)})
    with pytest.raises(ValueError, match="arrays that no layer uses"):
        skcfq.load(path)
    write(path, manifest, {**arrays, "0.bias": np.zeros(16)})
    with pytest.raises(ValueError, match="an array of type F64"):
        skcfq.load(path)


def fuzz(path, packed, rows, n, seed):
    """Load mutated files; returns how many were damaged, made up, and loaded after all."""
    random = np.random.default_rng(seed)
    data = path.read_bytes()
    manifest, arrays = write_manifest(packed.model)
    manifest = json.loads(json.dumps(manifest))
    expected = packed.logits(rows)
    loaded = {"damaged": 0, "made up": 0}
    longest, slowest, before = 0, 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(n):
        kind = "damaged" if i % 2 else "made up"
        if kind == "damaged":
            path.write_bytes(damaged(data, random))
        else:
            write(path, *made_up(manifest, arrays, random))
        start = time.perf_counter()
        try:
            model = skcfq.load(path)
            if kind == "damaged":
                np.testing.assert_array_equal(model.logits(rows), expected)
            loaded[kind] += 1
            model.predict(rows)
        except ValueError as error:
            longest = max(longest, len(str(error)))
        slowest = max(slowest, time.perf_counter() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kilobytes
    assert longest < 2000
    assert slowest < 5
    assert grown < 200 * 1024
    return loaded


@pytest.mark.parametrize(
    ("scheme", "n"), [("mixed, 8-bit activations", 600), ("per output and input", 200)]
)
def test_mutated_files(tmp_path, classifier, credit, scheme, n):
    packed, path = export_packed(classifier(scheme)), tmp_path / "credit.skcfq"
    skcfq.save(packed, path)
    loaded = fuzz(path, packed, credit.data.head(5), n, seed=0)
    assert loaded["damaged"] < n / 20
    assert 0 < loaded["made up"] < n / 3, (
        "some oddities are harmless: another bit budget, another label"
    )


@pytest.mark.slow
def test_ten_thousand_mutated_files(path, packed, credit):
    fuzz(path, packed, credit.data.head(5), 10_000, seed=1)


def test_a_manifest_reads_back(packed):
    manifest, arrays = write_manifest(packed.model)
    model = read_manifest(json.loads(json.dumps(manifest)), arrays)
    assert model.info["audit"] == {"validity_drop": 0.02}
