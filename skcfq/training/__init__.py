"""Losses, teacher recourse and the one training loop: joins recourse and quantization."""

from ._batches import Batch, BatchDataset, TensorBatches
from ._calibration import Calibration, conformal_offset
from ._deploy import deployed
from ._faithful import FaithfulObjective
from ._net import EpochHook, TrainingPlan, allocate_by_preference, train, wrap_net
from ._objectives import Lesson, PaperObjective, Prepared, TaskObjective
from ._rows import merge_rows, validation_split
from ._terms import Step, short_action

__all__ = [
    "Batch",
    "BatchDataset",
    "Calibration",
    "EpochHook",
    "FaithfulObjective",
    "Lesson",
    "PaperObjective",
    "Prepared",
    "Step",
    "TaskObjective",
    "TensorBatches",
    "TrainingPlan",
    "allocate_by_preference",
    "conformal_offset",
    "deployed",
    "merge_rows",
    "short_action",
    "train",
    "validation_split",
    "wrap_net",
]
