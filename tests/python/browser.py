"""Drives headless Chromium by its DevTools protocol, over a pipe: no package and no open port is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DEADLINE = 60


def find():
    """The browser's program, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """A browser with one page. Whatever the page asks for and complains about is kept."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="fink-view-", ignore_cleanup_errors=True)
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def inherit():
            # Neither number may be overwritten before it is copied.
            first, second = os.dup2(to_browser, 100), os.dup2(from_browser, 101)
            os.dup2(first, 3)
            os.dup2(second, 4)

        arguments = [
            find(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync", "--disable-gpu",
            "--disable-dev-shm-usage", "--disable-extensions", "--force-color-profile=srgb", "--hide-scrollbars", "about:blank",
        ]
        if os.geteuid() == 0:
            arguments.insert(1, "--no-sandbox")
        self.process = subprocess.Popen(arguments, close_fds=False, preexec_fn=inherit, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.last, self.answers = b"", 0, {}
        self.requests, self.complaints, self.statuses = [], [], []
        target = self.call("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
        self.session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.profile.cleanup()

    def call(self, method, parameters=None, session=""):
        """Sends a command and waits for its answer."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session or self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        number, deadline = self.last, time.monotonic() + DEADLINE
        while number not in self.answers:
            self.read(deadline, method)
        answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def read(self, deadline, doing):
        """Takes in one message of the browser."""
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.into], [], [], left)[0], f"the browser says nothing about {doing}"
            part = os.read(self.into, 1 << 20)
            assert part, "the browser has ended"
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(line)
        if "id" in message:
            self.answers[message["id"]] = message
            return
        event, parameters = message["method"], message["params"]
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Network.responseReceived":
            self.statuses.append((parameters["response"]["status"], parameters["response"]["url"]))
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([argument.get("value", argument.get("description")) for argument in parameters["args"]]))
        elif event == "Runtime.exceptionThrown":
            detail = parameters["exceptionDetails"]
            self.complaints.append(detail.get("exception", {}).get("description", detail["text"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))

    def run(self, script):
        """The value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"].get("exception", answer)
        return answer["result"].get("value")

    def wait(self, script, what):
        """Waits until an expression is true."""
        deadline = time.monotonic() + DEADLINE
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"{what}: never; the page complains: {self.complaints}"
            time.sleep(0.02)
        return value

    def size(self, width, height, dark=False, ratio=1):
        """The size of the window, and the theme."""
        self.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False})
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url):
        """Opens a page of `fink view`, and waits until it is drawn."""
        self.call("Page.navigate", {"url": url})
        self.wait("document.documentElement?.dataset.page === 'ready'", f"{url} is ready")
        self.wait("document.documentElement.dataset.alert || !document.querySelector('#items [aria-current]')", "the alert is drawn")

    def shown(self, number):
        """Waits until the alert with a number is drawn."""
        self.wait(f"document.documentElement.dataset.alert === '{number}'", f"alert {number} is drawn")

    def press(self, key):
        """Presses a key."""
        text = key if len(key) == 1 else ""
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key}
            if text and kind == "keyDown":
                event["text"] = text
            self.call("Input.dispatchKeyEvent", event)

    def pointer(self, kind, x, y, **more):
        """A movement or a press of the mouse."""
        self.call("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})

    def screenshot(self, path, whole=False):
        """Saves what the window shows, or the whole page."""
        answer = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))
