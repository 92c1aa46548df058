"""The ONNX graph of a packed model, node by node.

Weights are integer initializers of shape (n_outputs, n_inputs). They become floats by ``Cast`` and
``Mul``, which ONNX Runtime folds when it loads the file, or by ``DequantizeLinear`` on axis 0; the
product is ``Gemm`` with ``transB=1`` in both. A ``DequantizeLinear`` of a transposed weight in front
of ``MatMul`` would be rewritten, under default options, into a kernel that rounds activations to 8
bits, and that is wrong for 2-bit weights whose outputs are no multiple of 4.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ._codes import FLOAT, TERNARY, indices_by_value, pack_codes
from ._encoder import CategoryColumn, NumberColumn

#: What the graph puts out.
OUTPUTS = ("label", "probabilities", "logits")

#: Integer types by width, and the opset that their operators need.
INT8, INT4, INT2 = (TensorProto.INT8, 18), (TensorProto.INT4, 21), (TensorProto.INT2, 25)
STORAGE = {TERNARY: INT2, 2: INT2, 3: INT4, 4: INT4}
STORED_BITS = {INT2: 2, INT4: 4, INT8: 8}

#: In front of every name inside the graph: no column is called so.
PREFIX = "skcfq/"


class Graph:
    """Nodes and initializers under names that are given out one by one."""

    def __init__(self, precision):
        self.nodes, self.initializers, self.inputs = [], [], []
        self.opset = 18
        self.real = np.float64 if precision == "double" else np.float32
        self.real_type = TensorProto.DOUBLE if precision == "double" else TensorProto.FLOAT

    def add(self, operator, *inputs, domain="", name=None, **attributes):
        """Append a node with one output, and return the output's name."""
        name = f"{PREFIX}{operator}{len(self.nodes)}" if name is None else name
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes)
        )
        return name

    def constant(self, values, dtype=None):
        """Append an initializer, by default of the graph's floating type."""
        name = f"{PREFIX}constant{len(self.initializers)}"
        array = np.asarray(values, dtype=self.real if dtype is None else dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, layer, to_real):
        """Append a layer's codes, each in the narrowest type of its output's width, and make them floats.

        Parameters
        ----------
        layer : PackedLayer
        to_real : callable
            Called with the name of integers of shape (n_some_outputs, n_inputs) and the indices of the
            outputs; appends what makes floats of them, and returns its name.
        """
        codes, parts, stored = layer.codes(), [], []
        kinds = {}
        for bits, outputs in indices_by_value(layer.bits, layer.n_outputs):
            kinds.setdefault(STORAGE.get(bits, INT8), []).extend(outputs)
        for storage, outputs in kinds.items():
            outputs = np.sort(outputs)
            name = f"{PREFIX}codes{len(self.initializers)}"
            self.opset = max(self.opset, storage[1])
            raw = pack_codes(codes[outputs], STORED_BITS[storage])
            shape = [len(outputs), layer.n_inputs]
            self.initializers.append(helper.make_tensor(name, storage[0], shape, raw, raw=True))
            parts.append(to_real(name, outputs))
            stored.append(outputs)
        if len(parts) == 1:
            return parts[0]
        order = self.constant(np.argsort(np.concatenate(stored)), np.int64)
        return self.add("Gather", self.add("Concat", *parts, axis=0), order, axis=0)

    def input(self, name, kind, width):
        """Append an input of shape (n_samples, width)."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["n_samples", width]))
        return name

    def to_real(self, name):
        """A value as the graph's floating type."""
        return self.add("Cast", name, to=self.real_type)


def build_model(model, precision, form, metadata):
    """The ONNX model of a packed one.

    Parameters
    ----------
    model : PackedModel
    precision : {"double", "single"}
    form : {"cast", "qdq"}
    metadata : dict of str to str

    Returns
    -------
    onnx.ModelProto
    """
    graph = Graph(precision)
    z = _encode(graph, model)
    logits = _network(graph, model, z, form)
    logits = graph.add("Add", logits, _refuse_infinite(graph, z), name="logits")
    graph.add("Softmax", logits, axis=1, name="probabilities")
    labels, label_type = _labels(model.classes)
    decided = graph.add("ArgMax", logits, axis=1, keepdims=0)
    graph.initializers.append(labels)
    graph.add("Gather", labels.name, decided, name="label")
    n_classes = len(model.classes)
    outputs = [
        helper.make_tensor_value_info("label", label_type, ["n_samples"]),
        helper.make_tensor_value_info("probabilities", graph.real_type, ["n_samples", n_classes]),
        helper.make_tensor_value_info("logits", graph.real_type, ["n_samples", n_classes]),
    ]
    opsets = [helper.make_opsetid("", graph.opset)]
    if any(node.domain == "ai.onnx.ml" for node in graph.nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "skcfq", graph.inputs, outputs, graph.initializers),
        opset_imports=opsets,
        # onnx would write its newest version, which runtimes of last year refuse.
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="skcfq",
        producer_version=model.info.get("skcfq", ""),
    )
    helper.set_model_props(proto, metadata)
    return proto


# ----- network -----------------------------------------------------------------------------------


def _network(graph, model, x, form):
    """Layers and activations, in the order of :meth:`PackedModel.logits`."""
    input_step = None
    for layer in model.layers:
        scale = layer.steps.astype(np.float64)
        bias = graph.constant(layer.bias)
        if input_step is not None:
            # Inputs are integer levels: their sums with integer weights are exact.
            weight = graph.weights(layer, lambda codes, _: graph.to_real(codes))
            x = graph.add("Gemm", x, weight, transB=1)
            x = graph.add("Mul", x, graph.constant(scale * input_step))
            x = graph.add("Add", x, bias)
        else:
            x = graph.add("Gemm", x, _weight(graph, layer, form), bias, transB=1)
        if layer.activation_step is not None:
            x = graph.add("Div", x, graph.constant(layer.activation_step))
            x = graph.add("Round", x)
            if isinstance(layer.activation_bits, tuple):  # Clip has one limit for all
                x = graph.add("Min", graph.add("Relu", x), graph.constant(layer.top))
            else:
                x = graph.add("Clip", x, graph.constant(0), graph.constant(layer.top))
        elif layer.relu:
            x = graph.add("Relu", x)
        input_step = layer.activation_step
    return x


def _weight(graph, layer, form):
    if layer.bits == FLOAT:
        return graph.constant(layer.codes())
    steps = np.broadcast_to(layer.steps, layer.n_outputs)

    def to_real(codes, outputs):
        if form == "qdq":
            scale = graph.constant(steps[outputs], np.float32)
            return graph.add("DequantizeLinear", codes, scale, axis=0)
        return graph.add("Mul", graph.to_real(codes), graph.constant(steps[outputs, None]))

    return graph.weights(layer, to_real)


def _refuse_infinite(graph, z):
    """0 for every row; a row that holds NaN or infinity takes a value that is not there, an error."""
    total = graph.add("ReduceSum", z, graph.constant([1], np.int64), keepdims=1)
    wrong = graph.add("IsNaN", graph.add("Sub", total, total))
    return graph.add(
        "Gather", graph.constant([0.0]), graph.add("Cast", wrong, to=TensorProto.INT64)
    )


def _labels(classes):
    """The labels as an initializer, and their type."""
    name = f"{PREFIX}classes"
    if classes.dtype.kind in "OU":
        texts = [str(label).encode() for label in classes]
        return helper.make_tensor(name, TensorProto.STRING, [len(texts)], texts), TensorProto.STRING
    tensor = numpy_helper.from_array(np.asarray(classes), name)
    return tensor, tensor.data_type


# ----- encoder -----------------------------------------------------------------------------------


def _encode(graph, model):
    """The network's input, of shape (n_samples, n_inputs)."""
    if model.encoder is None:
        return graph.input("X", graph.real_type, model.n_features)
    encoder = model.encoder
    numbers = [c for c in encoder.columns if isinstance(c, NumberColumn)]
    tables = [c for c in encoder.columns if isinstance(c, CategoryColumn)]
    blocks, columns, names = [], [], {}
    set_by_one = {c.column for c in numbers} | {i for c in tables for i, _ in _all_cells(c)}
    fixed = [i for i in range(len(encoder.base)) if i not in set_by_one]
    for record in encoder.columns:  # inputs in raw order
        if isinstance(record, NumberColumn):
            names[record.name] = graph.input(record.name, graph.real_type, 1)
        elif isinstance(record, CategoryColumn):
            names[record.name] = graph.input(record.name, category_type(record)[0], 1)
    if numbers:
        # Inputs that nothing sets ride along with the first column.
        scale = [c.scale for c in numbers] + [0.0] * len(fixed)
        offset = [c.offset for c in numbers] + [encoder.base[i] for i in fixed]
        given = [names[c.name] for c in numbers] + [names[numbers[0].name]] * len(fixed)
        x = graph.add("Concat", *given, axis=1)
        block = graph.add("Mul", x, graph.constant(scale))
        block = graph.add("Add", block, graph.constant(offset))
        if any(c.missing is not None for c in numbers):
            filled = [np.nan if c.missing is None else c.missing for c in numbers]
            filled = graph.constant(filled + [encoder.base[i] for i in fixed])
            block = graph.add("Where", graph.add("IsNaN", x), filled, block)
        blocks.append(block)
        columns += [c.column for c in numbers] + fixed
        fixed = []
    for record in tables:
        own = sorted({i for i, _ in _all_cells(record)}) + fixed
        blocks.append(_category_block(graph, record, names[record.name], own, encoder.base))
        columns += own
        fixed = []
    z = blocks[0] if len(blocks) == 1 else graph.add("Concat", *blocks, axis=1)
    if columns == list(range(len(encoder.base))):
        return z
    return graph.add("Gather", z, graph.constant(np.argsort(columns), np.int64), axis=1)


def _all_cells(record):
    return [
        cell for row in (*record.cells, record.missing or (), record.unknown or ()) for cell in row
    ]


def category_type(record):
    """Type of a categorical column's input, in ONNX and in NumPy.

    Text is text, whole numbers are int64, others float64, and booleans are booleans. A missing
    value is the empty text, or NaN.
    """
    known = [category for category in record.categories if category is not None]
    if all(isinstance(category, bool) for category in known) and None not in record.categories:
        return TensorProto.BOOL, np.bool_
    if all(
        isinstance(category, int | float) and not isinstance(category, bool) for category in known
    ):
        whole = all(isinstance(category, int) for category in known)
        takes_missing = None in record.categories or record.missing is not None
        if whole and not takes_missing:
            return TensorProto.INT64, np.int64
        return TensorProto.DOUBLE, np.float64
    return TensorProto.STRING, np.object_


def category_text(value):
    """How a value of a column of text is written; a missing one is empty."""
    return "" if value is None else str(value)


def _category_block(graph, record, given, own, base):
    """The inputs `own`, by a table with a row for every category that is allowed.

    What is not allowed takes a row that is not there, which is an error of the runtime's.
    """
    n = len(record.cells)
    rows = list(record.cells)
    missing = record.categories.index(None) if None in record.categories else n + 2
    if missing == n + 2 and record.missing is not None:
        missing, rows = len(rows), [*rows, record.missing]
    unknown = n + 3
    if record.unknown is not None:
        unknown, rows = len(rows), [*rows, record.unknown]
    table = np.tile(np.array(base)[own], (len(rows), 1))
    for row, cells in zip(table, rows, strict=True):
        for column, value in cells:
            row[own.index(column)] = value
    small = np.isin(table, np.arange(256)).all()
    table = graph.constant(table, np.uint8 if small else None)
    index = _category_index(graph, record, given, missing, unknown)
    return graph.add("Gather", graph.to_real(table) if small else table, index)


def _category_index(graph, record, given, missing, unknown):
    """Row of each person's category, int64 of shape (n_samples,)."""
    flat = graph.constant([-1], np.int64)
    if category_type(record)[0] == TensorProto.STRING:
        keys = [category_text(category) for category in record.categories]
        values = list(range(len(keys)))
        if "" not in keys:
            keys, values = [*keys, ""], [*values, missing]
        index = graph.add(
            "LabelEncoder", given, domain="ai.onnx.ml", keys_strings=keys, values_int64s=values,
            default_int64=unknown,
        )  # fmt: skip
        return graph.add("Reshape", index, flat)
    # At most one of these holds: one of the categories, or NaN.
    known = [category for category in record.categories if category is not None]
    rows = np.array([record.categories.index(category) for category in known] + [missing])
    values = graph.add("Cast", given, to=TensorProto.DOUBLE)
    equal = graph.add("Equal", values, graph.constant([known], np.float64))
    holds = graph.add("Concat", equal, graph.add("IsNaN", values), axis=1)
    holds = graph.add("Cast", holds, to=TensorProto.FLOAT)
    index = graph.add("MatMul", holds, graph.constant(rows - unknown, np.float32))
    index = graph.add("Add", index, graph.constant(unknown, np.float32))
    return graph.add("Cast", index, to=TensorProto.INT64)
