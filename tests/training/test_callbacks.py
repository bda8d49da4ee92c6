"""What stands between epochs."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from validation_run import SIZE, noise

from tfcyclegan.data import contact_sheet
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.models import translators as models_translators
from tfcyclegan.training.callbacks import history
from tfcyclegan.training.callbacks import summaries as callbacks_summaries


def test_history_has_one_row_per_epoch_and_drops_rows_after_the_checkpoint(tmp_path):
    path = tmp_path / "history.csv"
    first = history.History(path, ["loss", "val_ssim"], finished=0)
    for epoch, logs in enumerate([{"loss": 3.0}, {"loss": 2.0, "val_ssim": 0.5}, {"loss": 1.0}]):
        first.on_epoch_end(epoch, logs)
    assert path.read_text().splitlines() == ["epoch,loss,val_ssim", "1,3,", "2,2,0.5", "3,1,"]
    again = history.History(path, ["loss", "val_ssim"], finished=2)
    again.on_epoch_end(2, {"loss": 0.25})
    assert path.read_text().splitlines()[1:] == ["1,3,", "2,2,0.5", "3,0.25,"]


def test_grid_has_a_row_per_slice_and_a_column_per_kind():
    dark, bright = np.zeros((2, 3, 3, 1), np.float32), np.full((2, 3, 3, 1), 0.5, np.float32)
    dark[1] = 0.25
    picture = contact_sheet.grid((dark, bright))
    assert picture.shape == (2 * 5, 2 * 5, 1)
    assert picture[0, 0] == 0 and picture[5, 0] == 0.25
    assert picture[0, 5] == picture[5, 5] == 0.5 and picture[3, 0] == 1


@pytest.mark.parametrize(
    ("pairs", "cycled", "columns"), [(2, True, 4), (0, True, 3), (2, False, 3), (0, False, 2)]
)
def test_pictures_show_the_real_target_of_pairs_and_the_way_back_of_a_cycle(
    tmp_path, pairs, cycled, columns
):
    shown = ValidationSlices(noise(2, 1), noise(2, 2), pairs)
    translators = dict.fromkeys(models_translators.DIRECTIONS, lambda images: 1.0 - images)
    summaries = callbacks_summaries.Summaries(
        tmp_path, shown, translators, "", lambda epoch: epoch == 1
    )
    summaries.set_model(SimpleNamespace(cycled=cycled, samplers={}, settle=lambda: None))
    summaries.on_train_begin()
    for epoch in range(2):
        summaries.on_epoch_end(epoch, {"loss": 1.0})
    made = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in made] == ["epoch_0002_a_to_b.png", "epoch_0002_b_to_a.png"]
    picture = tf.io.decode_png(made[0].read_bytes())
    assert picture.shape == (2 * (SIZE + 2), columns * (SIZE + 2), 1)
