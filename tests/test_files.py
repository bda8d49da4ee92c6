"""Files and folders are replaced whole, on the disk before they have their name, or not at all."""

import errno
import os

import pytest

from tfcyclegan import files
from tfcyclegan.errors import UserError


@pytest.fixture
def steps(monkeypatch) -> list[tuple[str, str]]:
    """What is asked of the disk, in order: (sync or replace, name)."""
    done, sync, replace = [], files.sync, os.replace

    def note_sync(path):
        done.append(("sync", path.name))
        sync(path)

    def note_replace(before, after):
        done.append(("replace", after.name))
        replace(before, after)

    monkeypatch.setattr(files, "sync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    return done


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(tmp_path, steps):
    (tmp_path / "run.json").write_text("old")
    files.write(tmp_path / "run.json", "né\r\n")
    assert (tmp_path / "run.json").read_bytes() == b"n\xc3\xa9\r\n"
    beside = f".run.json.tmp-{os.getpid()}"
    assert steps == [("sync", beside), ("replace", "run.json"), ("sync", tmp_path.name)]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_folder_replaces_the_one_that_was_there_with_all_that_was_in_it(tmp_path, steps):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "old").write_text("old")
    with files.replacing(folder) as beside:
        (beside / "inner").mkdir(parents=True)
        (beside / "inner" / "new").write_text("new")
        assert (folder / "old").exists()
    assert [path.name for path in folder.rglob("*")] == ["inner", "new"]
    assert sorted(steps[:3]) == [
        ("sync", f".1.tmp-{os.getpid()}"),
        ("sync", "inner"),
        ("sync", "new"),
    ]
    aside = f".1.tmp-{os.getpid()}.old"
    assert steps[3:] == [("replace", aside), ("replace", "1"), ("sync", tmp_path.name)]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").write_text("old")
    replace = os.replace

    def refuse(before, after):
        if before.name == f".1.tmp-{os.getpid()}":
            raise OSError(errno.EIO, "broken")
        replace(before, after)

    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.raises(UserError, match="cannot be written"),
        files.replacing(tmp_path / "1") as new,
    ):
        new.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["1", "old"]


@pytest.mark.parametrize("folder", [False, True])
def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path, folder):
    path = tmp_path / "made"
    files.write(path, "old")
    with pytest.raises(KeyError), files.replacing(path) as beside:
        if folder:
            beside.mkdir()
            beside = beside / "part"
        beside.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_nothing_put_there_replaces_nothing_and_is_an_error_unless_it_may_be(tmp_path):
    """As when another process takes it for a leftover."""
    files.write(tmp_path / "made", "old")
    with files.replacing(tmp_path / "made", optional=True):
        pass
    with (
        pytest.raises(UserError, match="--output cannot be written") as caught,
        files.replacing(tmp_path / "made") as beside,
    ):
        beside.write_text("new")
        files.remove_unfinished(tmp_path.iterdir())
    assert caught.value.exit_code == 6 and (tmp_path / "made").read_text() == "old"


def test_a_file_of_its_owner_alone_is_never_anybody_elses(tmp_path):
    with files.replacing(tmp_path / "key", mode=0o600) as beside:
        assert beside.stat().st_mode & 0o777 == 0o600
        beside.write_bytes(b"secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "key").read_bytes() == b"secret"


def test_a_disk_that_became_read_only_is_said_in_a_sentence(tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(errno.EROFS, "of /secret/path")

    monkeypatch.setattr(files, "remove", refuse)
    with pytest.raises(UserError, match="^--output cannot be written"):
        files.write(tmp_path / "made", "text")


def test_a_directory_is_held_by_one_process_at_a_time(tmp_path):
    directory = tmp_path / "new" / "directory"
    with (
        files.locked(directory),
        pytest.raises(UserError, match="in use by another process") as caught,
        files.locked(directory),
    ):
        pass
    assert caught.value.exit_code == 8
    with files.locked(directory):
        pass
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "--cache is on a full disk"), (errno.EACCES, "--cache cannot")],
)
def test_a_place_that_cannot_be_written_is_named_by_its_flag(tmp_path, number, said):
    with pytest.raises(UserError, match=f"^{said}") as caught, files.explained("--cache"):
        raise OSError(number, "of /secret/path")
    assert caught.value.exit_code == 6 and "secret" not in str(caught.value)
    with pytest.raises(OSError, match="secret"), files.explained(None):
        raise OSError(number, "of /secret/path")


def test_a_missing_folder_is_no_reason_for_a_traceback(tmp_path):
    with pytest.raises(UserError, match="--output cannot be written"):
        files.write(tmp_path / "none" / "made", "text")
    with pytest.raises(UserError, match="--output cannot be written"):
        files.append(tmp_path / "none" / "made", "text")


def test_only_what_is_unfinished_is_removed_and_a_link_is_not_followed(tmp_path):
    kept = ["run.json", ".lock", "a.tmp-1", ".tmp-1"]
    for name in (*kept, ".run.json.tmp-123", ".scan.tmp-9.nii.gz"):
        (tmp_path / name).write_text("")
    (tmp_path / ".1.tmp-5" / "inner").mkdir(parents=True)
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("")
    (tmp_path / ".2.tmp-5").symlink_to(elsewhere)
    files.remove_unfinished(tmp_path.rglob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert (elsewhere / "mine").exists()
