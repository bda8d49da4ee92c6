"""Workdirs that are not what they seem."""

import dataclasses
import json

import pytest
from tiny_models import TINY, tiny_model
from tiny_runs import TINY_RUN

from tfcyclegan import train
from tfcyclegan.config import TrainConfig
from tfcyclegan.config.training import RETIRED
from tfcyclegan.errors import UserError
from tfcyclegan.training.rundir.checkpoints import load_run
from tfcyclegan.training.rundir.workdir import claim_workdir, record
from tfcyclegan.training.setup import check_features


def config(workdir, *flags: str) -> TrainConfig:
    return TrainConfig.parse(*TINY, f"--workdir={workdir}", *flags)


def test_a_directory_without_a_run_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="holds no flags.txt. Train with") as caught:
        load_run(str(tmp_path))
    assert caught.value.exit_code == 5


def test_a_run_with_what_is_no_more_is_refused_in_a_sentence(tmp_path):
    claim_workdir(config(tmp_path))
    flags = tmp_path / "flags.txt"
    flags.write_text(flags.read_text() + "--wrong_basin=restart\n")
    for refused in (lambda: load_run(str(tmp_path)), lambda: claim_workdir(config(tmp_path))):
        with pytest.raises(UserError, match="another version .*wrong_basin.* Use that") as caught:
            refused()
        assert caught.value.exit_code == 8 and "\n" not in str(caught.value)


def test_comments_and_empty_lines_of_a_flagfile_are_no_flags(tmp_path):
    claim_workdir(config(tmp_path))
    flags = tmp_path / "flags.txt"
    flags.write_text(f"# a note\n\n{flags.read_text()}")
    claim_workdir(config(tmp_path))


def test_what_is_only_said_may_change(tmp_path):
    claim_workdir(config(tmp_path))
    claim_workdir(config(tmp_path, "--validation_pairs=5"))


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_a_run_whose_retired_flags_did_nothing_goes_on_and_others_are_refused(tmp_path, name):
    claim_workdir(config(tmp_path))
    flags = tmp_path / "flags.txt"
    now = flags.read_text()
    for value in RETIRED[name]:
        flags.write_text(f"{now}--{name}={value}\n")
        assert TrainConfig.of_run(flags.read_text().splitlines()) == config(tmp_path)
        claim_workdir(config(tmp_path))
        assert flags.read_text() == now
    if "*" not in RETIRED[name]:
        flags.write_text(f"{now}--{name}=12345\n")
        with pytest.raises(UserError, match=f"of another version .*{name}"):
            claim_workdir(config(tmp_path))


@pytest.mark.parametrize("flag", ["pairs=only", "pair_patients=3", "pair_ssim_weight=1"])
def test_other_pairs_are_another_run_whatever_is_allowed(tmp_path, flag):
    claim_workdir(config(tmp_path, "--pairs=auto"))
    before = (tmp_path / "flags.txt").read_bytes()
    with pytest.raises(UserError, match=f"--{flag.partition('=')[0]} was") as caught:
        claim_workdir(config(tmp_path, "--pairs=auto", f"--{flag}", "--allow_config_change"))
    assert "allow" not in str(caught.value)
    assert (tmp_path / "flags.txt").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "flag"),
    [
        (("--model=cut", "--generator_blocks=6"), "nce_mode=fastcut"),
        (("--model=cut", "--generator_blocks=6"), "nce_layers=2,3"),
        (("--model=cut", "--generator_blocks=6"), "nce_width=8"),
        (("--model=reggan", "--pairs=only"), "registration_filters=8"),
        (("--model=reggan", "--pairs=only"), "registration_size=16"),
    ],
)
def test_other_helpers_are_another_run_whatever_is_allowed(tmp_path, model, flag):
    claim_workdir(config(tmp_path, *model, "--image_size=32"))
    with pytest.raises(UserError, match=f"--{flag.partition('=')[0]} was"):
        claim_workdir(
            config(tmp_path, *model, "--image_size=32", f"--{flag}", "--allow_config_change")
        )


def test_another_model_is_another_run_whatever_is_allowed(tmp_path):
    claim_workdir(config(tmp_path))
    before = (tmp_path / "flags.txt").read_text()
    other = dataclasses.replace(config(tmp_path, "--allow_config_change"), model="another")
    with pytest.raises(UserError, match="--model was cyclegan and is another") as caught:
        claim_workdir(other)
    assert caught.value.exit_code == 8 and "--allow_config_change" not in str(caught.value)
    assert (tmp_path / "flags.txt").read_text() == before


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    claim_workdir(config(tmp_path / "run"))
    with pytest.raises(UserError, match="holds no checkpoint yet"):
        load_run(str(tmp_path / "run"))
    with pytest.raises(UserError, match="holds no best checkpoint yet"):
        load_run(str(tmp_path / "run"), "best")


def test_changed_mathematics_is_refused_and_can_be_allowed(tmp_path):
    claim_workdir(config(tmp_path))
    claim_workdir(config(tmp_path, "--validate_every=3", "--strategy=single"))
    with pytest.raises(UserError, match="--batch_size was 1 and is 2"):
        claim_workdir(config(tmp_path, "--batch_size=2"))
    claim_workdir(config(tmp_path, "--batch_size=2", "--allow_config_change"))
    assert "--batch_size=2" in (tmp_path / "flags.txt").read_text()


def test_other_records_are_refused_and_can_be_allowed(tmp_path):
    """A run that went on with them would say of itself that it had learnt from them alone."""
    records = {"dataset_hash": "1", "split_hash": "2", "pairs_hash": "4"}
    (tmp_path / "run.json").write_text(json.dumps(records))
    claim_workdir(config(tmp_path), records)
    claim_workdir(config(tmp_path, "--data_dir=elsewhere"), records)
    for name in records:
        with pytest.raises(UserError, match="--data_dir holds other records") as caught:
            claim_workdir(config(tmp_path), records | {name: "3"})
        assert caught.value.exit_code == 8
    claim_workdir(config(tmp_path, "--allow_config_change"), records | {"dataset_hash": "3"})
    assert "other records" in (tmp_path / "run.json").read_text()


def test_a_workdir_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--workdir .* cannot be written") as caught:
        claim_workdir(config(tmp_path / "file" / "run"))
    assert caught.value.exit_code == 6


def test_a_run_continues_with_the_features_that_it_began_with(tmp_path):
    model = tiny_model("--model=idcgan", "--pairs=only")
    record(tmp_path, "compared_by", model.compared_by)
    check_features(config(tmp_path), model)
    other = {name: {**found, "sha256": "0" * 64} for name, found in model.compared_by.items()}
    record(tmp_path, "compared_by", other)
    with pytest.raises(UserError, match="--vgg is another file than that which the run"):
        check_features(config(tmp_path), model)


def test_features_that_cannot_be_read_do_not_begin_a_run(tmp_path, dataset):
    """The right file, given next, would be refused as that of another run."""
    (tmp_path / "vgg.pth").write_bytes(b"not a file of PyTorch")
    flags = (*TINY_RUN, "--model=idcgan", "--pairs=only", f"--data_dir={dataset}")
    for name in ("missing.pth", "vgg.pth"):
        asked = (*flags, f"--workdir={tmp_path}/run", f"--vgg={tmp_path}/{name}")
        with pytest.raises(UserError):
            train.main(TrainConfig.parse(*asked))
    assert not (tmp_path / "run").exists()


def test_the_file_of_features_may_move(tmp_path):
    flags = ("--model=idcgan", "--pairs=only")
    claim_workdir(config(tmp_path, *flags, "--vgg=here/vgg16.pth"))
    claim_workdir(config(tmp_path, *flags, "--vgg=there/vgg16.pth"))
