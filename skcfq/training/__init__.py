"""Losses, teacher recourse and the one training loop: joins recourse and quantization."""

from ._allocate import allocate_by_preference, allocate_by_sensitivity, allocate_by_value
from ._batches import Batch, BatchDataset, TensorBatches
from ._calibration import Calibration, conformal_offset
from ._deploy import deployed
from ._distil import DistilObjective
from ._faithful import FaithfulObjective
from ._in_turn import start_in_turn
from ._net import EpochHook, TrainingPlan, train, wrap_net
from ._objectives import Lesson, PaperObjective, Prepared, TaskObjective
from ._post_training import OutputObjective, WeightObjective
from ._rows import held_out_split, merge_rows, validation_split
from ._sensitivity import FisherSensitivity, RecourseSensitivity
from ._synthetic import recombined, with_synthetic
from ._terms import Step, short_action
from ._units import settle_activations

__all__ = [
    "Batch",
    "BatchDataset",
    "Calibration",
    "DistilObjective",
    "EpochHook",
    "FaithfulObjective",
    "FisherSensitivity",
    "Lesson",
    "OutputObjective",
    "PaperObjective",
    "Prepared",
    "RecourseSensitivity",
    "Step",
    "TaskObjective",
    "TensorBatches",
    "TrainingPlan",
    "WeightObjective",
    "allocate_by_preference",
    "allocate_by_sensitivity",
    "allocate_by_value",
    "conformal_offset",
    "deployed",
    "held_out_split",
    "merge_rows",
    "recombined",
    "settle_activations",
    "short_action",
    "start_in_turn",
    "train",
    "validation_split",
    "with_synthetic",
    "wrap_net",
]
