"""Fake-quantized layers, bit policies and exact budget allocation. Knows no recourse."""

from ._allocation import allocate_bits, allocate_unit_bits
from ._bits import (
    TERNARY_BITS,
    UNIT_BITS,
    WHOLE_BITS,
    activation_levels,
    canonical_bits,
    levels,
    unit_levels,
)
from ._bytes import byte_budget_bits, packed_bytes
from ._calibration import calibrate_clips, mse_clip, mse_step
from ._equalize import equalize
from ._float import linear_layers, mlp
from ._functional import (
    dequantize,
    lsq_grad_scale,
    lsq_quantize,
    pact_quantize,
    quantize_codes,
    round_ste,
)
from ._input_shifts import choose_input_shifts
from ._policy import (
    apply_allocation,
    average_bits,
    bit_cost,
    bit_preferences,
    expected_average_bits,
    gumbel_noise,
    quant_layers,
)
from ._pruning import magnitude_masks
from ._quant_linear import QuantLinear
from ._quant_mlp import QuantMLP, average_activation_bits, build_quantized, unit_widths
from ._quant_relu import QuantReLU
from ._reconstruction import reconstruct
from ._reference_columns import drop_reference_columns
from ._spare_units import elimination_order, spare_units

__all__ = [
    "TERNARY_BITS",
    "UNIT_BITS",
    "WHOLE_BITS",
    "QuantLinear",
    "QuantMLP",
    "QuantReLU",
    "activation_levels",
    "allocate_bits",
    "allocate_unit_bits",
    "apply_allocation",
    "average_activation_bits",
    "average_bits",
    "bit_cost",
    "bit_preferences",
    "build_quantized",
    "byte_budget_bits",
    "calibrate_clips",
    "canonical_bits",
    "choose_input_shifts",
    "dequantize",
    "drop_reference_columns",
    "elimination_order",
    "equalize",
    "expected_average_bits",
    "gumbel_noise",
    "levels",
    "linear_layers",
    "lsq_grad_scale",
    "lsq_quantize",
    "magnitude_masks",
    "mlp",
    "mse_clip",
    "mse_step",
    "packed_bytes",
    "pact_quantize",
    "quant_layers",
    "quantize_codes",
    "reconstruct",
    "round_ste",
    "spare_units",
    "unit_levels",
    "unit_widths",
]
