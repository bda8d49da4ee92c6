"""The walk over inputs opens nothing that could block, loop, or lead outside."""

import io
import os
import socket

import pytest

from tfcyclegan.imaging.source import walk
from tfcyclegan.privacy.reasons import Refusal

DICOM = bytes(128) + b"DICM" + b"rest"


def names(found):
    return [item.relative for item in found]


def test_files_are_walked_in_the_order_of_their_names(tmp_path):
    for name in ("b/2", "b/10", "a/z", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(DICOM)
    assert names(walk.walk([tmp_path])) == [b"a/z", b"b/10", b"b/2", b"c"]


def test_a_single_file_is_an_input(tmp_path):
    (tmp_path / "one").write_bytes(DICOM)
    (item,) = walk.walk([tmp_path / "one"])
    assert (item.relative, item.read()) == (b"one", DICOM)


def test_links_and_special_files_are_counted_and_never_opened(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(DICOM)
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(outside)
    (inside / "file").symlink_to(outside / "secret")
    os.mkfifo(inside / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inside / "s"))
        found = {item.relative: item.refused for item in walk.walk([inside])}
    assert found == {
        b"file": "symlink",
        b"loop": "symlink",
        b"out": "symlink",
        b"pipe": "not_regular",
        b"s": "not_regular",
    }
    for item in walk.walk([inside]):
        with pytest.raises(Refusal):
            item.read()


def test_a_root_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(DICOM)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(walk.walk([tmp_path / "link"])) == [b"x"]


def test_a_file_below_two_roots_is_read_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(DICOM)
    found = [item.refused for item in walk.walk([tmp_path, tmp_path / "a"])]
    assert found == ["", "repeated_input"]


@pytest.mark.parametrize("name", [b"\xff\xfe.dcm", b"new\nline", b"n" * 255])
def test_any_file_name_is_read_and_none_is_shown(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(DICOM)
    (item,) = walk.walk([tmp_path])
    assert item.read() == DICOM and os.fsencode(repr(item)).count(name[:3]) == 0


def test_of_a_file_that_is_not_dicom_132_bytes_are_read(tmp_path, monkeypatch):
    path = tmp_path / "image.iso"
    with path.open("wb") as file:
        file.truncate(20 << 30)
    (item,) = walk.walk([path])
    with pytest.raises(Refusal, match="not_dicom"):
        item.read()


@pytest.mark.parametrize("content", [b"", b"text", bytes(132), bytes(128) + b"DICX"])
def test_only_the_preamble_makes_a_file_dicom(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    (item,) = walk.walk([tmp_path])
    with pytest.raises(Refusal, match="not_dicom"):
        item.read()


def test_a_file_that_vanishes_is_an_io_error(tmp_path):
    (tmp_path / "x").write_bytes(DICOM)
    (item,) = walk.walk([tmp_path])
    (tmp_path / "x").unlink()
    with pytest.raises(Refusal, match="io_error"):
        item.read()


def test_a_deep_tree_is_walked_to_its_end(tmp_path):
    here = tmp_path.joinpath(*["d"] * 300)
    here.mkdir(parents=True)
    (here / "x").write_bytes(DICOM)
    assert names(walk.walk([tmp_path])) == [b"d/" * 300 + b"x"]


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_a_list_names_files_and_folders_by_what_it_says(tmp_path, monkeypatch, separator):
    monkeypatch.chdir(tmp_path)
    for name in ("a/x", "b/x", "b/y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(DICOM)
    (tmp_path / "list").write_bytes(separator.join([b"a/x", b"", b"b", b"gone", b"b/y"]))
    found = [(item.relative, item.refused) for item in walk.walk(["@list"])]
    assert found == [
        (b"a/x", ""),
        (b"b/x", ""),
        (b"b/y", ""),
        (b"gone", "io_error"),
        (b"b/y", "repeated_input"),
    ]


def test_a_list_comes_from_the_standard_input(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(DICOM)
    text = io.TextIOWrapper(io.BytesIO(os.fsencode(tmp_path / "x") + b"\n"))
    monkeypatch.setattr("sys.stdin", text)
    (item,) = walk.walk(["@-"])
    assert item.read() == DICOM
