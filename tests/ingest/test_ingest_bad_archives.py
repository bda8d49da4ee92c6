"""Cases 76 to 80 of section F: archives that lie, expand, break, or hold what is no file."""

import io
import pathlib
import tarfile
import zipfile

import pytest
from bad_objects import Study, case
from ingest_runs import Result, convert


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path / "in", 0)


def zipped(path: pathlib.Path, members: dict[str, bytes]) -> pathlib.Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def converted(tmp_path, study, archive) -> tuple[int, Result]:
    """Converts the study's folder and an archive together; no planted word is told."""
    before = set(tmp_path.rglob("*"))
    code, result = convert(tmp_path, f"{study.root},{archive}")
    written = set(tmp_path.rglob("*")) - before
    kept = {tmp_path / "key", tmp_path / "out"}
    assert all(path in kept or tmp_path / "out" in path.parents for path in written)
    told = b"".join(name.encode() + content for name, content in result.files().items())
    assert b"PLANTED" not in told
    return code, result


@case(76)
@pytest.mark.parametrize("name", ["../../{}", "/{}", "C:\\{}", "a/../../{}", "..\\{}"])
def test_names_that_climb_out_are_only_names(tmp_path, study, name):
    members = {name.format(f"PLANTED{i}.dcm"): study.blob(8 + i) for i in range(2)}
    code, result = converted(tmp_path, study, zipped(tmp_path / "x.zip", members))
    assert code == 0 and result.reasons == {"": 10} and len(result.records()) == 10


@case(77)
def test_a_zip_bomb_is_not_inflated(tmp_path, study):
    members = {"PLANTED good": study.blob(8), "PLANTED bomb": study.blob(9) + bytes(64 << 20)}
    code, result = converted(tmp_path, study, zipped(tmp_path / "x.zip", members))
    assert code == 4 and result.reasons == {"": 9, "bomb": 1}


def encrypted(blob: bytes) -> bytes:
    """Returns a ZIP whose members claim to be encrypted (APPNOTE 4.4.4, bit 0)."""
    changed = bytearray(blob)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = changed.find(mark)
        while at >= 0:
            changed[at + offset] |= 1
            at = changed.find(mark, at + 4)
    return bytes(changed)


@case(78)
@pytest.mark.parametrize("damage", [encrypted, lambda b: b[:-200], lambda b: b[: len(b) // 2]])
def test_a_broken_archive_costs_itself_and_the_rest_goes_on(tmp_path, study, damage):
    path = zipped(tmp_path / "x.zip", {"PLANTED": study.blob(8)})
    path.write_bytes(damage(path.read_bytes()))
    code, result = converted(tmp_path, study, path)
    assert code == 4 and result.reasons == {"": 8, "archive_error": 1}


@case(78)
def test_a_broken_member_costs_itself_and_the_rest_goes_on(tmp_path, study):
    path = zipped(tmp_path / "x.zip", {"PLANTED a": study.blob(8), "PLANTED b": study.blob(9)})
    blob = bytearray(path.read_bytes())
    start = blob.rindex(b"PK\3\4") + 300
    blob[start : start + 40] = bytes(b ^ 0xFF for b in blob[start : start + 40])
    path.write_bytes(blob)
    code, result = converted(tmp_path, study, path)
    assert code == 4 and result.reasons == {"": 9, "archive_error": 1}


@case(79)
def test_members_that_are_no_files_are_left_alone(tmp_path, study):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for number, kind in enumerate(kinds):
            member = tarfile.TarInfo(f"PLANTED{number}")
            member.type, member.linkname = kind, "../PLANTED"
            archive.addfile(member)
        member, content = tarfile.TarInfo("PLANTED good"), study.blob(8)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    code, result = converted(tmp_path, study, tmp_path / "x.tar")
    assert code == 4 and result.reasons == {"": 9, "unsafe_member": 4}


@case(80)
def test_an_archive_in_an_archive_stays_closed(tmp_path, study):
    inner = zipped(tmp_path / "inner", {"PLANTED": study.blob(9)}).read_bytes()
    outer = zipped(tmp_path / "x.zip", {"PLANTED good": study.blob(8), "PLANTED.zip": inner})
    code, result = converted(tmp_path, study, outer)
    assert code == 4 and result.reasons == {"": 9, "nested_archive": 1}
