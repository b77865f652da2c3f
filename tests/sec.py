"""`make sec`: the static checks of security, offline, each with its figure; 1 if one finds anything.

The scanners live in a virtual environment of their own: checkov's 200 MB of dependencies and pins are
nobody else's. What is skipped is skipped by id with its reason, at most eight (`.checkov.yaml`).
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.local.provision import thing_policy
from tests.iam import statements
from tests.template import ROOT, resources, template

SCANNERS = ("bandit==1.9.4", "checkov==3.3.30", "parliament==1.6.4", "setuptools<80")  # parliament's
VENV = ROOT / ".build/sec"
MAX_SKIPS = 8
CODE = ("shared", "functions", "infra", "events")
TEMPLATE = ROOT / "infra/template.yaml"
# Vendored checksums, the word "password" in two languages, Secrets Manager's properties, tests' names.
KNOWN_NOT_SECRET = [
    "--exclude-files",
    r"/vendor/|^shared/i18n/|^events/ingest_sightings|^requirements\.lock$",
    "--exclude-lines",
    "secretsmanager:|GenerateSecret|def test_",
    "--exclude-secrets",
    "^(test|none|correct horse|look-after-them)$",
]
_ARNS = {
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::Cognito::UserPool": "cognito-idp:{region}:{account}:userpool/{name}",
}
_WHERE = {"region": "ap-northeast-2", "account": "123456789012"}
# Actions whose resources parliament's data of 2023 do not know, or that carry a policy variable of IoT's.
_KNOWN_RESOURCES = (
    "states:SendTaskSuccess",  # a state machine, as in AWS's own StepFunctionsCallbackPolicy
    "states:DescribeExecution",
    "sns:CreatePlatformEndpoint",
    "sns:SetEndpointAttributes",
    "iot:Connect",
    "iot:Publish",
)


def main() -> int:
    """Run the checks that are named, or every one."""
    wanted = sys.argv[1:] or list(CHECKS)
    if set(wanted) - {"cfn-lint", "secrets"}:
        install()
    failed = 0
    for name in wanted:
        figure, found = CHECKS[name]()
        print(f"{'fail' if found else 'ok  '} {name:<16} {figure}")  # noqa: T201
        for line in found:
            print(f"     {line}")  # noqa: T201
        failed += bool(found)
    return min(failed, 1)


def install() -> None:
    """The scanners in their own environment, once."""
    ready = VENV / ".ready"
    if ready.exists() and ready.read_text() == " ".join(SCANNERS):
        return
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    python = str(VENV / "bin/python")
    print(f"Installing {', '.join(SCANNERS)} into {VENV.relative_to(ROOT)}")  # noqa: T201
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *SCANNERS], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *SCANNERS], check=True)
    ready.write_text(" ".join(SCANNERS))


def cfn_lint() -> tuple[str, list[str]]:
    done = _run([str(Path(sys.executable).parent / "cfn-lint"), "--format", "parseable", str(TEMPLATE)])
    found = done.splitlines()
    return f"{len(found)} errors and warnings", found


def checkov() -> tuple[str, list[str]]:
    told = json.loads(
        _run(
            [
                str(VENV / "bin/checkov"),
                *("--file", str(TEMPLATE), "--framework", "cloudformation", "--config-file", ".checkov.yaml"),
                *("--skip-download", "--quiet", "--output", "json"),
            ]
        )
    )
    summary, failed = told["summary"], told["results"]["failed_checks"]
    found = [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in failed]
    skips = skipped()
    if len(skips) > MAX_SKIPS:
        found.append(f"{len(skips)} ids are skipped, {MAX_SKIPS} may be")
    figure = f"{summary['failed']} failed, {summary['passed']} passed, {summary['resource_count']} resources"
    return f"{figure}, {len(skips)} ids skipped", found


def skipped() -> dict[str, str]:
    """Every id that is skipped anywhere, with its reason."""
    config = (ROOT / ".checkov.yaml").read_text()
    lines = [line.partition("#") for line in config.splitlines() if line.strip().startswith("- CKV")]
    everywhere = {name.strip("- "): reason.strip() for name, _, reason in lines}
    listed = set(yaml.safe_load(config)["skip-check"])
    assert listed == set(everywhere)
    in_place = {
        skip["id"]: skip["comment"]
        for each in template()["Resources"].values()
        for skip in each.get("Metadata", {}).get("checkov", {}).get("skip", ())
    }
    return everywhere | in_place


def bandit() -> tuple[str, list[str]]:
    told = json.loads(_run([str(VENV / "bin/bandit"), "--quiet", "-r", *CODE, "-f", "json"]))
    graver = [each for each in told["results"] if each["issue_severity"] != "LOW"]
    found = [f"{e['filename']}:{e['line_number']} {e['test_id']} {e['issue_text']}" for e in graver]
    total = told["metrics"]["_totals"]
    low, lines = total["SEVERITY.LOW"], total["loc"]
    return (
        f"{len(graver)} medium or graver, {low} low, {lines} lines, {total['skipped_tests']} skipped",
        found,
    )


def secrets() -> tuple[str, list[str]]:
    files = _run(["git", "ls-files", "-z"]).strip("\0").split("\0")
    hook = str(Path(sys.executable).parent / "detect-secrets-hook")
    told = _run([hook, *KNOWN_NOT_SECRET, *files])
    found = [" ".join(each) for each in re.findall(r"Secret Type: (.*)\nLocation: +(\S+)", told)]
    return f"{len(found)} found in {len(files)} files", found


def policies() -> tuple[str, list[str]]:
    """AWS's own grammar of actions, resources and conditions, by parliament."""
    documents = dict(_documents())
    script = (
        "import json, sys, parliament\n"
        "for name, text in json.load(sys.stdin).items():\n"
        "    for f in parliament.analyze_policy_string(text).findings:\n"
        "        print(json.dumps([name, f.issue, str(f.detail)]))\n"
    )
    told = subprocess.run(
        [str(VENV / "bin/python"), "-c", script],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    findings = [json.loads(line) for line in told.splitlines()]
    found = [
        " ".join(each)
        for each in findings
        if each[1] != "RESOURCE_MISMATCH" or not any(action in each[2] for action in _KNOWN_RESOURCES)
    ]
    return f"{len(found)} findings in {len(documents)} policies", found


def _documents() -> Iterator[tuple[str, str]]:
    for role in resources("AWS::IAM::Role"):
        stated = [_plain(each) for each in statements(role)]
        yield role, json.dumps({"Version": "2012-10-17", "Statement": stated})
    yield "thing.json", thing_policy("garam", prefix="jikimi", **_WHERE)


def _plain(value: Any) -> Any:
    """A policy as AWS would store it: intrinsic functions filled in with made-up names."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value or "Ref" in value:
        name = value["Fn::GetAtt"][0] if "Fn::GetAtt" in value else value["Ref"]
        kind = template()["Resources"].get(name, {}).get("Type", "")
        return "arn:aws:" + _ARNS[kind].format(name=name, **_WHERE) if kind in _ARNS else "x@example.org"
    if "Fn::Sub" in value:
        text = str(value["Fn::Sub"])
        for name, said in {
            "AWS::Partition": "aws",
            "AWS::Region": _WHERE["region"],
            "AWS::AccountId": _WHERE["account"],
            "AWS::StackName": "jikimi",
            "Prefix": "jikimi",
        }.items():
            text = text.replace(f"${{{name}}}", said)
        for name in resources("AWS::S3::Bucket"):
            text = text.replace(f"${{{name}.Arn}}", f"arn:aws:s3:::{name.lower()}")
        return text.replace("${!", "${")
    return {name: _plain(each) for name, each in value.items()}


def _run(command: list[str]) -> str:
    """What a scanner says. That it found something is its exit code, and no failure here."""
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout


CHECKS: dict[str, Callable[[], tuple[str, list[str]]]] = {
    "cfn-lint": cfn_lint,
    "checkov": checkov,
    "bandit": bandit,
    "secrets": secrets,
    "policies": policies,
}

if __name__ == "__main__":
    sys.exit(main())
