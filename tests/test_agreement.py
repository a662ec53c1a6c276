"""What stands beside a speed: agreement with float32, never rounded up to equality, never silent where unknown."""

import pytest

from harness.agreement import agreement

ROW = {"model": "small", "retriever": "dense", "main": "ndcg_at_10", "parity_cosine": None, "parity_difference": None}


@pytest.mark.parametrize(
    ("cosine", "difference", "told"),
    [
        (0.9999999, 0.0, "lowest cosine 0.99999, nDCG@10 0.0000"),
        (1.0, -0.00123, "lowest cosine 1.00000, nDCG@10 −0.0012"),
        (0.98, None, "lowest cosine 0.98000, nDCG@10 not compared"),
        (None, 0.002, "cosine not measured, nDCG@10 +0.0020"),
        (None, None, ""),
    ],
)
def test_cosine_is_rounded_down_and_what_is_not_known_is_said(cosine: object, difference: object, told: str) -> None:
    assert agreement({**ROW, "parity_cosine": cosine, "parity_difference": difference}) == told


@pytest.mark.parametrize("label", ["bfloat16", "float16", "onnx", "openvino"])
def test_a_faster_path_without_parity_says_so_wherever_its_label_names_it(label: str) -> None:
    assert agreement({**ROW, "model": f"small {label}"}) == "parity not measured"
    assert agreement({**ROW, "retriever": f"rerank(dense) {label}"}) == "parity not measured"
