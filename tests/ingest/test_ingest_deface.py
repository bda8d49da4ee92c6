"""--deface_cmd: what a program is given, what of its work is taken, and that nothing is left."""

import os
import shlex
import sys
import tempfile
import time

import nibabel
import numpy as np
import pytest
from dicom_studies import RAMP, blob, ramp, save, stack, write_stack
from ingest_runs import config, convert

from tfcyclegan.config import IngestConfig
from tfcyclegan.errors import UserError
from tfcyclegan.imaging.dicom import headers
from tfcyclegan.ingest import deface, features, run, settings
from tfcyclegan.ingest.account import card
from tfcyclegan.ingest.verification import output_check
from tfcyclegan.ingest.verification.search import Needles
from tfcyclegan.privacy.pseudonyms import Pseudonyms
from tfcyclegan.privacy.reasons import Refusal

PROGRAM = """
import shutil, struct, subprocess, sys, time
mode, source, target, spare = sys.argv[1:]
data = bytearray(open(source, "rb").read())
_, columns, rows, slices = struct.unpack_from("<4h", data, 40)
print("DOE^JANE", flush=True)
print("DOE^JANE", file=sys.stderr, flush=True)
if mode in ("face", "shifted", "short", "nan"):
    for k in range(slices):  # the front half of each slice, float32 after 352 bytes
        start = 352 + 4 * k * rows * columns
        data[start : start + 2 * rows * columns] = bytes(2 * rows * columns)
if mode == "shifted":
    for at in (268, 292):  # qoffset_x and srow_x[3] of nifti1.h
        struct.pack_into("<f", data, at, struct.unpack_from("<f", data, at)[0] + 2.0)
if mode == "short":
    del data[-4:]
if mode == "nan":
    struct.pack_into("<f", data, 352, float("nan"))
if mode == "late":
    subprocess.Popen(["sleep", "60"])
    time.sleep(60)
if mode != "nothing":
    open(target, "wb").write(data)
shutil.copyfile(source, spare)
sys.exit(mode == "failed")
"""


@pytest.fixture
def command(tmp_path):
    """Returns a command of the program above, and where it leaves what it was given."""
    script, spare = tmp_path / "program.py", tmp_path / "spare.nii"
    script.write_text(PROGRAM)
    start = shlex.join([sys.executable, "-I", "-S", str(script)])
    return lambda mode: f"{start} {mode} {{input}} {{output}} {spare}", spare


def slices_of(tmp_path, values, **options) -> list[features.Slice]:
    """Decoded slices of a stack that is stored from left to right."""
    found = []
    datasets = stack(orientation=(-1, 0, 0, 0, 1, 0), values=values, rows=36, **options)
    for dataset in datasets:
        content = save(dataset, tmp_path / "x.dcm").read_bytes()
        (frame,) = headers.read(content, 0, Pseudonyms(bytes(32)))
        found.append(features.Slice(frame, dataset.pixel_array, None))
    return sorted(found, key=lambda item: item.frame.position[2])


def settings_of(tmp_path, command: str, timeout_s: float = 60.0) -> settings.Settings:
    flags = (f"--deface_cmd={command}", f"--deface_timeout_s={timeout_s}")
    folder = tmp_path / "private"
    folder.mkdir()
    made = settings.settings_of(config(tmp_path, tmp_path, *flags), {})
    return settings.dataclasses.replace(made, deface_folder=str(folder))


def test_a_program_sees_scanner_units_at_their_place_and_its_work_is_taken(tmp_path, command):
    text, spare = command
    slices = slices_of(tmp_path, ramp, gap=-6.0)
    found = deface.apply(slices, settings_of(tmp_path, text("face")))
    given = nibabel.load(spare)
    index = np.moveaxis(np.indices(given.shape), 0, -1)
    ras = nibabel.affines.apply_affine(given.affine, index)
    # Values are rounded to integers, and RAMP is per mm to the left, back and head.
    expected = RAMP[0] + ras @ (np.array(RAMP[1:]) * [-1, -1, 1])
    np.testing.assert_allclose(given.get_fdata(), expected, atol=0.51)
    for item, before in zip(found, slices, strict=True):
        expected = before.image()
        expected[:18] = 0
        np.testing.assert_array_equal(item.image(), expected)
    assert list((tmp_path / "private").iterdir()) == []


@pytest.mark.parametrize("mode", ["nothing", "same", "failed", "shifted", "short", "nan", "late"])
def test_a_program_that_does_not_deface_costs_the_volume(tmp_path, command, mode, capfd):
    limit_s = 1.0 if mode == "late" else 60.0
    begin = time.monotonic()
    with pytest.raises(Refusal, match="deface_failed") as caught:
        deface.apply(slices_of(tmp_path, blob), settings_of(tmp_path, command[0](mode), limit_s))
    assert time.monotonic() - begin < 50 and str(caught.value) == "deface_failed"
    assert list((tmp_path / "private").iterdir()) == []
    assert "DOE" not in "".join(capfd.readouterr())


def test_slices_with_a_gap_have_no_volume(tmp_path, command):
    slices = slices_of(tmp_path, blob, slices=8)
    del slices[3]
    with pytest.raises(Refusal, match="deface_failed"):
        deface.apply(slices, settings_of(tmp_path, command[0]("face")))


def test_the_directory_is_private(tmp_path, command, monkeypatch):
    modes = []

    def look(command, folder, settings):
        modes.extend(os.stat(path).st_mode & 0o777 for path in (folder, settings.deface_folder))
        raise Refusal("deface_failed")

    monkeypatch.setattr(deface, "_run", look)
    made = settings_of(tmp_path, command[0]("face"))
    with run._with_folder(made) as inside, pytest.raises(Refusal):
        deface.apply(slices_of(tmp_path, blob), inside)
    assert modes == [0o700, 0o700] and not os.path.exists(inside.deface_folder)


@pytest.mark.parametrize("start", ["{python} program.py", "./program"])
def test_a_relative_command_is_found_from_where_it_was_typed(tmp_path, monkeypatch, start):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "program").write_text(f"#!{sys.executable}\n{PROGRAM}")
    (tmp_path / "program").chmod(0o700)
    monkeypatch.chdir(tmp_path)
    start = start.format(python=shlex.quote(sys.executable))
    made = settings_of(tmp_path, f"{start} face {{input}} {{output}} {tmp_path / 'spare.nii'}")
    slices = slices_of(tmp_path, blob)
    with run._with_folder(made) as inside:
        found = deface.apply(slices, inside)
    assert not found[0].image()[:18].any() and slices[0].image()[:18].any()


def test_a_program_of_path_stays_of_path(tmp_path, monkeypatch):
    (tmp_path / "cp").write_text("")
    monkeypatch.chdir(tmp_path)
    made = settings_of(tmp_path, "cp {input} {output}")
    assert made.deface_cmd == ("cp", "{input}", "{output}")


def test_records_are_made_of_what_the_program_left(tmp_path, command, monkeypatch, capfd):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write_stack(tmp_path / "in" / "even", slices=8)
    for path in write_stack(tmp_path / "in" / "gap", slices=8, series="gap")[3:4]:
        path.unlink()
    flags = (f"--deface_cmd={command[0]('face')}", "--for_release", "--accept_face_risk")
    code, result = convert(tmp_path, tmp_path / "in", *flags)
    assert code == 4 and result.reasons == {"": 8, "deface_failed": 7}
    for record in result.records():
        assert not record["image/data"][:124].any() and record["image/data"][132:].any()
    statement = result.card["deidentification"]
    assert "program of the operator" in statement["recognizable_visual_features"]
    assert list((tmp_path / "temporary").glob("deface-*")) == []
    assert "signed" in statement["not_claimed"]["113102"]
    told = capfd.readouterr()
    assert "DOE" not in told.out + told.err and told.err.count("96 to 98 %") == 1
    assert list(output_check.check(result.directory, Needles(["DOE^JANE", "program.py"]))) == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--deface_cmd=x {input}",), "{input} and {output}"),
        (("--deface_cmd={input} {output",), "{input} and {output}"),
        (("--deface_cmd=x 'a {input} {output}",), "{input} and {output}"),
        (("--deface_cmd=x {input} {output}", "--runner=FnApiRunner"), "leave --runner empty"),
    ],
)
def test_wrong_flags_are_explained(flags, told):
    with pytest.raises(UserError, match=told):
        IngestConfig.parse("--input=i", "--output=o", "--key_file=k", *flags)


def test_a_program_that_is_not_there_is_not_named(tmp_path):
    write_stack(tmp_path / "in")
    flag = "--deface_cmd=/home/doe/deface {input} {output}"
    with pytest.raises(UserError, match="is not found") as caught:
        run.run(config(tmp_path, tmp_path / "in", flag))
    assert caught.value.exit_code == 2 and "doe" not in str(caught.value)
    assert "doe" not in config(tmp_path, tmp_path / "in", flag).to_flagfile()


def test_another_command_is_another_configuration(tmp_path):
    hashes = set()
    for text in ("", "a {input} {output}", "b {input} {output}"):
        made = settings.settings_of(config(tmp_path, tmp_path, f"--deface_cmd={text}"), {})
        hashes.add(card.config_hash(made))
        moved = settings.dataclasses.replace(made, deface_folder="/tmp/x", deface_timeout_s=1.0)
        assert card.config_hash(moved) == card.config_hash(made)
    assert len(hashes) == 3
