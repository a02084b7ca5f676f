"""fink, as the scripts for cron call it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


class Fink:
    """The program, with its configuration."""

    def __init__(self, program, config):
        self.command = [str(program)] + (["--config", config] if config else [])

    def run(self, *arguments):
        """Whether `fink kafka ARGUMENTS` succeeds. What it says on stderr goes on to our own."""
        return subprocess.run([*self.command, "--quiet", "kafka", *arguments], stdout=subprocess.DEVNULL).returncode == 0

    def ask(self, command, form="json"):
        """What `fink kafka COMMAND` prints, or None where it fails."""
        done = subprocess.run([*self.command, "kafka", command, "--format", form], stdout=subprocess.PIPE)
        if done.returncode != 0:
            return None
        return json.loads(done.stdout) if form == "json" else done.stdout.decode()


def add_arguments(parser):
    parser.add_argument("--config", metavar="FILE", help="fink's configuration")
    parser.add_argument("--fink", metavar="PROGRAM", help="fink itself")


def die(code, *words):
    print(f"{Path(sys.argv[0]).name}:", *words, file=sys.stderr)
    sys.exit(code)


def find(options):
    """The program: --fink, $FINK, the one installed, the one built here."""
    built = Path(__file__).resolve().parent.parent.parent / "target"
    places = [options.fink, os.environ.get("FINK"), shutil.which("fink"), built / "release/fink", built / "debug/fink"]
    for place in places:
        if place and os.access(place, os.X_OK):
            return Fink(place, options.config)
    die(2, "fink was not found: install it, or name it by --fink")


def write_private(path, text, exclusive):
    """A file that only its owner may read; `exclusive`: which must not exist."""
    how = os.O_EXCL if exclusive else os.O_TRUNC
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
