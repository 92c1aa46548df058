"""A packed model as one C99 header, for devices without an operating system."""

import json
import re

import numpy as np

from .._utils._errors import raise_problems
from .._utils._files import atomic_path
from ._codes import FLOAT, TERNARY, indices_by_value
from ._encoder import CategoryColumn, NumberColumn
from ._pack import export_packed


def export_c(clf, path=None, *, name="model", audit=None):
    """Write a classifier as one C99 header that depends on nothing but ``stdint.h``.

    The header holds the packed integer weights, and four functions: ``NAME_encode`` makes the
    network's input of a raw row, ``NAME_logits`` the logits of that, ``NAME_decide`` the index of the
    class, and ``NAME_predict`` all three at once. A raw row is an array of ``double``: numbers as they
    are, categories by their index, which the header lists, NaN for a missing value and -1 for a
    category that is not known. ``NAME_encode`` returns 0, or 1 + the index of a column that is refused.

    Behind quantized activations every product and sum is of integers, and only a layer's result is
    scaled, in ``double``: from there on logits are NumPy's to the bit. The first layer, whose inputs
    are floats, and all layers without `activation_bits` add in ``double``. Nothing is allocated.

    Parameters
    ----------
    clf : PackedClassifier, or what :func:`export_packed` takes
    path : path-like, default=None
        The file to write; ``None`` writes none.
    name : str, default="model"
        A C identifier that all names of the header begin with.
    audit : AuditResult, RecourseScore or mapping of str to float, default=None
        Figures for the comment at the head.

    Returns
    -------
    str
        The header.

    Raises
    ------
    ValueError
        If `name` is no C identifier.

    Examples
    --------
    >>> from skcfq import QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.export import export_c
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = QATClassifier((8,), max_epochs=2, random_state=0).fit(data.data, data.target)
    >>> header = export_c(clf, name="credit")
    >>> print(next(line for line in header.splitlines() if "credit_predict" in line))
    static inline int credit_predict(const double *raw)
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,40}", name):
        raise_problems("export_c", [f"name={name!r}: a C identifier is needed, such as 'credit'."])
    model = export_packed(clf, audit=audit).model
    parts = [_head(model, name), *_tables(model, name), _code(name), _level(name)]
    parts += [_logits(model, name), _encode(model, name), _decide(name), "#endif\n"]
    text = "\n".join(parts)
    if path is not None:
        with atomic_path(path) as part:
            part.write_text(text, encoding="ascii")
    return text


def _comment(lines):
    """A comment; whatever text it holds cannot end it."""
    lines = [
        line.replace("*/", "*\\/").replace("/*", "/\\*").replace("??", "?\\?") for line in lines
    ]
    return "/*\n" + "".join(f" * {line}\n" for line in lines) + " */"


def _head(model, name):
    sizes = "-".join(str(layer.n_inputs) for layer in model.layers) + f"-{len(model.classes)}"
    bits = ", ".join(f"{layer.average_bits:.4g}" for layer in model.layers)
    lines = [
        f"A {sizes} network with weights of {bits} bits, written by skcfq {model.info.get('skcfq')}.",
        f"Facts: {json.dumps(model.info)}",
        "",
        f"Classes: {_listed(model.classes.tolist())}",
    ]
    if model.encoder is not None:
        lines += ["", "A raw row, in this order:"]
        for raw, record in enumerate(model.encoder.columns):
            kind = "ignored"
            if isinstance(record, NumberColumn):
                kind = "a number"
            elif isinstance(record, CategoryColumn):
                kind = f"a category: {_listed(record.categories)}"
            lines.append(f"  {raw} {json.dumps(record.name)}, {kind}")
    upper = name.upper()
    n_inputs = model.layers[0].n_inputs
    return "\n".join(
        [
            _comment(lines),
            f"#ifndef {upper}_H",
            f"#define {upper}_H",
            "",
            "#include <stdint.h>",
            "",
            f"#define {upper}_N_COLUMNS {model.n_features}",
            f"#define {upper}_N_INPUTS {n_inputs}",
            f"#define {upper}_N_CLASSES {len(model.classes)}",
            "",
        ]
    )


def _listed(values):
    return ", ".join(f"{i} = {json.dumps(value)}" for i, value in enumerate(values))


def _tables(model, name):
    """Weights, steps and biases as constant arrays."""
    for i, layer in enumerate(model.layers):
        if layer.bits == FLOAT:
            yield _array(f"float {name}_weights_{i}", _floats(layer.codes().ravel()))
        else:
            for g, (outputs, blocks) in enumerate(_groups(layer)):
                for j, (*_, packed) in blocks:
                    # One byte more, since a code is read with the byte that follows it.
                    yield _array(f"uint8_t {_block(layer, i, j, name)}", map(str, [*packed, 0]))
                if isinstance(layer.bits, tuple):
                    yield _indices(f"{name}_outputs_{i}_{g}", outputs, layer.n_outputs)
            inputs = {shift: inputs for _, shift, _, inputs, _ in layer.blocks()}
            for shift in inputs:
                if len(inputs[shift]) < layer.n_inputs:
                    yield _indices(f"{name}_inputs_{i}_{shift}", inputs[shift], layer.n_inputs)
        yield _array(f"float {name}_steps_{i}", _floats(layer.steps))
        yield _array(f"float {name}_bias_{i}", _floats(layer.bias))
        if isinstance(layer.activation_bits, tuple):
            yield _array(f"uint8_t {name}_tops_{i}", map(str, layer.top))


def _array(declaration, items):
    items = list(items)
    lines = [", ".join(items[k : k + 16]) for k in range(0, len(items), 16)]
    return f"static const {declaration}[{len(items)}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def _indices(array, indices, n):
    """Indices below `n` as a constant array."""
    return _array(f"{'uint16_t' if n <= 2**16 else 'uint32_t'} {array}", map(str, indices))


def _floats(values):
    return [f"{float(value)!r}f" for value in np.asarray(values, dtype=np.float32)]


def _code(name):
    return f"""\
/* One integer weight of a packed layer. */
static inline int {name}_code(const uint8_t *packed, uint32_t index, unsigned bits)
{{
    uint32_t at = index * bits;
    int code = (int)(((packed[at >> 3] | ((uint32_t)packed[(at >> 3) + 1] << 8)) >> (at & 7u)) & ((1u << bits) - 1u));
    return code < 1 << (bits - 1u) ? code : code - (1 << bits);
}}

/* The same of a ternary layer: five digits in base 3 to a byte. */
static inline int {name}_trit(const uint8_t *packed, uint32_t index)
{{
    static const uint8_t power[5] = {{1, 3, 9, 27, 81}};
    return (int)(packed[index / 5u] / power[index % 5u] % 3u) - 1;
}}
"""


def _level(name):
    return f"""\
/* The level of an activation: half to even, from 0 to top. */
static inline uint8_t {name}_level(double ratio, int top)
{{
    int below;
    double rest;
    if (!(ratio > 0.0))
        return 0;
    if (ratio >= (double)top)
        return (uint8_t)top;
    below = (int)ratio;
    rest = ratio - (double)below;
    return (uint8_t)(below + (rest > 0.5 || (rest == 0.5 && (below & 1))));
}}
"""


def _groups(layer):
    """The outputs of each width, and their blocks with their numbers in the layer.

    Without shifts each group has one block. It has none where its weights take no bits: the outputs
    are there all the same.
    """
    blocks = list(enumerate(layer.blocks()))
    for _, outputs in indices_by_value(layer.bits, layer.n_outputs):
        yield outputs, [(j, block) for j, block in blocks if block[2][0] == outputs[0]]


def _block(layer, i, j, name):
    """Name of the array with the weights of a layer, or of a block of it."""
    several = isinstance(layer.bits, tuple) or layer.shifts is not None
    return f"{name}_weights_{i}_{j}" if several else f"{name}_weights_{i}"


def _weight(bits, shift, array, name):
    """An expression for the weight at `k`."""
    if bits == FLOAT:
        return f"{array}[k]"
    if bits == TERNARY:
        return f"{name}_trit({array}, k)"
    code = f"{name}_code({array}, k, {bits}u)"
    # A product, since shifting a negative number to the left is undefined.
    return f"({code} * {1 << shift})" if shift else code


def _logits(model, name):
    lines = [
        f"/* Logits of a network input of {name.upper()}_N_INPUTS values. */",
        f"static inline void {name}_logits(const double *x, double *logits)",
        "{",
    ]
    for i, layer in enumerate(model.layers[:-1]):
        kind = "double" if layer.activation_step is None else "uint8_t"
        lines.append(f"    {kind} h{i}[{layer.n_outputs}];")
    counters = ["i", "o", "k"] if any(layer.blocks() for layer in model.layers) else ["o"]
    counters += ["r"] if any(isinstance(layer.bits, tuple) for layer in model.layers) else []
    lines += [f"    uint32_t {', '.join(counters)};"]
    source, input_step = "x", None
    for i, layer in enumerate(model.layers):
        last = i + 1 == len(model.layers)
        step = f"{name}_steps_{i}[{'o' if len(layer.steps) > 1 else '0'}]"
        if input_step is None:
            kind, total, scale = "double", "double sum = 0.0", f"(double){step}"
        else:
            wide = layer.n_inputs * 128 * int(np.max(model.layers[i - 1].top)) < 2**31
            kind = "int32_t" if wide else "int64_t"
            total, scale = f"{kind} sum = 0", f"((double){step} * {input_step!r})"
        if last:
            result = "logits[o] = a;"
        elif layer.activation_step is not None:
            several = isinstance(layer.activation_bits, tuple)
            top = f"{name}_tops_{i}[o]" if several else layer.top
            result = f"h{i}[o] = {name}_level(a / {layer.activation_step!r}, {top});"
        else:
            result = f"h{i}[o] = a > 0.0 ? a : 0.0;"
        if not layer.blocks():
            lines.append(f"    (void){source};")
        for g, (outputs, blocks) in enumerate(_groups(layer)):
            row = "r" if isinstance(layer.bits, tuple) else "o"
            start = ", k = 0" if len(blocks) == 1 else ""
            lines += [
                f"    for ({row} = 0{start}; {row} < {len(outputs)}u; {row}++) {{",
                f"        {total};",
                "        double a;",
            ]
            if row == "r":
                lines.append(f"        o = {name}_outputs_{i}_{g}[r];")
            for j, (bits, shift, _, inputs, _) in blocks:
                weight = _weight(bits, shift, _block(layer, i, j, name), name)
                every = len(inputs) == layer.n_inputs
                at = "i" if every else f"{name}_inputs_{i}_{shift}[i]"
                # A block of several is entered anew by every output.
                start = "i = 0" if len(blocks) == 1 else f"i = 0, k = {row} * {len(inputs)}u"
                lines += [
                    f"        for ({start}; i < {len(inputs)}u; i++, k++)",
                    f"            sum += ({kind}){weight} * {source}[{at}];",
                ]
            lines += [
                f"        a = (double)sum * {scale} + (double){name}_bias_{i}[o];",
                f"        {result}",
                "    }",
            ]
        source, input_step = f"h{i}", layer.activation_step
    return "\n".join([*lines, "}", ""])


def _encode(model, name):
    lines = [
        "/* The network's input of a raw row. Returns 0, or 1 + the index of a column that is refused. */",
        f"static inline int {name}_encode(const double *raw, double *x)",
        "{",
        "    uint32_t i;",
    ]
    if model.encoder is None:
        lines += [
            f"    for (i = 0; i < {model.n_features}u; i++) {{",
            "        x[i] = raw[i];",
            "        if (x[i] - x[i] != 0.0)",
            "            return (int)i + 1;",
            "    }",
        ]
        return "\n".join([*lines, "    return 0;", "}", ""])
    base = ", ".join(repr(value) for value in model.encoder.base)
    lines += [
        f"    static const double base[{len(model.encoder.base)}] = {{{base}}};",
        f"    for (i = 0; i < {len(model.encoder.base)}u; i++)",
        "        x[i] = base[i];",
    ]
    for raw, record in enumerate(model.encoder.columns):
        refuse = f"return {raw + 1};"
        if isinstance(record, NumberColumn):
            target = f"x[{record.column}]"
            lines.append(f"    {target} = {record.scale!r} * raw[{raw}] + {record.offset!r};")
            if record.missing is not None:
                lines.append(f"    if (raw[{raw}] != raw[{raw}])")
                lines.append(f"        {target} = {record.missing!r};")
            lines += [f"    if ({target} - {target} != 0.0)", f"        {refuse}"]
        elif isinstance(record, CategoryColumn):
            lines += _category(raw, record, refuse)
    return "\n".join([*lines, "    return 0;", "}", ""])


def _category(raw, record, refuse):
    """A switch over the categories; NaN is missing, -1 not known."""

    def setting(cells):
        return " ".join(f"x[{column}] = {value!r};" for column, value in cells)

    n = len(record.cells)
    missing = record.missing
    if None in record.categories:
        missing = record.cells[record.categories.index(None)]
    lines = [f"    if (raw[{raw}] != raw[{raw}]) {{"]
    lines += [f"        {refuse if missing is None else setting(missing)}", "    } else {"]
    lines += [
        f"        if (raw[{raw}] < -1.0 || raw[{raw}] > {n - 1}.0)",
        f"            {refuse}",
        f"        switch ((int)raw[{raw}]) {{",
    ]
    for k, cells in enumerate(record.cells):
        lines += [f"        case {k}:", f"            {setting(cells)}", "            break;"]
    unknown = refuse if record.unknown is None else f"{setting(record.unknown)}\n            break;"
    return [*lines, "        default:", f"            {unknown}", "        }", "    }"]


def _decide(name):
    upper = name.upper()
    return f"""\
/* Index of the class: the first of the largest logits. */
static inline int {name}_decide(const double *x)
{{
    double logits[{upper}_N_CLASSES];
    int best = 0, c;
    {name}_logits(x, logits);
    for (c = 1; c < {upper}_N_CLASSES; c++)
        if (logits[c] > logits[best])
            best = c;
    return best;
}}

/* Index of the class of a raw row; -1 - the index of a column that is refused. */
static inline int {name}_predict(const double *raw)
{{
    double x[{upper}_N_INPUTS];
    int refused = {name}_encode(raw, x);
    return refused ? -refused : {name}_decide(x);
}}
"""
