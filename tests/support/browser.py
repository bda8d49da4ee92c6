"""Headless Chromium through chromedriver and plain HTTP, as W3C WebDriver describes it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "needs Chromium and chromedriver: apt-get install chromium chromium-driver"
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
START_SECONDS = 30


class Browser:
    """One window; every method is one WebDriver command."""

    def __init__(self, address: str, *arguments: str):
        options = {"binary": BROWSER, "args": [*ARGUMENTS, *arguments]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.address = address
        made = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.address += f"/session/{made['sessionId']}"

    def _send(self, method: str, path: str, body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def run(self, script: str, *arguments):
        """Runs the body of a function in the page and returns what it returns."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, seconds: float = 20):
        """Waits until an expression is true in the page."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {script}")):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.05)
        return value

    def keys(self, *names: str) -> None:
        """Presses keys (WebDriver's code points) one by one and releases them in reverse."""
        down = [{"type": "keyDown", "value": name} for name in names]
        up = [{"type": "keyUp", "value": name} for name in reversed(names)]
        self._act({"type": "key", "id": "keyboard", "actions": down + up})

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drags from the middle of an element, in CSS pixels."""
        script = "arguments[0].scrollIntoView({block: 'center'}); return arguments[0]"
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        self.run(script, found)
        here = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": found}
        there = {"type": "pointerMove", "duration": 50, "x": right, "y": down, "origin": "pointer"}
        press, release = ({"type": t, "button": 0} for t in ("pointerDown", "pointerUp"))
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._act(mouse | {"actions": [here, press, there, release]})

    def _act(self, source: dict) -> None:
        self._send("POST", "/actions", {"actions": [source]})

    def console(self) -> list[str]:
        """Returns what the console got since the last call: errors, warnings, refused loads."""
        return [line["message"] for line in self._send("POST", "/se/log", {"type": "browser"})]

    def screenshot(self) -> str:
        """Returns the window as base64 of a PNG."""
        return self._send("GET", "/screenshot")

    def close(self) -> None:
        self._send("DELETE", "")


@contextlib.contextmanager
def browser(*arguments: str):
    """A browser for a `with` block; all its processes end with it."""
    with contextlib.ExitStack() as processes:
        try:
            window = _start(processes, arguments)
        except TimeoutError:
            # Chromium's network service hangs now and then when it starts on a loaded machine.
            processes.close()
            window = _start(processes, arguments)
        yield window
        window.close()


def _start(processes: contextlib.ExitStack, arguments: tuple[str, ...]) -> Browser:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [DRIVER, f"--port={port}"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    processes.callback(driver.wait)
    # The group: a browser that hangs while it starts outlives its driver.
    processes.callback(os.killpg, driver.pid, signal.SIGTERM)
    _wait_for(port)
    return Browser(f"http://127.0.0.1:{port}", *arguments)


def _wait_for(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
