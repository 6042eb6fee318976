from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.models.tree_head import TreeHead

STRUCTURE = [[0, 3], [2, [1, 4]]]


def head(scale: float = 1.0) -> TreeHead:
    torch.manual_seed(0)
    made = TreeHead(6, STRUCTURE)
    with torch.no_grad():
        made.decisions.weight.mul_(scale)
    return made


def walked(structure, votes, place=0):
    """(log-probabilities by class, next decision) of one picture, by walking down the tree in float64."""
    if isinstance(structure, int):
        return {structure: 0.0}, place
    vote = float(votes[place])
    first, after = walked(structure[0], votes, place + 1)
    second, after = walked(structure[1], votes, after)
    return {k: v - np.logaddexp(0, -vote) for k, v in first.items()} | {
        k: v - np.logaddexp(0, vote) for k, v in second.items()
    }, after


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_a_class_is_as_probable_as_the_decisions_on_its_way(scale):
    made, features = head(scale), torch.randn(20, 6)
    with torch.no_grad():
        found, votes = made(features).numpy(), made.decisions(features).numpy()
    for row, vote in zip(found, votes, strict=True):
        ways, _ = walked(STRUCTURE, vote.astype(np.float64))
        assert row == pytest.approx([ways[k] for k in range(5)], rel=1e-5, abs=1e-4)


def test_softmax_of_the_logits_gives_the_probabilities_themselves():
    with torch.no_grad():
        logits = head()(torch.randn(50, 6))
    assert torch.allclose(logits.softmax(dim=1), logits.exp(), atol=1e-6)


def test_gradients_stay_finite_where_a_decision_is_certain():
    made = head(1000.0)
    made(torch.randn(10, 6)).sum().backward()
    assert torch.isfinite(made.decisions.weight.grad).all()


def test_only_the_decisions_are_saved():
    made = head()
    assert set(made.state_dict()) == {"decisions.weight", "decisions.bias"}
    assert made.decisions.weight.shape == (4, 6)


def test_fitted_weights_must_fit():
    with pytest.raises(CheckpointError, match=r"\(4, 6\)"):
        head().load_fitted(np.zeros((5, 6), np.float32), np.zeros(5, np.float32))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_gives_the_same_also_where_a_sigmoid_would_be_zero(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    made, features = head(300.0).eval(), torch.randn(7, 6)
    path = tmp_path / "head.onnx"
    torch.onnx.export(
        made,
        (features,),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    more = torch.randn(12, 6)
    with torch.no_grad():
        ours = made(more).numpy()
    theirs = session.run(None, {session.get_inputs()[0].name: more.numpy()})[0]
    assert ours.min() < -150
    assert np.allclose(ours, theirs, atol=1e-3)
