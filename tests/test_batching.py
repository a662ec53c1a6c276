"""Which texts go through a model together."""

import numpy as np
import pytest

from harness.batching import Batching, ahead, out_of_memory
from harness.types import HarnessError


def cut(lengths, size, device="cpu"):
    passes = list(Batching(size, device).run(np.asarray(lengths, dtype=int), lambda rows: rows.tolist()))
    assert all(rows.tolist() == made for rows, made in passes)
    return [made for _, made in passes]


def test_the_longest_come_first_and_equals_stay_in_order():
    assert cut([3, 9, 3, 5], 3) == [[1, 3, 0], [2]]


def test_without_a_size_a_batch_holds_so_many_tokens_padding_counted():
    assert cut([2000, 1000, 1500, 1], None) == [[0, 2], [1, 3]]
    assert cut([2000, 1000, 1500, 1], None, "cuda:1") == [[0, 2, 1, 3]]


def test_a_text_longer_than_the_budget_goes_alone_and_empty_ones_go_at_all():
    assert cut([0, 9000, 0], None) == [[1], [0, 2]]
    assert cut([], None) == []


def small(most, tried):
    """A forward pass with room for so many texts."""

    def forward(rows):
        tried.append(len(rows))
        if len(rows) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rows.tolist()

    return forward


def test_a_batch_that_does_not_fit_is_halved_and_none_after_it_is_larger():
    tried, batching = [], Batching(8)
    found = [made for _, made in batching.run(np.full(20, 5), small(3, tried))]
    assert found == [[i, i + 1] for i in range(0, 20, 2)]
    assert tried[:3] == [8, 4, 2] and batching.used == 2


def test_without_a_size_the_tokens_of_a_batch_are_halved():
    tried, batching = [], Batching(None)
    found = [made for _, made in batching.run(np.asarray([1024] * 4 + [512] * 4), small(3, tried))]
    assert found == [[0, 1], [2, 3], [4, 5], [6, 7]] and tried == [4, 2, 2, 4, 2, 2]
    assert batching.used == 0


def test_one_text_that_does_not_fit_is_an_error_with_its_length():
    with pytest.raises(HarnessError, match="one text of 7 tokens does not fit into the memory of cpu.*max_tokens"):
        list(Batching(4).run(np.asarray([7, 7]), small(0, [])))


def test_errors_that_are_not_about_memory_pass_through_at_once():
    def forward(rows):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        list(Batching(4).run(np.asarray([1, 1]), forward))
    assert out_of_memory(MemoryError()) and not out_of_memory(ValueError("no"))
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_read_ahead_is_every_text_once(device):
    texts = [f"{'x' * (i % 97)} {i}" for i in range(9000)]
    blocks = list(ahead(device, texts, lambda some: some))
    assert [len(block) for block, _ in blocks] == ([9000] if device == "cpu" else [4096, 4096, 808])
    assert sorted(i for block, _ in blocks for i in block) == list(range(9000))
    assert all([texts[i] for i in block] == read for block, read in blocks)


def test_an_error_in_reading_ahead_is_raised():
    def read(some):
        raise ValueError("bad text")

    with pytest.raises(ValueError, match="bad text"):
        list(ahead("cuda", ["a"] * 5000, read))
