"""What is packed is what a function needs: its own code, `shared`, and the declared dependencies, no more."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from infra.local.build import Artifacts, build, function_names, runtime_dependencies

BOTO3 = ["boto3"]  # the Lambda runtime brings it


def with_their_own(names: list[str], seen: set[str] | None = None) -> Iterator[Distribution]:
    """The distributions of these names and of all they require, each once."""
    seen = set() if seen is None else seen
    for name in names:
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        found = distribution(name)
        yield found
        needs = [Requirement(line) for line in found.requires or ()]
        yield from with_their_own(
            [each.name for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})], seen
        )


@pytest.fixture(scope="module")
def artifacts() -> Artifacts:
    return build("local")


@pytest.fixture(scope="module")
def opt(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt as a function sees it: the layer, with links to the declared dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("opt")
    ZipFile(BytesIO(artifacts.files["layer.zip"])).extractall(folder)
    for found in with_their_own([*runtime_dependencies(), *BOTO3]):
        for file in found.files or ():
            top = file.parts[0]
            if top != ".." and not (folder / "python" / top).exists():
                (folder / "python" / top).symlink_to(Path(str(found.locate_file(top))))
    return folder


@pytest.mark.parametrize("name", function_names())
def test_a_function_imports_with_its_archive_the_layer_and_nothing_else(
    name: str, artifacts: Artifacts, opt: Path, tmp_path: Path
) -> None:
    ZipFile(BytesIO(artifacts.files[f"{name}.zip"])).extractall(tmp_path)
    code = f"""
import sys
sys.path += {[str(tmp_path), str(opt / "python")]!r}
import functions.{name}.handler as handler
assert callable(handler.lambda_handler)
unwanted = {{"numpy", "paho", "rich", "typer", "moto", "ministack", "infra", "events"}} & set(sys.modules)
assert not unwanted, unwanted
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={"AWS_DEFAULT_REGION": "ap-northeast-2", "POWERTOOLS_TRACE_DISABLED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_an_archive_holds_no_other_function(artifacts: Artifacts) -> None:
    strangers = [
        (name, file)
        for name in function_names()
        for file in ZipFile(BytesIO(artifacts.files[f"{name}.zip"])).namelist()
        if not file.startswith((f"functions/{name}/", "functions/__init__.py"))
    ]

    assert strangers == []


def test_nothing_compiled_or_secret_is_packed(artifacts: Artifacts) -> None:
    packed = [
        file
        for name, content in artifacts.files.items()
        if name.endswith(".zip")
        for file in ZipFile(BytesIO(content)).namelist()
    ]

    assert [file for file in packed if re.search(r"\.pyc$|__pycache__|\.pem$|\.env$", file)] == []


def test_the_state_machine_is_json(artifacts: Artifacts) -> None:
    assert json.loads(artifacts.files["missing_child.asl.json"])["StartAt"]
