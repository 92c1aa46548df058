"""Certificates: what they promise holds, and the searched values lie inside the bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.recourse import Layer, certify_margins
from tests.recourse.nets import box, dense, outputs, perturbed, random_layers, rounded
from tests.strategies import seeds


def margin(logits, target):
    """Target logit less the strongest other, of logits (..., n, n_classes)."""
    wanted = np.take_along_axis(
        logits, np.broadcast_to(target[:, None], (*logits.shape[:-1], 1)), -1
    )
    other = np.where(np.arange(logits.shape[-1]) == target[:, None], -np.inf, logits).max(axis=-1)
    return wanted[..., 0] - other


@settings(max_examples=50)
@given(seeds(), st.integers(2, 4), st.sampled_from([None, 0.25]), st.floats(-6, 0))
def test_sound_against_dense_samples(random, n_classes, step, exponent):
    first = random_layers(random, (3, 6, 5, n_classes))
    second = perturbed(random, first, 10**exponent, step=step)
    low, high = box(random, 4, 3, 10 ** random.uniform(-2, 0.5))
    target = random.integers(0, n_classes, 4)
    found = certify_margins(first, second, (low + high) / 2, low, high, target)
    x = dense(random, low, high, 800)
    logits, other = outputs(first, x), outputs(second, x)
    m, m_q = margin(logits, target), margin(other, target)
    assert (np.abs(other - logits).max(axis=(0, 2)) <= found.eps).all()
    assert ((m - m_q).max(axis=0) <= found.margin_eps).all()
    assert (m_q.min(axis=0) >= found.deployed_low).all()
    assert (found.empirical_eps <= found.eps).all()
    assert (found.empirical_margin_eps <= found.margin_eps).all()
    assert (found.empirical_deployed_low >= found.deployed_low).all()
    assert (found.deployed_low <= found.deployed_margin).all()
    assert (found.margin_eps <= 2 * found.eps).all()
    # What is promised: certified advice is valid, robust advice all over the box.
    assert (found.deployed_margin[found.certified] > 0).all()
    assert (m_q[:, found.robust] > 0).all()


def test_the_search_finds_what_dense_samples_find():
    random = np.random.default_rng(0)
    first = random_layers(random, (4, 20, 10, 2))
    second = rounded(first, 4)
    low, high = box(random, 20, 4, 0.5)
    target = np.ones(20, dtype=int)
    found = certify_margins(first, second, (low + high) / 2, low, high, target)
    x = dense(random, low, high, 5000)
    logits, other = outputs(first, x), outputs(second, x)
    gap = np.abs(other - logits).max(axis=(0, 2))
    lowest = margin(other, target).min(axis=0)
    assert (found.empirical_eps >= 0.9 * gap).mean() >= 0.9
    assert (found.empirical_deployed_low <= lowest + 0.15).mean() >= 0.9


def test_closed_form_of_affine_networks():
    # Lead of class 1: x for the reference, x - 0.3 + 0.1 x for the deployed network.
    first = [Layer(np.array([[0.0], [1.0]]), np.zeros(2))]
    second = [Layer(np.array([[0.0], [1.1]]), np.array([0.0, -0.3]))]
    x = np.array([[1.0], [0.25], [2.0]])
    found = certify_margins(first, second, x, x - 0.5, x + 0.5, np.array([1, 1, 1]))
    np.testing.assert_allclose(found.eps, [0.25, 0.325, 0.15], atol=1e-9)
    np.testing.assert_allclose(found.margin_eps, [0.25, 0.325, 0.15], atol=1e-9)
    np.testing.assert_allclose(found.empirical_eps, found.eps, atol=1e-9)
    np.testing.assert_allclose(found.reference_margin, [1.0, 0.25, 2.0])
    np.testing.assert_allclose(found.deployed_margin, [0.8, -0.025, 1.9])
    np.testing.assert_allclose(found.deployed_low, [0.25, -0.575, 1.35], atol=1e-9)
    assert found.certified.tolist() == [True, False, True]
    assert found.robust.tolist() == [True, False, True]
    refused = certify_margins(first, second, x, x - 0.5, x + 0.5, np.array([0, 0, 0]))
    assert refused.certified.tolist() == [False, False, False]


def test_many_boxes_are_as_one_at_a_time():
    random = np.random.default_rng(1)
    first = random_layers(random, (3, 130, 2))  # wide: few boxes at once
    second = rounded(first, 4)
    low, high = box(random, 130, 3, 0.2)
    target = random.integers(0, 2, 130)
    together = certify_margins(first, second, low, low, high, target)
    for i in (0, 64, 129):
        rows = slice(i, i + 1)
        alone = certify_margins(first, second, low[rows], low[rows], high[rows], target[rows])
        for name in ("eps", "margin_eps", "reference_margin", "deployed_low"):
            np.testing.assert_allclose(
                getattr(alone, name), getattr(together, name)[rows], rtol=1e-9
            )
    assert len(together.take(np.arange(5))) == 5
    assert len(certify_margins(first, second, low[:0], low[:0], high[:0], target[:0])) == 0


@pytest.mark.parametrize("bits", [8, 4])
def test_repr_and_frame(bits):
    random = np.random.default_rng(2)
    first = random_layers(random, (3, 8, 2))
    low, high = box(random, 7, 3, 0.1)
    found = certify_margins(first, rounded(first, bits), low, low, high, np.zeros(7, dtype=int))
    assert found.to_frame().columns.tolist() == [
        "eps", "empirical_eps", "margin_eps", "empirical_margin_eps", "reference_margin",
        "deployed_margin", "deployed_low", "empirical_deployed_low", "certified", "robust",
    ]  # fmt: skip
    assert repr(found).startswith("MarginCertificate(7 people, 7 with recourse: ")
    assert repr(found.take([])) == "MarginCertificate(0 people, none with recourse)"
