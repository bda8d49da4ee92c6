"""Names, comments and headers of archives reach no output, whether the archive is good or not."""

import tarfile
import zipfile

import pytest
from archive_files import add, tree
from ingest_runs import convert
from test_ingest_canaries import Tokens, everything, leaks, series


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A zip, a tar and a cut tgz full of tokens."""
    tokens, folder = Tokens(), tmp_path_factory.mktemp("in")
    series(folder / "files" / "t2", tokens)
    series(folder / "files" / "flair", tokens, sequence="flair")
    files = tree(folder / "files")
    place = folder / tokens.text()
    place.mkdir()
    with zipfile.ZipFile(place / f"{tokens.text()}.zip", "w") as archive:
        archive.comment = tokens.text().encode()
        for name, content in files.items():
            info = zipfile.ZipInfo(f"../{tokens.text()}/{name}")
            info.comment, word = tokens.text().encode(), tokens.text().encode()
            info.extra = b"\x99\x99" + len(word).to_bytes(2, "little") + word
            archive.writestr(info, content)
    for name, mode in ((f"{tokens.text()}.tar", "w"), (f"{tokens.text()}.tgz", "w:gz")):
        with tarfile.open(place / name, mode, format=tarfile.PAX_FORMAT) as archive:
            for path, content in files.items():
                pax = {"comment": tokens.text(), "uname": tokens.text()}
                add(archive, f"/{tokens.text()}/{path}", content, pax_headers=pax)
            add(archive, tokens.text(), type=tarfile.SYMTYPE, linkname=tokens.text())
    cut = place / name
    cut.write_bytes(cut.read_bytes()[:-3000])
    return place, tokens.words


def test_no_token_of_an_archive_is_in_any_output(tmp_path, archives, capfd):
    place, words = archives
    code, result = convert(tmp_path, place, "--workers=2")
    captured = capfd.readouterr()
    assert code == 4 and result.reasons[""] == 12
    # The member that is cut, and the archive, whose later members nobody knows.
    assert result.reasons["unsafe_member"] == 1 and result.reasons["archive_error"] == 2
    assert result.reasons["duplicate_exact"] >= 12
    assert leaks((captured.out + captured.err).encode(), words) == []
    assert leaks(everything(result), words) == []
