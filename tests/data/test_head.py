"""Where the head is, its inside and its rim."""

import numpy as np
from simulated_heads import COLUMNS, HEAD, ROWS, SIZE, heads

from tfcyclegan.data.head import head, regions


def test_dark_ventricles_belong_to_the_head():
    found = head(heads(0.05)[..., np.newaxis].astype(np.float32))
    assert found.shape == (4, SIZE, SIZE)
    for mask in found:
        np.testing.assert_array_equal(mask, HEAD)


def test_inside_and_rim_are_the_head_and_one_does_not_see_the_other():
    images = heads(0.9, 2)[..., np.newaxis].astype(np.float32)
    found = regions(images)
    # 0.06 x 32 is 2 pixels of a head of 12; the corners of a step are not on the diagonal.
    depth = 12 - np.hypot(ROWS, COLUMNS)
    for inside, rim in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(inside | rim, HEAD)
        assert not (inside & rim).any()
        assert inside[depth > 3.5].all() and rim[(depth > 0) & (depth < 1.4)].all()
