"""Archives for tests, good and bad, made by the standard library."""

import io
import pathlib
import tarfile
import zipfile


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns the files below a folder by relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def zip_of(files: dict[str, bytes], path: pathlib.Path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def tar_of(files: dict[str, bytes], path: pathlib.Path, mode="w", kind=tarfile.PAX_FORMAT):
    with tarfile.open(path, mode, format=kind) as archive:
        for name, content in files.items():
            add(archive, name, content)
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields) -> None:
    """Adds an entry of any type."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


WRITERS = {
    "zip": zip_of,
    "stored.zip": lambda files, path: zip_of(files, path, zipfile.ZIP_STORED),
    "tar": tar_of,
    "gnu.tar": lambda files, path: tar_of(files, path, kind=tarfile.GNU_FORMAT),
    "tgz": lambda files, path: tar_of(files, path, "w:gz"),
}
