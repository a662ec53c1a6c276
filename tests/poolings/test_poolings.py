"""Token states to one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.parts import build
from harness.poolings.cls import Cls
from harness.poolings.concat import Concat
from harness.poolings.last import Last
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.mean_sqrt_len import MeanSqrtLen
from harness.poolings.native import Native
from harness.poolings.weighted_mean import WeightedMean
from harness.types import HarnessError

# Three tokens and two of padding, on either side; the padding's states are nobody's business.
TOKENS = [[1.0, -8.0], [4.0, 2.0], [1.0, 0.0]]
JUNK = [[900.0, 900.0], [-900.0, 900.0]]
ROOT = float(np.float32(6) / np.sqrt(np.float32(3)))
THIRD = float(np.float32(2) / np.float32(3))
EXPECTED: list[tuple[Any, list[float]]] = [
    (Cls(), [1, -8]), (Last(), [1, 0]), (Max(), [4, 2]), (Mean(), [2, -2]),
    (MeanSqrtLen(), [ROOT, -ROOT]),
    (WeightedMean(), [2, -THIRD]),  # (1 + 2 x 4 + 3) / 6 and (-8 + 2 x 2) / 6
    (Concat((Mean(), Cls())), [2, -2, 1, -8]),
]  # fmt: skip
NAMES: list[tuple[Any, Any]] = [
    (Cls(), "cls"), (Last(), "lasttoken"), (Max(), "max"), (Mean(), "mean"), (MeanSqrtLen(), "mean_sqrt_len_tokens"),
    (WeightedMean(), "weightedmean"), (Concat((Cls(), Mean(), Max())), ("cls", "mean", "max")),
]  # fmt: skip


def padded(side: str, junk: list[list[float]] = JUNK) -> tuple[np.ndarray, np.ndarray]:
    rows, mask = (TOKENS + junk, [1, 1, 1, 0, 0]) if side == "right" else (junk + TOKENS, [0, 0, 1, 1, 1])
    return np.array([rows], np.float32), np.array([mask], bool)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("part", "vector"), EXPECTED)
def test_padding_on_either_side_does_not_count(part: Any, vector: list[float], side: str) -> None:
    assert part.pool(*padded(side)).tolist() == [vector]


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("part", "vector"), EXPECTED)
def test_padding_whose_states_are_not_finite_does_not_count_either(
    part: Any, vector: list[float], side: str, junk: float
) -> None:
    assert part.pool(*padded(side, [[junk, junk]] * 2)).tolist() == [vector]


@pytest.mark.parametrize("part", [part for part, _ in EXPECTED])
def test_a_broken_state_is_passed_on_and_never_becomes_a_plausible_vector(part: Any) -> None:
    states, mask = np.full((1, 3, 2), np.nan, np.float32), np.ones((1, 3), bool)
    assert np.isnan(part.pool(states, mask)).all()


@pytest.mark.parametrize("part", [part for part, _ in EXPECTED])
def test_a_text_without_tokens_gives_zeros(part: Any) -> None:
    states = np.array([TOKENS, TOKENS], np.float32)
    pooled = part.pool(states, np.array([[0, 0, 0], [1, 1, 1]], bool))
    assert pooled[0].tolist() == [0] * len(pooled[0])
    assert pooled[1].any()


@pytest.mark.parametrize("part", [part for part, _ in EXPECTED])
def test_torch_and_numpy_agree_and_each_gets_its_own_kind_back(part: Any) -> None:
    import torch

    draw = np.random.default_rng(1)
    states = draw.normal(size=(8, 6, 5)).astype(np.float32)
    mask = np.arange(6) >= draw.integers(0, 6, size=8)[:, None]
    as_torch = part.pool(torch.from_numpy(states), torch.from_numpy(mask))
    assert isinstance(as_torch, torch.Tensor)
    assert as_torch.dtype == torch.float32
    np.testing.assert_allclose(as_torch.numpy(), part.pool(states, mask), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("part", "name"), NAMES)
def test_poolings_equal_those_of_sentence_transformers(part: Any, name: Any, dtype: str, side: str) -> None:
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(2)
    states = torch.randn(12, 40, 8).to(getattr(torch, dtype))
    lengths = torch.randint(1, 41, (12, 1))
    at = torch.arange(40)[None]
    mask = at < lengths if side == "right" else at >= 40 - lengths
    features = {"token_embeddings": states, "attention_mask": mask.long()}
    theirs = Pooling(8, name)(features)["sentence_embedding"]
    ours = part.pool(states, mask)
    assert ours.dtype == theirs.dtype
    error = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}[dtype]
    torch.testing.assert_close(ours, theirs, rtol=error, atol=error)


def test_a_mean_in_half_precision_does_not_overflow_on_a_long_text() -> None:
    import torch

    states, mask = torch.full((1, 512, 2), 500.0, dtype=torch.float16), torch.ones(1, 512, dtype=torch.bool)
    assert Mean().pool(states, mask).tolist() == [[500.0, 500.0]]


@pytest.mark.parametrize("part", [WeightedMean(), MeanSqrtLen()])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_over_a_long_text_are_exact_in_half_precision(part: Any, dtype: str) -> None:
    import torch

    states = (40 * torch.randn(1, 700, 3, generator=torch.manual_seed(4))).to(getattr(torch, dtype)) + 300
    mask = torch.ones(1, 700, dtype=torch.bool)
    exact = part.pool(states.double(), mask)
    assert part.pool(states, mask).tolist() == exact.to(states.dtype).tolist()


def test_the_last_token_weighs_as_much_as_its_place_among_real_tokens_and_not_in_the_batch() -> None:
    states = np.zeros((1, 6, 1), np.float32)
    states[0, 4] = 1
    mask = np.array([[0, 0, 1, 1, 1, 0]], bool)
    assert WeightedMean().pool(states, mask).tolist() == [[0.5]]  # 3 / (1 + 2 + 3)


@pytest.mark.parametrize("of", [(), (Cls(), Native()), (Concat((Cls(),)), Mean())])
def test_what_cannot_be_joined_is_refused_when_it_is_made(of: tuple[Any, ...]) -> None:
    with pytest.raises(HarnessError, match="pooling concat: of"):
        Concat(of)


def test_a_concat_is_built_from_a_list_of_nodes_and_of_nothing_else() -> None:
    nodes = [{"_target_": "harness.poolings.max.Max"}, {"_target_": "harness.poolings.mean.Mean"}]
    assert build({"_target_": "harness.poolings.concat.Concat", "of": nodes}) == Concat((Max(), Mean()))
    for wrong in (["cls", "mean"], "cls", [{"_target_": "harness.quantizers.binary.Binary"}]):
        with pytest.raises(HarnessError, match="Concat.of"):
            build({"_target_": "harness.poolings.concat.Concat", "of": wrong})
