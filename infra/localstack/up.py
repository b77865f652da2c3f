"""`make localstack`: LocalStack in Docker with the stack on it, or a sentence that says what is missing."""
# ruff: noqa: S603, S607, T201 - a command for a terminal, starting commands of our own making

import os
import subprocess
import sys
from pathlib import Path

from infra.local.build import build
from infra.local.deploy import Place, deploy
from infra.local.start import CloudFailed

COMPOSE = Path(__file__).with_name("compose.yaml")
INSTEAD = "The same stack runs without either: jikimi up"


def main() -> int:
    """The exit code: 0 when the stack stands."""
    missing = what_is_missing()
    if missing:
        print(f"{missing} {INSTEAD}", file=sys.stderr)
        return 1
    endpoint = f"http://127.0.0.1:{os.environ.get('JIKIMI_LOCALSTACK_PORT', '4566')}"
    try:
        subprocess.run(
            ["docker", "compose", "--file", str(COMPOSE), "up", "--detach", "--wait"], check=True, timeout=600
        )
        # Its functions run in containers: they need the layer's dependencies, as on AWS.
        for name, value in sorted(deploy(Place(endpoint), build("aws"), {}, say=print).items()):
            print(f"{name}={value}")
    except (subprocess.SubprocessError, CloudFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Test it: AWS_ENDPOINT_URL={endpoint} make e2e-target. Stop it: docker compose -f {COMPOSE} down")
    return 0


def what_is_missing() -> str:
    """One sentence, or nothing when Docker runs and there is a token."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
    except (FileNotFoundError, subprocess.SubprocessError):
        return "LocalStack needs Docker, and none is running here."
    if not os.environ.get("LOCALSTACK_AUTH_TOKEN"):
        return "LocalStack with IoT needs an account's token in LOCALSTACK_AUTH_TOKEN."
    return ""


if __name__ == "__main__":
    sys.exit(main())
