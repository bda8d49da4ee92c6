"""Where things are that tests read."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS, SUPPORT, DOCS = ROOT / "tests", ROOT / "tests" / "support", ROOT / "docs"
TFA_REFERENCE = TESTS / "golden" / "tfa_reference.npz"
SHARED = ROOT.parent / "shared"
MRI, ZOO = SHARED / "mri", SHARED / "dicom_zoo"
needs_mri = pytest.mark.skipif(not MRI.is_dir(), reason="needs the scans of ../shared/mri")
needs_zoo = pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/dicom_zoo")
