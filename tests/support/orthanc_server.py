"""Debian's Orthanc on free ports of the loopback, and the other programs of peers."""

import json
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest


def program(name: str) -> str:
    """Returns the path of a peer's program, or skips the test."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}, which .ci/run installs from Debian")
    return found


class Orthanc:
    """A server with a storage of its own."""

    def __init__(self, folder: pathlib.Path):
        self.dicom_port, self.http_port = _free_port(), _free_port()
        settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "Plugins": [],
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self._process = subprocess.Popen(
            [program("Orthanc"), folder / "orthanc.json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.get("system")
                return
            except urllib.error.URLError:
                time.sleep(0.1)
        raise TimeoutError("Orthanc did not start within a minute.")

    def get(self, what: str) -> bytes:
        url = f"http://127.0.0.1:{self.http_port}/{what}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()

    def receive(self, folder: pathlib.Path) -> None:
        """Sends all files below a folder to the server by DICOM's own protocol."""
        peer = ["-aec", "ORTHANC", "127.0.0.1", str(self.dicom_port)]
        command = [program("storescu"), *peer, "+sd", "+r", folder]
        subprocess.run(command, check=True, capture_output=True)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
