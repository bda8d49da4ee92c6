"""Study files: what they become, and what is said of a wrong one."""

import pytest
from places import ROOT

from tfcyclegan.errors import UserError
from tfcyclegan.experiments.ablation import study as ablation_study

GOOD = """
title = "two recipes"
data_dir = "records"
folds = 3
seeds = [0, 1]
minutes = 20
flags = ["--image_size=64", "--pool_size=7"]
reference = "plain"

[[variants]]
name = "plain"

[[variants]]
name = "ema"
flags = ["--ema_decay=0.99", "--pool_size=9"]

[[external]]
name = "elsewhere"
data_dir = "others"
"""


def read(tmp_path, text: str):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return ablation_study.read(path)


def test_a_study_is_read_with_its_defaults(tmp_path):
    study = read(tmp_path, GOOD)
    assert (study.folds, study.seeds, study.minutes, study.steps) == (3, (0, 1), 20.0, 0)
    assert (study.epochs, study.phantom, study.reference) == (10, False, "plain")
    plain, ema = study.variants
    assert plain.flags == ("--image_size=64", "--pool_size=7")
    assert (ema.config.ema_decay, ema.config.pool_size, plain.config.pool_size) == (0.99, 9, 7)
    (external,) = study.external
    assert (external.name, external.data_dir, external.split) == ("elsewhere", "others", "test")


def test_a_variants_flagfile_stands_before_its_flags_and_replaces_the_studys(tmp_path):
    (tmp_path / "base.flags").write_text("--cycle_weight=3\n--pool_size=1\n")
    (tmp_path / "own.flags").write_text("--cycle_weight=4\n--pool_size=2\n")
    text = GOOD.replace(
        'reference = "plain"', f'flagfile = "{tmp_path}/base.flags"\nreference="ema"'
    )
    text = text.replace('name = "ema"', f'name = "ema"\nflagfile = "{tmp_path}/own.flags"')
    plain, ema = read(tmp_path, text).variants
    assert (plain.config.cycle_weight, ema.config.cycle_weight) == (3, 4)
    assert (plain.config.pool_size, ema.config.pool_size) == (7, 9)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*")), ids=lambda path: path.name)
def test_the_studies_of_the_project_are_read_and_say_how_to_use_them(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    study = ablation_study.read(path)
    text = path.read_text()
    assert text.startswith(f"# {path.name}: ") and f"--study=studies/{path.name}" in text
    if study.reference != "reference":
        return
    (reference,) = (v.config for v in study.variants if v.name == "reference")
    assert (reference.enlarge_crop, reference.adversarial_loss) == (286 / 256, "lsgan")
    assert (reference.identity_weight, reference.pool_size) == (0.5, 50)
    assert (reference.rotations, reference.brightness, reference.flips) == ((), 0, ("horizontal",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "two recipes"', "", "the key title is missing"),
        ("folds = 3", "folds = 1", "folds must be 0 for the records' own splits, or at least 2"),
        ("folds = 3", "folds = true", "folds must be .* Received: True"),
        ("seeds = [0, 1]", "seeds = [0, 0]", r"seeds must be .* Received: \[0, 0\]"),
        ("seeds = [0, 1]", 'seeds = "0"', "seeds must be a list"),
        ("minutes = 20", "minutes = 0", "minutes must be minutes of training steps"),
        ("minutes = 20", "", "give either minutes or steps"),
        ("minutes = 20", "minutes = 20\nsteps = 5", "give either minutes or steps"),
        ('name = "ema"', 'name = "ema"\nminutes = 0', "variants 2: minutes must be minutes of"),
        ("folds = 3", "fold = 3", "the key fold is unknown. The keys are title, data_dir, folds"),
        ("--pool_size=7", "--seed=7", "flags must be a list of training flags .* none of .* seed"),
        ("--pool_size=7", "pool_size=7", "flags must be a list of training flags"),
        ("--pool_size=7", "--pool=7", "variants 1, plain: Unknown command line flag 'pool'"),
        ("--ema_decay=0.99", "--ema_decay=2", "variants 2, ema: .*ema_decay"),
        ("--ema_decay=0.99", "--image_size=32", "one --image_size.* 64 in plain, 32 in ema"),
        ('name = "ema"', 'name = "e/ma"', "variants 2: name must be letters, digits"),
        ('name = "ema"', 'name = "plain"', "name of all variants must differ. Twice: plain"),
        ('name = "ema"', "nam = 3", "variants 2: the key name is missing"),
        ('name = "ema"', 'name = "blurred_target"', "blurred_target is a baseline of every table"),
        ('name = "elsewhere"', 'name = "test"', "name of all external must differ. Twice: test"),
        ('data_dir = "others"', 'data_dir = "others"\nsplit = "all"', "split must be train, val"),
        (
            'reference = "plain"',
            'reference = "x"',
            "reference must be the name of a variant, plain",
        ),
        ("seeds = [0, 1]", "seeds = [0, 1", "is not a TOML file"),
        ("[[variants]]", "[variants]", "is not a TOML file"),
    ],
)
def test_a_wrong_study_is_explained_by_its_key(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert caught.value.exit_code == 2
    assert str(tmp_path / "study.toml") in str(caught.value)


def test_a_variant_has_minutes_of_its_own_where_the_study_has_minutes(tmp_path):
    own = GOOD.replace('name = "ema"', 'name = "ema"\nminutes = 2')
    assert [variant.minutes for variant in read(tmp_path, own).variants] == [0, 2]
    with pytest.raises(UserError, match="give either minutes or steps"):
        read(tmp_path, own.replace("minutes = 20", "steps = 20"))


def test_a_study_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.toml cannot be read") as caught:
        ablation_study.read(tmp_path / "nowhere.toml")
    assert caught.value.exit_code == 5
