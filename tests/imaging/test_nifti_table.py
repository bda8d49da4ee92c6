"""The table: what is tolerated, and which cell an error names without repeating it."""

import os

import pytest
from nifti_volumes import head, row, write, write_table

from tfcyclegan.errors import UserError
from tfcyclegan.imaging.nifti import table
from tfcyclegan.imaging.nifti.files import MaskFile, VolumeFile

HEADING = "patient,study,sequence,path"


def read(folder, text):
    path = folder / "volumes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table.read(path, "axial")


def test_rows_become_images_with_their_masks(tmp_path):
    write(head(), tmp_path / "sub" / "a.nii.gz")
    rows = [
        row("sub/a.nii.gz", "T2"),
        row(tmp_path / "sub" / "a.nii.gz", brain_mask="sub/a.nii.gz"),
    ]
    objects = table.read(write_table(tmp_path / "t.csv", rows), "coronal")
    relative, absolute, mask = objects
    assert isinstance(absolute, VolumeFile) and isinstance(mask, MaskFile)
    assert (relative.sequence, absolute.sequence, mask.name) == ("t2", "flair", "brain")
    assert absolute.companions == (2,) and relative.companions == () and mask.volume is absolute
    assert absolute.path == relative.path == os.fsencode(tmp_path / "sub" / "a.nii.gz")
    assert absolute.relative == b"sub/a.nii.gz" and absolute.plane == "coronal"
    labels = [item.label for item in objects]
    assert labels == ["row 2, column path", "row 3, column path", "row 3, column brain_mask"]
    assert "P1" not in repr(objects) and "nii" not in repr(objects)


def test_byte_order_mark_line_ends_semicolons_case_blank_rows_and_spaces_do_not_matter(tmp_path):
    plain = read(tmp_path, f"{HEADING}\nP1,s,t2,x\n")
    odd = read(tmp_path, b"\xef\xbb\xbfPatient; STUDY;sequence;path\r\n;;;\r\n P1 ;s;T2;x\r\n\r\n")
    fields = ("patient", "study", "sequence", "relative", "refused")
    assert [[getattr(o, f) for f in fields] for o in plain] == [
        [getattr(o, f) for f in fields] for o in odd
    ]
    assert plain[0].label == "row 2, column path" and odd[0].label == "row 3, column path"


def test_the_order_of_rows_does_not_matter(tmp_path):
    lines = [f"P{n},s,t2,x{n}" for n in (3, 1, 2)]
    orders = [read(tmp_path, "\n".join([HEADING, *rows])) for rows in (lines, lines[::-1])]
    assert [o.patient for o in orders[0]] == [o.patient for o in orders[1]] == [b"P1", b"P2", b"P3"]


def test_a_file_that_cannot_be_read_is_left_to_the_account(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    found = read(tmp_path, f"{HEADING}\nA,s,t2,fifo\nB,s,t2,folder\nC,s,t2,gone\nD,s,t2,a\0b\n")
    reasons = {item.patient: item.refused for item in found}
    assert reasons == dict.fromkeys([b"A", b"B", b"C", b"D"], "io_error")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1 must name the columns patient, study, sequence, path"),
        ("patient\tstudy\tsequence\tpath\n", "Missing: patient, study, sequence, path"),
        ("patient,study,path\nDOE,s,p\n", "Missing: sequence"),
        (f"{HEADING},lesion_masks\n", "row 1, cell 5 must be one of patient, .*ventricle_mask"),
        (f"{HEADING},path\n", "row 1, cell 5 must be one of"),
        (f"{HEADING}\n", "a row below the heading"),
        (f"{HEADING}\nDOE,s,t2,p\nDOE,s,t2,p,x\n", "row 3 must have 4 cells.* Received: 5"),
        (f"{HEADING}\nDOE,s,t2\n", "row 2 must have 4 cells.* Received: 3"),
        (f"{HEADING}\n,s,t2,DOE\n", "row 2, column patient must not be empty"),
        (f"{HEADING}\nDOE, ,t2,p\n", "row 2, column study must not be empty"),
        (f"{HEADING}\n\nDOE,s,t2,\n", "row 3, column path must not be empty"),
        (f"{HEADING}\nDOE,s,DOE,p\n", "row 2, column sequence must be one of t2, flair, t1"),
        (f"{HEADING}\n" + "D" * 200_000 + ",s,t2,p\n", "not a CSV file"),
    ],
)
def test_a_wrong_cell_is_named_and_not_repeated(tmp_path, text, message):
    with pytest.raises(UserError, match=f"--table: .*{message}") as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    assert "DOE" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_table_is_named_by_its_flag(tmp_path):
    with pytest.raises(UserError, match="--table cannot be read") as caught:
        table.read(tmp_path / "DOE.csv", "axial")
    assert caught.value.exit_code == 5 and "DOE" not in str(caught.value)
