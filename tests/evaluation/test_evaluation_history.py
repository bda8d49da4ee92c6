"""The curve of a run shows what history.csv holds, and the evaluation's value and interval."""

import types

import numpy as np

from tfcyclegan.evaluation import validation_curves

ROWS = """epoch,loss,val_psnr_volume_a_to_b,val_kid_patient_a_to_b
1,3.5,15.25,0.5
2,3.0,,
3,2.5,18.5,0.125
"""


def scored(name: str):
    entries = {
        "psnr_volume_unit": {"value": 17.0, "ci": [16.0, 19.0]},
        "kid_patient": {"value": 0.25, "ci": None, "reason": "two patients"},
    }
    return types.SimpleNamespace(case=types.SimpleNamespace(name=name), entries={"model": entries})


def lines(axis) -> dict:
    return {line.get_label(): np.array(line.get_xydata()) for line in axis.get_lines()}


def test_validation_is_drawn_by_epoch_and_the_evaluation_beside_it(tmp_path):
    (tmp_path / "history.csv").write_text(ROWS)
    figure = validation_curves.figure(
        str(tmp_path), [scored("a_to_b"), scored("b_to_a")], "randconv_v1"
    )
    psnr, other, kid, _ = figure.axes
    assert lines(psnr)["validation"].tolist() == [[1, 15.25], [3, 18.5]]
    assert lines(psnr)["evaluated"][:, 1].tolist() == [17, 17]
    (band,) = psnr.patches
    assert (band.get_y(), band.get_height()) == (16, 3)
    assert len(lines(other)["validation"]) == 0
    assert lines(kid)["floor"][:, 1].tolist() == [0, 0] and not kid.patches
    assert lines(kid)["evaluated"][:, 1].tolist() == [0.25, 0.25]
    # Distances over another network are another figure.
    kid = validation_curves.figure(str(tmp_path), [scored("a_to_b")], "fid_clean").axes[1]
    assert "evaluated" not in lines(kid)


def test_a_run_without_validation_has_no_curve(tmp_path):
    assert validation_curves.figure("", [scored("a_to_b")], "randconv_v1") is None
    assert validation_curves.figure(str(tmp_path), [scored("a_to_b")], "randconv_v1") is None
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2\n")
    assert validation_curves.figure(str(tmp_path), [scored("a_to_b")], "randconv_v1") is None
