"""The picture sheet: which pictures of an evaluation's samples are shown."""

import json

import numpy as np
import tensorflow as tf
from ablation_studies import finish, study

from tfcyclegan.data.contact_sheet import grid
from tfcyclegan.experiments.ablation import runs as ablation_runs
from tfcyclegan.experiments.ablation import sheet as ablation_sheet

SIZE = 32


def samples(path, columns: int, biggest: int = 1):
    """A samples.png as evaluate writes it; direction d, row r, column c is one grey of its own."""
    sheets = []
    for direction in range(2):
        images = np.zeros((columns, 3, SIZE, SIZE, 1), np.float32)
        for column in range(columns):
            for row in range(3):
                height = SIZE if row == biggest else SIZE // 2
                images[column, row, :height] = (64 + 40 * direction + 10 * row + column) / 255
        sheets.append(grid(tuple(images)))
    sheet = np.rint(np.concatenate(sheets, axis=1) * 255)
    path.write_bytes(tf.io.encode_png(tf.cast(sheet, tf.uint8)).numpy())


def test_pictures_come_back_from_where_they_were_put(tmp_path):
    for columns in (4, 2):
        samples(tmp_path / "samples.png", columns)
        (tmp_path / "metrics.json").write_text('{"directions": {"a_to_b": {}, "b_to_a": {}}}')
        by_direction = ablation_sheet.cells(tmp_path, SIZE)
        made = np.stack([by_direction["a_to_b"], by_direction["b_to_a"]])
        assert made.shape == (2, 3, columns, SIZE, SIZE)
        greys = np.rint(made[..., 0, 0] * 255).astype(int)
        expected = np.arange(2)[:, None, None] * 40 + np.arange(3)[:, None] * 10 + 64
        np.testing.assert_array_equal(greys, expected + np.arange(columns))


def test_the_slice_with_the_most_head_is_shown_of_every_variant(tmp_path):
    runs = ablation_runs.plan(study(), tmp_path)
    for run in runs[:2]:
        finish(run, {"psnr_volume": {}}, {"psnr_volume": {}})
        samples(run.evaluation("test") / "samples.png", 4, biggest=2)
    sheets = {
        run.variant.name: ablation_sheet.cells(run.evaluation("test"), SIZE) for run in runs[:2]
    }
    figure = ablation_sheet.draw(sheets)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["source, a_to_b", "plain", "better", "real", "source, b_to_a", "", "", ""]
    greys = [np.rint(axis.images[0].get_array()[0, 0] * 255) for axis in figure.axes]
    assert greys == [84, 85, 85, 86, 124, 125, 125, 126]  # column 0, 1 of each variant, 2
    ablation_sheet.write(study(), runs, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_samples_stand_beside_translations_and_are_no_source(tmp_path):
    for name, columns, kind in (("sampled", 2, "sampler"), ("plain", 4, "translator")):
        (tmp_path / name).mkdir()
        samples(tmp_path / name / "samples.png", columns)
        report = {"directions": {"a_to_b": {}, "b_to_a": {}}, "model": {"kind": kind}}
        (tmp_path / name / "metrics.json").write_text(json.dumps(report))
    sheets = {name: ablation_sheet.cells(tmp_path / name, SIZE) for name in ("sampled", "plain")}
    figure = ablation_sheet.draw(sheets)
    assert [axis.get_title() for axis in figure.axes[:4]] == [
        "source, a_to_b", "sampled", "plain", "real"
    ]  # fmt: skip
    greys = [np.rint(axis.images[0].get_array()[0, 0] * 255) for axis in figure.axes[:4]]
    assert greys == [74, 74, 75, 76]  # column 0 of plain, 0 of sampled, 1 and 2 of plain
    alone = ablation_sheet.draw({"sampled": sheets["sampled"]})
    assert [axis.get_title() for axis in alone.axes] == ["sampled", ""]


def test_nothing_evaluated_is_no_sheet(tmp_path):
    ablation_sheet.write(study(), ablation_runs.plan(study(), tmp_path), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
