"""Which texts go through a model together."""

import numpy as np

from harness.batching import batches


def cut(lengths, size, device="cpu"):
    return [rows.tolist() for rows in batches(np.asarray(lengths), size, device)]


def test_the_longest_come_first_and_equals_stay_in_order():
    assert cut([3, 9, 3, 5], 3) == [[1, 3, 0], [2]]


def test_without_a_size_a_batch_holds_so_many_tokens_padding_counted():
    assert cut([2000, 1000, 1500, 1], None) == [[0, 2], [1, 3]]
    assert cut([2000, 1000, 1500, 1], None, "cuda:1") == [[0, 2, 1, 3]]


def test_a_text_longer_than_the_budget_goes_alone_and_empty_ones_go_at_all():
    assert cut([0, 9000, 0], None) == [[1], [0, 2]]
    assert cut([], None) == []
