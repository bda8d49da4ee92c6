"""Archives are read member by member, and no archive leads anywhere or expands without end."""

import gzip
import hashlib
import io
import os
import random
import struct
import tarfile
import zipfile

import pytest
from archive_files import WRITERS, add, tar_of, zip_of

from tfcyclegan.imaging.source import gunzip, walk
from tfcyclegan.privacy.reasons import Refusal

HEAD = bytes(128) + b"DICM"


def read(path) -> list:
    """Bytes of each object below a path, or the reason why they are not read."""
    found = []
    for item in walk.walk([path]):
        try:
            found.append(item.read())
        except Refusal as refusal:
            found.append(refusal.reason)
    return found


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def outcomes(path) -> list[str]:
    """Digest of each object below a path, or the reason why it is not read."""
    return [digest(found) if isinstance(found, bytes) else found for found in read(path)]


def noise(size: int, seed=0) -> bytes:
    return HEAD + random.Random(seed).randbytes(size)


FILES = {f"folder/{n}": noise(3000 + n, n) for n in range(40)}
DIGESTS = [digest(content) for content in FILES.values()]


@pytest.mark.parametrize("name", WRITERS)
def test_members_are_read_whatever_the_file_is_called(tmp_path, name):
    WRITERS[name](FILES, tmp_path / "holiday.jpg")
    assert outcomes(tmp_path) == DIGESTS


@pytest.mark.parametrize("name", WRITERS)
def test_members_are_read_in_any_order(tmp_path, name):
    """The second pass reads volumes in an order of its own."""
    WRITERS[name](FILES, tmp_path / "x")
    pairs = list(zip(walk.walk([tmp_path]), FILES.values(), strict=True))
    random.Random(2).shuffle(pairs)
    assert all(item.read() == content for item, content in pairs)


def test_a_member_is_keyed_by_the_archive_and_its_own_name(tmp_path):
    zip_of({"a": HEAD, "b": HEAD}, tmp_path / "x.zip")
    found = [item.relative for item in walk.walk([tmp_path])]
    assert found == [b"x.zip\0a", b"x.zip\0b"]
    (tmp_path / "moved").mkdir()
    os.rename(tmp_path / "x.zip", tmp_path / "moved" / "x.zip")
    assert [item.relative for item in walk.walk([tmp_path / "moved"])] == found


def test_objects_do_not_show_names(tmp_path):
    zip_of({"DOE^JOHN": HEAD}, tmp_path / "x")
    (item,) = walk.walk([tmp_path])
    assert "DOE" not in repr(item) + repr(item.member)


@pytest.mark.parametrize("name", ["../../up", "/etc/absolute", "C:\\windows", "a/../../b"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_lead_nowhere(tmp_path, name, kind):
    (tmp_path / "in").mkdir()
    WRITERS[kind]({name: HEAD + b"slip"}, tmp_path / "in" / "x")
    before = sorted(tmp_path.rglob("*"))
    assert read(tmp_path / "in") == [HEAD + b"slip"]
    assert sorted(tmp_path.rglob("*")) == before


def test_links_devices_and_sparse_files_are_unsafe(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "good", HEAD)
        add(archive, "folder", type=tarfile.DIRTYPE)
        add(archive, "soft", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard", type=tarfile.LNKTYPE, linkname="good")
        add(archive, "fifo", type=tarfile.FIFOTYPE)
        add(archive, "disk", type=tarfile.BLKTYPE)
        add(archive, "tty", type=tarfile.CHRTYPE)
        add(archive, "last", HEAD)
    assert read(tmp_path) == [HEAD, *["unsafe_member"] * 5, HEAD]


def test_a_link_in_a_zip_is_unsafe(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert outcomes(tmp_path) == ["unsafe_member"]


@pytest.mark.parametrize("inner", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("outer", ["zip", "tar", "tgz"])
def test_an_archive_within_an_archive_is_not_opened(tmp_path, inner, outer):
    WRITERS[inner]({"x": HEAD}, tmp_path / "inner")
    content = (tmp_path / "inner").read_bytes()
    (tmp_path / "in").mkdir()
    WRITERS[outer]({"a": content, "b": HEAD, "c": b"text"}, tmp_path / "in" / "x")
    assert read(tmp_path / "in") == ["nested_archive", HEAD, "not_dicom"]


def test_a_gzipped_file_that_is_no_tar_is_not_dicom(tmp_path):
    (tmp_path / "volume.nii.gz").write_bytes(gzip.compress(bytes(1000)))
    assert outcomes(tmp_path) == ["not_dicom"]


def test_a_member_that_expands_too_far_is_a_bomb(tmp_path):
    zip_of({"bomb": HEAD + bytes(3 << 20), "good": noise(30_000)}, tmp_path / "x.zip")
    assert outcomes(tmp_path) == ["bomb", digest(noise(30_000))]


def test_an_empty_slice_is_no_bomb(tmp_path):
    zip_of({"slice": HEAD + bytes(512 * 512 * 2)}, tmp_path / "x.zip")
    assert len(read(tmp_path)[0]) == 132 + 512 * 512 * 2


def test_a_gzip_bomb_ends_at_its_limit(tmp_path, monkeypatch):
    with gzip.open(tmp_path / "x.tgz", "wb") as file:
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w") as archive:
            add(archive, "good", HEAD)
        file.write(inner.getvalue()[:1024])
        info = tarfile.TarInfo("bomb")
        info.size = 1 << 33
        file.write(info.tobuf())
        for _ in range(16):
            file.write(bytes(1 << 20))
    read = gunzip.Gunzipped._next_block
    count = []
    monkeypatch.setattr(gunzip.Gunzipped, "_next_block", lambda g: count.append(1) or read(g))
    assert outcomes(tmp_path)[-1] == "bomb"
    assert len(count) < 10, "the limit is reached in the first of them"


def test_overlapping_members_are_a_bomb(tmp_path):
    """One member of noise that a thousand directory entries point to (Fifield, WOOT 2019)."""
    path = zip_of({"x": noise(100_000)}, tmp_path / "x.zip", zipfile.ZIP_STORED)
    blob = path.read_bytes()
    at = blob.index(b"PK\1\2")
    entry, end = blob[at : at + 46 + 1], bytearray(blob[-22:])
    end[8:16] = struct.pack("<HHL", 1000, 1000, 1000 * len(entry))
    path.write_bytes(blob[:at] + entry * 1000 + bytes(end))
    found = [item.refused for item in walk.walk([tmp_path])]
    assert found[-1] == "bomb" and len(found) < 400


def test_too_many_members_are_a_bomb(tmp_path, monkeypatch):
    for module in ("tars", "zips"):
        monkeypatch.setattr(f"tfcyclegan.imaging.source.{module}.MOST_MEMBERS", 30)
    zip_of(FILES, tmp_path / "1")
    tar_of(FILES, tmp_path / "2")
    found = outcomes(tmp_path)
    assert found == ["bomb", *DIGESTS[:30], "bomb"]


def test_an_encrypted_member_is_refused_and_the_rest_is_read(tmp_path):
    path = zip_of({"a": HEAD + b"a", "b": HEAD + b"b"}, tmp_path / "x.zip", zipfile.ZIP_STORED)
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(blob)
    assert outcomes(tmp_path) == ["archive_error", digest(HEAD + b"b")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_method_is_refused(tmp_path, method):
    zip_of({"a": HEAD}, tmp_path / "x.zip", method)
    assert outcomes(tmp_path) == ["archive_error"]


@pytest.mark.parametrize("name", ["zip", "stored.zip"])
def test_a_damaged_member_of_a_zip_costs_itself(tmp_path, name):
    path = WRITERS[name](FILES, tmp_path / "x")
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"folder/7") + 1500] ^= 0xFF
    path.write_bytes(blob)
    assert outcomes(tmp_path) == [*DIGESTS[:7], "archive_error", *DIGESTS[8:]]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_cut_archive_is_an_error_and_never_silent(tmp_path, name, share):
    path = WRITERS[name](FILES, tmp_path / "x")
    blob = path.read_bytes()
    path.write_bytes(blob[: int(len(blob) * share)])
    found = outcomes(tmp_path)
    assert "archive_error" in found
    good = [content for content in found if content != "archive_error"]
    assert good == DIGESTS[: len(good)]
    assert len(good) == 0 if "zip" in name else len(good) >= int(40 * share) - 1


def test_a_tar_with_a_damaged_header_is_an_error(tmp_path):
    path = tar_of(FILES, tmp_path / "x", kind=tarfile.GNU_FORMAT)
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"folder/20\0") + 148] ^= 0xFF
    path.write_bytes(blob)
    assert outcomes(tmp_path) == [*DIGESTS[:20], "archive_error"]


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (b"PK\3\4", ["archive_error"]),
        (b"PK\5\6" + bytes(18), []),
        (b"\x1f\x8b\x08\0nonsense", ["not_dicom"]),
    ],
)
def test_the_start_of_an_archive_alone(tmp_path, blob, expected):
    (tmp_path / "x").write_bytes(blob)
    assert outcomes(tmp_path) == expected


def test_random_damage_raises_nothing_but_refusals(tmp_path):
    for name, write in WRITERS.items():
        blob = write({key: FILES[key] for key in list(FILES)[:4]}, tmp_path / "x").read_bytes()
        draw = random.Random(name)
        for _ in range(60):
            damaged = bytearray(blob)
            for _ in range(3):
                damaged[draw.randrange(len(blob))] = draw.randrange(256)
            (tmp_path / "x").write_bytes(damaged)
            for found in read(tmp_path):
                assert isinstance(found, bytes) or found in (
                    *("archive_error", "unsafe_member", "not_dicom", "bomb", "nested_archive"),
                    "too_large",
                )


def test_a_large_header_of_a_tar_is_not_read(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate((1 << 32) + 2048)
    assert outcomes(tmp_path) == ["archive_error"]


def test_names_that_are_no_text_are_read(tmp_path):
    path = zip_of({"nXme": HEAD}, tmp_path / "x.zip")
    path.write_bytes(path.read_bytes().replace(b"nXme", b"n\xffme"))
    tar_of({"n\udcffme": HEAD}, tmp_path / "y.tar", kind=tarfile.GNU_FORMAT)
    assert read(tmp_path) == [HEAD, HEAD]


def test_a_zip_beyond_32_bits_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, content in FILES.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(content)
    assert outcomes(tmp_path) == DIGESTS


def test_a_zip_of_more_members_than_16_bits_count_is_listed(tmp_path):
    path = zip_of({"x": b""}, tmp_path / "x.zip")
    blob = path.read_bytes()
    at = blob.index(b"PK\1\2")
    entries = blob[at : at + 47] * 66_000
    # APPNOTE 4.3.14 to 4.3.16: the wide record, its locator, and the narrow record full of ones.
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 66_000, 66_000, len(entries), at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + len(entries), 1)
    narrow = b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2)
    path.write_bytes(blob[:at] + entries + wide + locator + narrow)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 66_000
    assert sum(1 for _ in walk.walk([tmp_path])) == 66_000


def test_a_program_may_stand_before_a_zip(tmp_path):
    path = zip_of(FILES, tmp_path / "x.zip")
    path.write_bytes(b"PK\3\4 unpacks itself" + path.read_bytes())
    assert outcomes(tmp_path) == DIGESTS


def test_a_dicom_file_that_looks_like_an_archive_is_dicom(tmp_path):
    (tmp_path / "x").write_bytes(b"PK\3\4" + bytes(124) + b"DICM")
    assert read(tmp_path) == [b"PK\3\4" + bytes(124) + b"DICM"]


def test_an_archive_that_two_roots_share_is_read_once(tmp_path):
    zip_of({"a": HEAD}, tmp_path / "x.zip")
    found = [item.refused for item in walk.walk([tmp_path, tmp_path / "x.zip"])]
    assert found == ["", "repeated_input"]
