"""Flags: every config file parses, every default survives a round trip, every rule speaks."""

import pytest
from places import ROOT

from tfcyclegan import config
from tfcyclegan.config import EvaluateConfig, IngestConfig, TrainConfig
from tfcyclegan.errors import UserError

REQUIRED = ("--data_dir=d", "--workdir=w")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.name)
def test_config_files_parse_and_say_how_to_use_them(path):
    TrainConfig.parse(f"--flagfile={path}", *REQUIRED)
    text = path.read_text()
    assert text.startswith(f"# {path.name}: ") and f"--flagfile=configs/{path.name}" in text
    for line in text.splitlines():
        assert not line or line.startswith(("#", "--")), "absl reads comments in column 0 only"
        assert not (line.startswith("--") and " " in line), "a comment behind a flag is its value"


def test_the_papers_config_is_the_papers():
    paper = TrainConfig.parse(f"--flagfile={ROOT / 'configs' / 'paper.flags'}", *REQUIRED)
    assert (paper.image_size, paper.generator_blocks, paper.generator_filters) == (256, 9, 64)
    assert (paper.adversarial_loss, paper.cycle_weight, paper.identity_weight) == ("vanilla", 10, 0)
    assert (paper.initializer, paper.epochs) == ("he_normal", 100)
    assert paper.rotations == ("30", "60", "90") and paper.brightness == 0.5 and paper.flips


def test_a_configuration_survives_its_flagfile(tmp_path):
    made = TrainConfig.parse(*REQUIRED, "--rotations=15,30", "--flips=", "--nodeterministic")
    path = tmp_path / "flags.txt"
    path.write_text(made.to_flagfile())
    assert TrainConfig.parse(f"--flagfile={path}") == made
    assert made.flips == () and made.rotations == ("15", "30") and not made.deterministic


def test_later_flags_win(tmp_path):
    path = tmp_path / "flags.txt"
    path.write_text("# a comment\n\n--epochs=70\n")
    assert TrainConfig.parse(*REQUIRED, f"--flagfile={path}", "--epochs=60").epochs == 60


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--image_sze=3", "Unknown command line flag 'image_sze'. Did you mean: image_size"),
        ("--rotations=a", "--rotations is a list of degrees"),
        ("--flips=diagonal", "--flips is a list of"),
        ("--enlarge_crop=0.9", "--enlarge_crop is 0 or a factor above 1"),
        ("--domain_b=t2", "must differ"),
        ("--decay_start_epoch=200", "must not exceed --epochs"),
        ("--precision=float8", "should be one of"),
        ("--epochs=0", "not a positive integer"),
        ("--flagfile=nowhere.flags", "nowhere.flags"),
        ("word", "Flags start with --. Received: word"),
    ],
)
def test_wrong_training_flags_are_explained(flag, message):
    with pytest.raises(UserError, match=message):
        TrainConfig.parse(*REQUIRED, flag)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_r1_in_half_precision_is_refused_by_name(precision):
    with pytest.raises(UserError, match="--r1_weight needs --precision=float32"):
        TrainConfig.parse(*REQUIRED, "--r1_weight=1", f"--precision={precision}")


def test_required_flags_are_named():
    with pytest.raises(UserError, match="--workdir must have a value"):
        TrainConfig.parse("--data_dir=d", "--workdir=")
    with pytest.raises(UserError, match="--workdir must be given"):
        TrainConfig.parse("--data_dir=d")


@pytest.mark.parametrize("splits", ["train:0.5", "train:0.5,train:0.5", "all:1", "train:x", "a"])
def test_splits_must_add_up_to_one(splits):
    with pytest.raises(UserError, match="shares that add up to 1"):
        IngestConfig.parse("--input=i", "--output=o", "--key_file=k", f"--splits={splits}")


def test_evaluation_takes_a_workdir_or_a_model():
    for flags in ((), ("--workdir=w", "--model=m")):
        with pytest.raises(UserError, match="give either --workdir or --model"):
            EvaluateConfig.parse("--data_dir=d", "--output=o", *flags)


def test_the_flags_page_is_that_of_the_program():
    assert (ROOT / "docs" / "flags.md").read_text() == config.flags_page(), "run make docs"


def test_a_first_word_is_the_directory_to_verify():
    assert config.VerifyConfig.parse("out", "--canaries=c") == config.VerifyConfig.parse(
        "--data_dir=out", "--canaries=c"
    )
    with pytest.raises(UserError, match="Received: more"):
        config.VerifyConfig.parse("out", "more")


@pytest.mark.parametrize(
    "flag",
    [
        *("pair_weight=7", "pair_ssim_weight=1", "pairs_per_example=2", "pair_updates=2"),
        *("pair_patients=3", "lesion_emphasis=1"),
    ],
)
def test_what_is_asked_of_pairs_is_refused_where_there_are_to_be_none(flag):
    paths = ("--data_dir=d", "--workdir=w")
    assert TrainConfig.parse(*paths, "--pairs=auto", f"--{flag}").pairs == "auto"
    with pytest.raises(
        UserError, match=f"--{flag.partition('=')[0]} means nothing to --pairs=none"
    ):
        TrainConfig.parse(*paths, f"--{flag}")


@pytest.mark.parametrize("command", [EvaluateConfig, TrainConfig])
def test_an_extractor_is_named_with_its_file(command):
    flags = ["--data_dir=d", "--workdir=w"] + (["--output=o"] if command is EvaluateConfig else [])
    assert command.parse(*flags, "--extractor=fid_clean:a:b").extractor == "fid_clean:a:b"
    for wrong in ("inception", ":file", "fid_clean;file"):
        with pytest.raises(UserError, match="--extractor is one of randconv_v1, .*after a colon"):
            command.parse(*flags, f"--extractor={wrong}")


def test_the_inception_score_needs_its_network():
    flags = ("--data_dir=d", "--output=o", "--workdir=w", "--inception_score")
    with pytest.raises(UserError, match="needs the classes of the FID network"):
        EvaluateConfig.parse(*flags)
    assert EvaluateConfig.parse(*flags, "--extractor=fid_clean").inception_score
    assert not EvaluateConfig.parse(*flags[:3]).inception_score
