"""Make what is deployed: the layer, one archive a function, the state machine. Same input, same bytes.

aws: the layer holds `shared` and, for arm64 Linux and the functions' Python, what the runtime lacks.
local: the layer holds `shared` only; the emulator's functions see the packages of its own environment.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from infra.local.start import ROOT, CloudFailed

Target = Literal["aws", "local"]
LAMBDA_PYTHON = "3.13"
LAMBDA_PLATFORM = "manylinux2014_aarch64"
IN_THE_RUNTIME = {"boto3"}
LAYER_LIMIT_BYTES = 250 * 2**20  # unpacked, functions and layers together; Lambda quotas
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can say


@dataclass(frozen=True, slots=True)
class Artifacts:
    """File name → bytes, and the folder they go to: a name made of all their content."""

    files: dict[str, bytes]

    @property
    def prefix(self) -> str:
        total = hashlib.sha256()
        for name in sorted(self.files):
            total.update(name.encode() + b"\0" + hashlib.sha256(self.files[name]).digest())
        return f"jikimi/{total.hexdigest()[:16]}"


def build(target: Target, root: Path = ROOT) -> Artifacts:
    """Everything the template names. CloudFailed when the dependencies cannot be fetched."""
    files = {f"{name}.zip": _archive(_function(root, name)) for name in function_names(root)}
    files["layer.zip"] = _archive(_layer(root, target))
    files["missing_child.asl.json"] = (root / "infra/statemachine/missing_child.asl.json").read_bytes()
    files["template.yaml"] = (root / "infra/template.yaml").read_bytes()
    return Artifacts(files)


def function_names(root: Path = ROOT) -> list[str]:
    """The folders under `functions`, each one a function."""
    return sorted(path.parent.name for path in (root / "functions").glob("*/__init__.py"))


def _function(root: Path, name: str) -> Iterator[tuple[str, bytes]]:
    yield "functions/__init__.py", (root / "functions/__init__.py").read_bytes()
    yield from _tree(root / "functions" / name, f"functions/{name}")


def _layer(root: Path, target: Target) -> Iterator[tuple[str, bytes]]:
    yield from _tree(root / "shared", "python/shared")
    if target == "aws":
        with tempfile.TemporaryDirectory() as folder:
            _fetch(root, Path(folder))
            yield from _tree(Path(folder) / "python", "python")


def runtime_dependencies(root: Path = ROOT) -> list[str]:
    """What a function needs and the Lambda runtime does not bring."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[^A-Za-z0-9_-]", line, maxsplit=1)[0] for line in project["dependencies"]]
    return sorted(set(names) - IN_THE_RUNTIME)


def _fetch(root: Path, folder: Path) -> None:
    """The locked dependencies, built for Lambda's machine, each file checked against the lock."""
    locked = folder / "layer.lock"
    locked.write_text(_locked((root / "requirements.lock").read_text(), runtime_dependencies(root)))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    command += ["--target", str(folder / "python"), "--only-binary", ":all:", "--implementation", "cp"]
    command += ["--platform", LAMBDA_PLATFORM, "--python-version", LAMBDA_PYTHON]
    command += ["--no-deps", "--require-hashes", "--requirement", str(locked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise CloudFailed(f"The layer's dependencies could not be fetched:\n{done.stderr.strip()[-1500:]}")


def _locked(lock: str, names: list[str]) -> str:
    """The part of a lock file that these distributions need, by the lock's own `via` notes."""
    entries = {
        line.partition("==")[0]: line for line in re.findall(r"^\S.*(?:\n[ ]+.*)*", lock, re.MULTILINE)
    }
    asked_by = {
        name: set(re.findall(r"^ +#(?: +via)? +(\S+)", entry, re.MULTILINE))
        for name, entry in entries.items()
    }
    needed, before = set(names), 0
    while len(needed) > before:
        before = len(needed)
        needed |= {name for name, askers in asked_by.items() if askers & needed}
    return "\n".join(entries[name] for name in sorted(needed)) + "\n"


def _tree(folder: Path, inside: str) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield f"{inside}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _archive(entries: Iterator[tuple[str, bytes]]) -> bytes:
    """A zip whose bytes depend on names and content only."""
    packed = BytesIO()
    unpacked = 0
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(entries):
            unpacked += len(content)
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    if unpacked > LAYER_LIMIT_BYTES:
        raise CloudFailed(f"An archive unpacks to {unpacked / 2**20:.0f} MB; Lambda takes 250 MB.")
    return packed.getvalue()
