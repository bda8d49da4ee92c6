"""The other models go the whole road, and say on it what they learnt from.

Trained, killed, continued to the bit, evaluated, compared, exported, and DICOM to DICOM. The road
of the CycleGAN is in test_end_to_end.py.
"""

import json
import pathlib

import pydicom
import pytest
from dicom_studies import write_study
from ends_of_runs import assert_same_end, checkpoints
from forked import Forked, finished, wait_for
from ingest_runs import key_file
from places import ROOT
from tiny_runs import rows

from tfcyclegan import compare, evaluate, export, translate
from tfcyclegan.config import CompareConfig, EvaluateConfig, ExportConfig, TranslateConfig
from tfcyclegan.errors import UserError
from tfcyclegan.models.build import MODELS
from tfcyclegan.models.serving.saved_model import CARD

SMALL = (
    *("--image_size=64", "--generator_filters=4", "--discriminator_filters=4"),
    *("--epochs=2", "--decay_start_epoch=1", "--steps_per_epoch=6"),
    *("--validation_pairs=4", "--validate_every=1"),
)
CURVES = ("--generator_blocks=2", "--discriminator_size=32", "--pool_size=5")
ROADS = {
    "pix2pix": ("pix2pix_128", ("--unet_levels=3", "--direction=a_to_b"), ["a_to_b"]),
    "reggan": (
        "reggan_128",
        (*CURVES, "--registration_size=16", "--registration_filters=4", "--direction=b_to_a"),
        ["b_to_a"],
    ),
    "cut": ("cut_128", (*CURVES, "--nce_layers=1,2,3", "--direction=a_to_b"), ["a_to_b"]),
    "medgan": (
        "medgan_128",
        ("--unet_levels=3", "--generator_blocks=2", "--direction=b_to_a"),
        ["b_to_a"],
    ),
    "pan": ("pan_128", ("--direction=a_to_b",), ["a_to_b"]),
    "idcgan": ("idcgan_128", ("--direction=b_to_a",), ["b_to_a"]),
}
"""Model to its configuration, what makes it small, and its directions then."""
TITLES = {
    "pix2pix": "pix2pix",
    "reggan": "RegGAN",
    "cut": "FastCUT",
    "medgan": "MedGAN",
    "pan": "PAN",
    "idcgan": "ID-CGAN",
}
FALLING = {
    "pix2pix": "pair_{ways}",
    "reggan": "pair_{ways}",
    "cut": "nce_{ways}",
    "medgan": "content_{ways}",
    "idcgan": "pair_{ways}",
    "pan": "margin_{target}",  # the rest is measured by a discriminator that learns to see more
}
"""Model to the loss that is to fall."""
FEATURES = ("medgan", "idcgan")
"""Models that compare features of a network that nobody trains."""


def test_every_model_has_a_road():
    own = {"cyclegan", "dcgan", "tumorgan"}  # test_end_to_end, test_sampler_road, test_painter_road
    assert own | set(ROADS) == set(MODELS)


@pytest.fixture(scope="module", params=sorted(ROADS))
def road(request, dataset, tiny_run, tmp_path_factory, forked_python):
    configuration, flags, directions = ROADS[request.param]
    root, data = tmp_path_factory.mktemp("road"), f"--data_dir={dataset}"
    run, uncut = f"--workdir={root}/run", f"--workdir={root}/uncut"
    start = ("-m", "tfcyclegan.train", f"--flagfile={ROOT}/configs/{configuration}.flags")
    words = (*start, *SMALL, *flags, data)
    process = Forked(*words, run)
    assert wait_for(process, lambda: len(checkpoints(root / "run")) == 2), process.printed()
    process.kill()
    for workdir in (run, uncut):
        code, text = finished(*words, workdir)
        assert code == 0, text
    for workdir, name in ((run, "eval"), (f"--workdir={tiny_run}", "cyclegan")):
        evaluate.main(EvaluateConfig.parse(workdir, data, f"--output={root}/{name}"))
    both = f"--runs={root}/eval,{root}/cyclegan"
    compare.main(CompareConfig.parse(both, f"--output={root}/compared"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.executable", forked_python)  # loads the export
        export.main(ExportConfig.parse(run, f"--output={root}/export"))
    write_study(root / "study")
    key = f"--key_file={key_file(root)}"
    paths = (f"--model={root}/export", f"--input={root}/study", f"--output={root}/translated")
    flags = TranslateConfig.parse(*paths, key, "--text_guard=off", "--audit")
    assert translate.main(flags) == 0
    return request.param, directions, root


def test_a_run_that_was_killed_ends_as_one_that_was_not(road):
    _, _, root = road
    assert_same_end(root / "run", root / "uncut", fewest=50)


def test_everything_says_which_model_it_is_and_what_it_learnt_from(road, dataset):
    name, directions, root = road
    pairs = json.loads((root / "run" / "run.json").read_text())["pairs"]
    said = f"{pairs['n_pairs']} pairs of {pairs['n_patients']} patients"
    if name == "cut":
        assert pairs == {"n_pairs": 0, "n_patients": 0}
        said = "no pairs"
    elif name in FEATURES:
        said += ", features of randconv_v1 (sha256 3464afa1)"
    if name != "cut":
        assert pairs["n_pairs"] > 10 and pairs["offset_mm_max"] is not None
    card = json.loads((root / "export" / "1" / CARD).read_text())
    compared_by = json.loads((root / "run" / "run.json").read_text()).get("compared_by", {})
    assert card["compared_by"] == compared_by and (name in FEATURES) == bool(compared_by)
    assert all(0 < scale < 1 for found in compared_by.values() for scale in found["scale"])
    report = json.loads((root / "eval" / "metrics.json").read_text())
    assert card["trained_on_pairs"] == report["model"]["trained_on_pairs"] == said
    assert card["directions"] == list(report["directions"]) == directions
    assert card["model"] == report["model"]["title"] == TITLES[name] and card["cycled"] is False
    reason = "the model's way back was not trained with the way there"
    assert report["self_consistency"] == {"value": None, "ci": None, "reason": reason}
    assert said in (root / "eval" / "report.html").read_text()
    compared = (root / "compared" / "compare.md").read_text()
    assert f"| trained on | - | - | {said} | " in compared


def test_the_loss_that_keeps_the_content_falls(road):
    model, directions, root = road
    history = rows(root / "run")
    for direction in directions:
        ways = {"ways": direction[0] + direction[-1], "target": direction[-1]}
        name = FALLING[model].format(**ways) + "_loss"
        assert float(history[-1][name]) < float(history[0][name])


def test_what_only_a_cycle_can_tell_is_refused(road, tmp_path):
    _, _, root = road
    with pytest.raises(UserError, match="--audit needs a model that was trained to come back"):
        export.main(ExportConfig.parse(f"--workdir={root}/run", f"--output={tmp_path}", "--audit"))


def test_a_study_becomes_a_derived_series_that_names_the_model(road):
    name, directions, root = road
    line = json.loads((root / "translated" / "translation.jsonl").read_text())
    assert max(line["risks"]) > 0, "of the mirror alone"
    files = pathlib.Path(root / "translated").rglob("*.dcm")
    made = [image for image in map(pydicom.dcmread, files) if "RISK" not in image.SeriesDescription]
    source = "t2" if directions[0] == "a_to_b" else "flair"
    source = list((root / "study" / source).rglob("*.dcm"))
    assert len(made) == len(source) > 0
    assert all(image.DerivationDescription.startswith(f"{TITLES[name]} ") for image in made)
