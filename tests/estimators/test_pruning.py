"""Prune and quantize: what is pruned is 0 in the model that is deployed."""

import copy
import pickle

import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skcfq import CFQClassifier, FaithfulObjective, QATClassifier
from skcfq.quantization import drop_reference_columns, linear_layers, quant_layers
from skcfq.training import deployed


@pytest.mark.parametrize("classifier", [CFQClassifier, QATClassifier])
def test_trap_pruned_weights_revived_by_later_training(credit, teacher, classifier):
    model = classifier(
        (16, 8), teacher=FrozenEstimator(teacher), prune_fraction=0.3, weight_decay=0.1,
        max_epochs=4, lr=0.02, random_state=0,
    )  # fmt: skip
    if classifier is CFQClassifier:
        model.set_params(objective=FaithfulObjective(n_synthetic=0))
    fitted = clone(model).fit(credit.data, credit.target)
    network = teacher.net_.module_
    if classifier is CFQClassifier:  # its inputs have widths of their own
        x = torch.from_numpy(teacher.encoding_.encode(credit.data).astype("float32"))
        network = drop_reference_columns(network, x, teacher.encoding_.one_hot_groups)
    source = linear_layers(network)
    size = torch.cat([w.weight.abs().flatten() for w in source])
    limit = size.sort().values[round(0.3 * len(size)) - 1]
    for each in (fitted, pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        weights = linear_layers(deployed(each.net_.module_))
        layers = quant_layers(each.net_.module_)
        n_pruned = sum(int((~layer.kept).sum()) for layer in layers)
        assert n_pruned == round(0.3 * len(size))
        for layer, linear, before in zip(layers, weights, source, strict=True):
            gone = before.weight.abs() <= limit
            assert torch.equal(gone, ~layer.kept)
            assert not linear.weight[gone].any()
    assert fitted.average_bits_ <= 4
    assert (fitted.predict_proba(credit.data) == each.predict_proba(credit.data)).all()
