"""The processes of fink: started, killed, stopped, watched, and started again as a supervisor would."""

import os
import signal
import subprocess
import threading
import time

# The words with which a process ends that another one has fenced.
FENCED = "has taken over"
# Its exit code then.
FENCED_CODE = 3
# The words with which a process says that the checkpoint is its own. Before that, of two that start the one that is last keeps it.
BEGUN = "distributing what is written from"
# How long a process that was stopped may take to notice that it is fenced, and any to end after a SIGTERM, in seconds.
NOTICE, END = 90, 60
# How long a takeover waits for the process to begin, in seconds.
BEGIN = 30


class Process:
    """One run of fink; what it says on stderr goes to `log`."""

    def __init__(self, arguments, folder, name):
        self.name, self.log = name, folder / "logs" / f"{name}.log"
        # Each run as on a machine of its own: the run file would tell a second copy of the first.
        environment = dict(os.environ, FINK_RUN_DIR=str(folder / "run" / name))
        with open(self.log, "wb") as log:
            self._child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment, cwd=folder
            )

    @property
    def pid(self):
        """The id of the process."""
        return self._child.pid

    def code(self):
        """Its exit code, or None while it runs."""
        return self._child.poll()

    def signal(self, number):
        """Sends a signal; nothing where it has ended."""
        if self.code() is None:
            self._child.send_signal(number)

    def wait(self, seconds):
        """Its exit code, or None where it still runs after so long."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def said(self, words):
        """Whether its log has these words."""
        return words in self.log.read_text(encoding="utf-8", errors="replace")

    def last_words(self):
        """The last line of its log that says something."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "nothing")


class Keeper:
    """Keeps one command running, for a lane of faults. What it should not do stands in `surprises`."""

    def __init__(self, lane, folder, arguments, ends_by_itself=False):
        self.lane, self._folder, self._arguments, self._ends = lane, folder, arguments, ends_by_itself
        self._count = 0
        self._lock = threading.RLock()
        # One fault at a time.
        self._fault = threading.Lock()
        self._watched = False
        self._current = None
        self._zombies = []
        self._watch = None
        self.done = threading.Event()
        self.surprises = []
        # Processes that woke up and were fenced; those that a process that woke up has fenced before they had begun; kills that met a
        # running process.
        self.fenced, self.fenced_at_start, self.killed = 0, 0, 0

    def start(self):
        """Starts it, and again whenever it ends by itself."""
        with self._lock:
            self._begin()
            self._watched = True
        if self._watch is None:
            self._watch = threading.Thread(target=self._keep, daemon=True)
            self._watch.start()

    def kill(self, down, moment=None, meanwhile=lambda: None):
        """SIGKILL, and a restart after `down` seconds. Whether there was something to kill.

        `moment` is called first and returns when it is time; `meanwhile` is called while it is down.
        """
        with self._fault:
            if moment:
                moment()
            with self._lock:
                if self._current is None or self._current.code() is not None:
                    return False
                self._watched = False
                self._current.signal(signal.SIGKILL)
                self._current.wait(10)
                self.killed += 1
            end = time.monotonic() + down
            meanwhile()
            time.sleep(max(0, end - time.monotonic()))
            self.start()
            return True

    def pause(self, seconds):
        """SIGSTOP for so long."""
        with self._fault:
            with self._lock:
                process = self._current
            if process is None or process.code() is not None:
                return False
            process.signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.signal(signal.SIGCONT)
            return True

    def take_over(self, seconds, after):
        """SIGSTOP for so long; a second copy starts after `after` seconds and is the one that is kept. The first must end, fenced."""
        with self._fault:
            self._wait_until_begun(BEGIN)
            with self._lock:
                zombie = self._current
                if zombie is None or zombie.code() is not None or not zombie.said(BEGUN):
                    return False
                self._watched = False
                self._zombies.append(zombie)
                zombie.signal(signal.SIGSTOP)
            time.sleep(after)
            self.start()
            time.sleep(max(0, seconds - after))
            zombie.signal(signal.SIGCONT)
            return True

    def end(self):
        """Waits for the processes that woke up, then SIGTERM for the one that is kept."""
        for zombie in self._zombies:
            code = zombie.wait(NOTICE)
            if code is None:
                self.surprises.append(f"{zombie.name} was stopped and taken over from, and still runs ({zombie.log})")
                zombie.signal(signal.SIGKILL)
            elif code == FENCED_CODE and zombie.said(FENCED):
                self.fenced += 1
            elif not (self._ends and code == 0):
                self.surprises.append(f"{zombie.name} was taken over from and ended with {code}: {zombie.last_words()}")
        with self._lock:
            self._watched = False
            current = self._current
        if current is None or self._ends and current.code() == 0:
            return
        current.signal(signal.SIGTERM)
        code = current.wait(END)
        if code is None:
            self.surprises.append(f"{current.name} still runs {END} s after a SIGTERM ({current.log})")
            current.signal(signal.SIGKILL)
        elif code != 0:
            self.surprises.append(f"{current.name} ended with {code} after a SIGTERM: {current.last_words()}")

    def kill_all(self):
        """Nothing is left running, whatever happened."""
        with self._lock:
            self._watched = False
            for process in [self._current, *self._zombies]:
                if process is not None:
                    process.signal(signal.SIGKILL)

    def _wait_until_begun(self, seconds):
        """Waits, at most for so long, until the current process owns the checkpoint."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                process = self._current
            if process is not None and process.code() is None and process.said(BEGUN):
                return
            time.sleep(0.1)

    def _begin(self):
        self._count += 1
        self._current = Process(self._arguments, self._folder, f"{self.lane}-{self._count:03d}")

    def _keep(self):
        while not self.done.is_set():
            time.sleep(0.2)
            with self._lock:
                code = self._current.code()
                if not self._watched or code is None:
                    continue
                if self._ends and code == 0:
                    self.done.set()
                    return
                process, self._watched = self._current, False
            # Of two processes that open their producers at the same time the later one keeps the checkpoint. One that wakes up in the middle
            # of that counts as the later one; the restart takes over again.
            if self._zombies and code == 1 and process.said(FENCED) and not process.said(BEGUN):
                self.fenced_at_start += 1
            else:
                self.surprises.append(f"{process.name} ended by itself with {code}: {process.last_words()} ({process.log})")
            time.sleep(1)
            with self._lock:
                # A fault may have started it meanwhile.
                if self._current is process:
                    self.start()
