"""Training without the lesions of one domain: which slices are left, counted from raw records."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from forked import finished
from record_sets import pseudonym, record, write_index, write_shard

from tfcyclegan.config import TrainConfig
from tfcyclegan.data import batches, manifest
from tfcyclegan.data import slices as data_slices
from tfcyclegan.data.augment import Augmentation
from tfcyclegan.errors import UserError
from tfcyclegan.evaluation import cautions, inputs
from tfcyclegan.training import setup
from tfcyclegan.training.rundir.workdir import claim_workdir

SLICES = 6
EMPTY = np.zeros((256, 256), bool)
LARGE, PIXEL = EMPTY.copy(), EMPTY.copy()
LARGE[100:140, 100:140] = True
PIXEL[120, 120] = True
"""A lesion that no slice of 32 px has."""

MASKS = {0: [EMPTY, LARGE, PIXEL, EMPTY, EMPTY, EMPTY], 1: [EMPTY] * SLICES, 2: [None] * SLICES}
"""Of a patient's slices; patient 2 has no masks."""


def write(directory, masks: dict[int, list]):
    shards = []
    for split, shift in (("train", 0), ("test", 10)):
        for sequence in ("t2", "flair"):
            rows = [
                record(sequence, p + shift, i, SLICES, **{"mask/lesion": mask})
                for p, of in masks.items()
                for i, mask in enumerate(of)
            ]
            shards.append(write_shard(directory, split, sequence, rows))
    write_index(directory, shards)
    return directory


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write(tmp_path_factory.mktemp("records"), MASKS)


def settings(directory, *flags: str) -> TrainConfig:
    return TrainConfig.parse(f"--data_dir={directory}", "--workdir=-", "--image_size=32", *flags)


def domains(directory, *flags: str) -> tuple[data_slices.Slices, data_slices.Slices]:
    config = settings(directory, *flags)
    shards = manifest.read(directory)
    return setup.load_domains(config, shards, "train", config.drop_lesions)


def names(slices: data_slices.Slices) -> set[tuple[bytes, int]]:
    keys = ("id/patient", "geom/slice_index")
    return set(zip(*(slices.metadata[key].tolist() for key in keys), strict=True))


def free_of(directory, sequence: str) -> set[tuple[bytes, int]]:
    """Slices with a mask of zeros, read without this package."""
    found = set()
    for path in directory.glob(f"*train-{sequence}-*.tfrecord"):
        for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.Example.FromString(raw).features.feature
            mask = feature["mask/lesion"].bytes_list.value[0]
            if mask and not np.unpackbits(np.frombuffer(mask, np.uint8)).any():
                patient = feature["id/patient"].bytes_list.value[0]
                found.add((patient, feature["geom/slice_index"].int64_list.value[0]))
    return found


@pytest.mark.parametrize(("dropped", "sequence"), [("a", "t2"), ("b", "flair")])
def test_one_domain_keeps_exactly_the_slices_whose_mask_is_empty(
    dataset, dropped, sequence, capsys
):
    made = dict(zip("ab", domains(dataset, f"--drop_lesions={dropped}"), strict=True))
    plain = dict(zip("ab", domains(dataset), strict=True))
    assert names(made[dropped]) == free_of(dataset, sequence)
    assert len(made[dropped]) == 4 + 6, "of patients 0 and 1; nothing is known of patient 2"
    (other,) = set("ab") - {dropped}
    np.testing.assert_array_equal(made[other].images, plain[other].images)
    assert len(plain[other]) == len(plain[dropped]) == 18
    assert f"8 of 18 {sequence} slices have a lesion" in capsys.readouterr().out


def test_a_slice_goes_with_its_lesion_however_small_the_image(dataset):
    _, b = domains(dataset, "--drop_lesions=b")
    shards = manifest.read(dataset)
    whole = data_slices.load_slices(
        str(dataset), shards, split="train", sequence="flair", image_size=32, masks=("lesion",)
    )
    vanished = whole.masks["lesion"].any(axis=(1, 2)) == whole.metadata["empty/lesion"]
    assert names(whole.take(vanished.nonzero()[0])) == {(pseudonym("patient0").encode(), 2)}
    assert not names(b) & {(pseudonym("patient0").encode(), i) for i in (1, 2)}


@pytest.mark.parametrize("dropped", ["a", "b"])
def test_what_is_left_is_matched_by_position(dataset, dropped):
    a, b = domains(dataset, f"--drop_lesions={dropped}")
    drawn = batches.training_batches(
        a, b, batch_size=1, first_step=0, seed=3, augmentation=Augmentation(),
        match_slice_position=0.05, positions=True,
    )  # fmt: skip
    stored = {
        domain: {image.tobytes(): i for i, image in enumerate(slices.images)}
        for domain, slices in (("a", a), ("b", b))
    }
    positions = b.metadata["geom/slice_frac"]
    for image_a, image_b, place_a, place_b in drawn.take(40).as_numpy_iterator():
        found = {
            domain: np.rint((image[0, ..., 0] + 1) / 2 * 65535).astype(np.uint16).tobytes()
            for domain, image in (("a", image_a), ("b", image_b))
        }
        assert found["a"] in stored["a"] and found["b"] in stored["b"]
        # Slices are 0.2 apart, so that only those of one position, or else the nearest, count.
        assert abs(place_a - place_b)[0] == pytest.approx(np.abs(positions - place_a[0]).min())


def test_the_command_trains_without_them_and_validates_with_them(dataset, tmp_path):
    code, text = finished(
        "-m", "tfcyclegan.train", f"--data_dir={dataset}", f"--workdir={tmp_path / 'run'}",
        "--image_size=32", "--drop_lesions=b", "--dry_run",
    )  # fmt: skip
    assert code == 0, text
    assert "train: 18 t2 and 10 flair slices" in text
    assert "validation: 18 pairs of split train" in text


@pytest.mark.parametrize(
    ("mask", "message"),
    [(None, "needs records with lesion masks. None of the"), (LARGE, "all 6 slices with a lesion")],
)
def test_nothing_to_go_by_and_nothing_left_are_explained(tmp_path, mask, message):
    write(tmp_path, {0: [mask] * SLICES})
    with pytest.raises(UserError, match=message):
        domains(tmp_path, "--drop_lesions=a")
    assert len(domains(tmp_path)[0]) == SLICES


def test_a_change_in_the_same_workdir_is_refused_by_name(dataset, tmp_path):
    config = dataclasses.replace(settings(dataset), workdir=str(tmp_path))
    claim_workdir(config)
    with pytest.raises(UserError, match="--drop_lesions was none and is b"):
        claim_workdir(dataclasses.replace(config, drop_lesions="b"))


def test_an_evaluation_knows_what_the_model_learnt_from_and_says_so(dataset):
    shards = manifest.read(dataset)
    model = {
        "domain_a": "t2", "domain_b": "flair", "image_size": 32, "train_split": "train",
        "trained_on": manifest.dataset_hash(shards), "drop_lesions": "b",
        "window_percentiles": (0.5, 99.5),
    }  # fmt: skip
    read = inputs.load(str(dataset), shards, "test", model)
    _, trained = domains(dataset, "--drop_lesions=b")
    np.testing.assert_array_equal(read.train["b"].images, trained.images)
    assert len(read.train["a"]) == len(read.slices["b"]) == 18
    described = inputs.describe(read)
    assert described["lesion_prevalence"]["train_b"] == {"value": 0.0, "n_slices": 10}
    # One of twelve known slices; the lesion of one pixel is none at 32 px.
    assert described["lesion_prevalence"]["train_a"]["value"] == pytest.approx(1 / 12)
    report = described | {
        "model": model, "split": "test", "dataset_hash": model["trained_on"],
        "leakage": {"near_duplicates": {}}, "window_percentiles": (0.5, 99.5),
    }  # fmt: skip
    said = cautions.of(report, [], None)
    assert "the model was trained on flair without lesions" in " ".join(said)
