"""Linear layers in oneDNN's layout give what torch's own give, or are not used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.packed import PackedLinear, packed


def two_layers() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(8, 32), torch.nn.GELU(), torch.nn.Sequential(torch.nn.Linear(32, 4, bias=False))
    )


def look(model: torch.nn.Module) -> Any:
    torch.manual_seed(1)
    with torch.inference_mode():
        return model(torch.randn(5, 8)).numpy()


@pytest.mark.parametrize("shape", [(8,), (0, 8), (1, 8), (3, 2, 8), (2, 3, 5, 8)])
def test_a_packed_layer_gives_the_layers_numbers(shape: tuple[int, ...]) -> None:
    layer = torch.nn.Linear(8, 3)
    with torch.inference_mode():
        states = torch.randn(shape)
        np.testing.assert_allclose(PackedLinear(layer)(states).numpy(), layer(states).numpy(), rtol=0, atol=1e-6)


def test_every_linear_layer_is_packed_and_the_model_gives_the_same() -> None:
    model = packed(two_layers, look)
    kinds = [type(module).__name__ for module in model.modules()]
    assert kinds.count("PackedLinear") == 2 and "Linear" not in kinds
    np.testing.assert_allclose(look(model), look(two_layers()), rtol=0, atol=1e-6)


def test_a_model_that_reads_a_weight_itself_is_loaded_again_and_left_alone() -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, states: Any) -> Any:
            return torch.nn.functional.linear(states, self.layer.weight)

    loaded: list[Tied] = []
    model = packed(lambda: loaded.append(Tied()) or loaded[-1], look)  # type: ignore[func-returns-value]
    assert len(loaded) == 2 and model is loaded[1] and type(model.layer) is torch.nn.Linear


def test_a_model_whose_numbers_change_is_loaded_again_and_left_alone() -> None:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, states: Any) -> Any:
            return self.layer(states) * (2 if isinstance(self.layer, PackedLinear) else 1)

    assert type(packed(Counting, look).layer) is torch.nn.Linear


def test_models_without_linear_layers_and_subclasses_of_them_stay_as_they_are() -> None:
    class Own(torch.nn.Linear):
        pass

    assert type(packed(lambda: torch.nn.Sequential(Own(8, 4)), look)[0]) is Own
    seen: list[int] = []
    packed(lambda: torch.nn.Sequential(torch.nn.GELU()), lambda _: seen.append(1))  # type: ignore[arg-type,func-returns-value]
    assert not seen


def test_other_precisions_than_the_machine_multiplies_stay_as_they_are() -> None:
    model = packed(lambda: torch.nn.Sequential(torch.nn.Linear(8, 4)).double(), look)
    assert type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize("exact", [True, False])
def test_the_exact_gelu_after_a_layer_is_taken_with_it_and_no_other_function(exact: bool) -> None:
    from transformers.activations import ACT2FN

    class Half(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(2)
            self.dense, self.intermediate_act_fn = torch.nn.Linear(8, 16), ACT2FN["gelu" if exact else "gelu_new"]

        def forward(self, states: Any) -> Any:
            return self.intermediate_act_fn(self.dense(states))

    model = packed(Half, look)
    assert model.dense.after == ("gelu" if exact else "none")
    np.testing.assert_allclose(look(model), look(Half()), rtol=0, atol=1e-6)
