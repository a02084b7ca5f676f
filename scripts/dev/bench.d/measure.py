"""A command's time, processor time and memory, and what the servers and other processes used meanwhile."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()
# How often a command's memory is looked at. The kernel keeps the peak, so only what grows in the last moment is missed.
LOOK_EVERY = 0.02


@dataclass
class Usage:
    """What a command took. Seconds are of the whole process, from its start to its end."""

    seconds: float
    cpu_seconds: float
    # the peaks of all its processes, added
    peak_kb: int
    # processor seconds of each server, by its name
    servers: dict = field(default_factory=dict)
    # processor seconds of other processes on the machine: noise
    others: float = 0.0
    output: str = ""


class _Meter:
    """What servers and other processes use from its making on."""

    def __init__(self, servers):
        # What the one before left to be written must not slow down this one.
        os.sync()
        self._servers = servers
        self._before, self._busy, self._start = _cpu_of(servers), _busy(), time.perf_counter()

    def usage(self, seconds, cpu_seconds, peak_kb, output):
        of_servers = {name: seconds - self._before[name] for name, seconds in _cpu_of(self._servers).items()}
        others = max(0.0, _busy() - self._busy - cpu_seconds - sum(of_servers.values()))
        return Usage(seconds, cpu_seconds, peak_kb, of_servers, others, output)

    def seconds(self):
        return time.perf_counter() - self._start


def run(command, servers, log, env=None):
    """Runs a command to its end. `servers` are process ids by name; what it prints on stderr goes to `log`."""
    meter = _Meter(servers)
    with open(log, "ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=env)
        os.set_blocking(process.stdout.fileno(), False)
        output, peaks = b"", {}
        while True:
            # First the look, then the question whether it has ended: a process that has ended has no memory any more.
            for pid in _family(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), _peak_kb(pid))
            output += process.stdout.read() or b""
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(LOOK_EVERY)
        seconds = meter.seconds()
        output += process.stdout.read() or b""
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{_tail(log)}\n{command[0]} ended with {process.returncode}")
    return meter.usage(seconds, usage.ru_utime + usage.ru_stime, sum(peaks.values()), output.decode(errors="replace"))


class Resident:
    """A program that stays between its jobs: it takes one on a line of its input, and answers with a line.

    Between them it is suspended: what its threads do after an answer is not to take time from the others."""

    def __init__(self, command, log):
        self._log = log
        with open(log, "ab") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self._process = subprocess.Popen(command, text=True, **pipes)

    def run(self, job, servers):
        """The usage during one job. The peak of the memory is that since its start."""
        pid = self._process.pid
        self._process.send_signal(signal.SIGCONT)
        cpu, meter = cpu_seconds(pid), _Meter(servers)
        self._process.stdin.write(job + "\n")
        self._process.stdin.flush()
        output = self._process.stdout.readline()
        seconds = meter.seconds()
        if not output:
            raise SystemExit(f"{_tail(self._log)}\n{self._process.args[0]} ended with {self._process.wait()}")
        usage = meter.usage(seconds, cpu_seconds(pid) - cpu, _peak_kb(pid), output)
        self._process.send_signal(signal.SIGSTOP)
        return usage

    def stop(self):
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()
        self._process.wait()


def _tail(log):
    return Path(log).read_text(errors="replace")[-2000:]


def _family(pid):
    """A process and those it started, at any depth."""
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return


def _peak_kb(pid):
    # Not rusage's ru_maxrss, which begins with the memory of the parent process.
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _cpu_of(servers):
    return {name: cpu_seconds(pid) for name, pid in servers.items()}


def cpu_seconds(pid):
    """User and system time of a process."""
    # After the command's name, which is in parentheses and may hold anything, utime and stime are fields 11 and 12.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _busy():
    """Processor seconds that this machine has worked since it started."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK
