"""The command line: `jikimi …`. Every error is a sentence that says what to do."""
# ruff: noqa: PLC0415 - a command pays only for what it uses

import importlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from infra.local.start import REGION, CloudFailed, Server, end, running

app = typer.Typer(
    help="Jikimi (지킴이) finds missing children.", no_args_is_help=True, pretty_exceptions_enable=False
)
audit_app = typer.Typer(help="Look whether what is stored is what was written.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
dlq_app = typer.Typer(help="What ingest gave up: look at it, and send it back.", no_args_is_help=True)
app.add_typer(dlq_app, name="dlq")
out = Console(highlight=False)
complain = Console(stderr=True, highlight=False)

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
FAILED, INTERRUPTED = 1, 130


@app.command()
def up(
    clock: Annotated[str, typer.Option(help="A faster clock: <wall_s0>:<scenario_s0>:<rate>.")] = "",
) -> None:
    """Start the local cloud and deploy the stack, or deploy what changed if it runs already."""
    from infra.local.build import build
    from infra.local.cloud import local_cloud
    from infra.local.deploy import Place, deploy

    known = running()
    with _telling("starting") as say:
        if known is not None:
            deploy(Place(known.endpoint), build("local"), {"SimulatedClock": clock}, say=say)
        else:
            with local_cloud(clock=clock, say=say) as cloud:
                cloud.keep()
    status()


@app.command()
def down() -> None:
    """Stop the local cloud and forget everything in it."""
    known = running()
    if known is None:
        out.print("No local cloud is running.")
        return
    end(known)
    out.print("The local cloud is gone, with everything in it.")


@app.command()
def status() -> None:
    """Say whether the local cloud runs, and where to reach it."""
    known = running()
    if known is None:
        out.print("No local cloud is running. Start one: jikimi up")
        return
    api = f"{known.endpoint}/_aws/execute-api/{known.outputs['ApiId']}/$default"
    lines = {
        "Console": f"{api}/",
        "HTTP API": f"{api}/v1/openapi.json",
        "MQTT": f"127.0.0.1:{known.mqtt_port} (mutual TLS)",
        "AWS APIs": f"export AWS_ENDPOINT_URL={known.endpoint} AWS_DEFAULT_REGION={REGION} "
        "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
        "Log": f"{known.directory}/server.log",
        "Stop it": "jikimi down",
    }
    for name, value in lines.items():
        out.print(f"{name:10}{value}", soft_wrap=True)


@app.command(name="deploy")
def deploy_stack(
    *,
    aws: Annotated[bool, typer.Option("--aws", help="To AWS, with this machine's credentials.")] = False,
    endpoint: Annotated[str, typer.Option(help="To an emulator that runs already, by its URL.")] = "",
    region: Annotated[str, typer.Option(help="AWS region.")] = "ap-northeast-2",
    prefix: Annotated[str, typer.Option(help="Begins every name, and names the stack.")] = "jikimi",
    push_application_arn: Annotated[str, typer.Option(help="SNS platform application.")] = "",
    operators_email: Annotated[str, typer.Option(help="Also receives what operators are told.")] = "",
    mail_from: Annotated[str, typer.Option(help="The address mails come from, verified with SES.")] = "",
    voice_number: Annotated[str, typer.Option(help="The number that calls the duty officer.")] = "",
) -> None:
    """Deploy the stack to AWS or to an emulator."""
    from infra.local.build import build
    from infra.local.deploy import Place, deploy

    if aws == bool(endpoint):
        raise CloudFailed("Say where to: --aws, or --endpoint http://host:port.")
    given = {
        "Prefix": prefix,
        "PushApplicationArn": push_application_arn,
        "OperatorsEmail": operators_email,
        "MailFrom": mail_from,
        "VoiceNumber": voice_number,
    }
    parameters = {name: value for name, value in given.items() if value}
    with _telling("building") as say:
        artifacts = build("aws" if aws else "local")
        outputs = deploy(Place(endpoint or None, region), artifacts, parameters, stack=prefix, say=say)
    for name, value in sorted(outputs.items()):
        out.print(f"{name}={value}", soft_wrap=True)


@app.command(context_settings=PASS_ON)
def demo(context: typer.Context) -> None:
    """Watch a child leave a group, be missed, searched for across a border, and found."""
    _hand_over("infra.local.demo", context.args)


@app.command(context_settings=PASS_ON)
def replay(context: typer.Context) -> None:
    """Send a recorded radio log through the same door as live sightings."""
    _hand_over("infra.local.replay", context.args)


@app.command(context_settings=PASS_ON)
def calibrate(context: typer.Context) -> None:
    """Learn scanners' radio from walk tests."""
    _hand_over("infra.local.calibrate", context.args)


notices = typer.Typer(help="What guardians are told.", no_args_is_help=True)
app.add_typer(notices, name="notices")


@notices.callback()
def _notices() -> None:
    """What guardians are told."""


@notices.command()
def check(
    *,
    days: Annotated[int, typer.Option(help="Cases open now, or closed in so many days.")] = 90,
    tenant: Annotated[str, typer.Option(help="One district only.")] = "",
    aws: Annotated[bool, typer.Option("--aws", help="On AWS, with this machine's credentials.")] = False,
    region: Annotated[str, typer.Option(help="AWS region.")] = "ap-northeast-2",
    prefix: Annotated[str, typer.Option(help="The stack's name.")] = "jikimi",
) -> None:
    """Hold every disclosure against its notice; fails when one is missing or late."""
    from infra.local.notices import check_notices

    code = check_notices(days=days, tenant=tenant, aws=aws, region=region, stack=prefix)
    if code:
        raise typer.Exit(code)


@app.command(context_settings=PASS_ON)
def drill(context: typer.Context) -> None:
    """Rehearse a drill in this process and print its report; or many, with what they took."""
    _hand_over("infra.local.drill", context.args)


OnAws = Annotated[bool, typer.Option("--aws", help="On AWS, with this machine's credentials.")]
Endpoint = Annotated[str, typer.Option(help="An emulator, by its URL. [default: the local cloud]")]
Region = Annotated[str, typer.Option(help="AWS region.")]
Stack = Annotated[str, typer.Option(help="The stack's name.")]
Language = Annotated[str, typer.Option(help="ko or en.")]


@app.command()
def report(
    *,
    tenant: Annotated[str, typer.Option(help="Whose figures.")],
    since: Annotated[
        str, typer.Option("--from", help="First day, as 2026-05-01. [default: a year ago]")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Last day. [default: today]")] = "",
    aws: OnAws = False,
    endpoint: Endpoint = "",
    region: Region = REGION,
    stack: Stack = "jikimi",
    lang: Language = "ko",
) -> None:
    """Print what cases took: real, drill and false alarm, each by itself."""
    from infra.local.figures import Period, ledger, show_figures

    period = Period.of(since, until)
    book = ledger(endpoint, aws=aws, region=region, stack=stack)
    show_figures(out, book.cases(tenant), tenant, period, lang)


@audit_app.command()
def verify(
    *,
    tenant: Annotated[str, typer.Option(help="Only this one. [default: every tenant]")] = "",
    aws: OnAws = False,
    endpoint: Endpoint = "",
    region: Region = REGION,
    stack: Stack = "jikimi",
    lang: Language = "ko",
) -> None:
    """Walk the hash chain of every case's timeline; say which line was touched. Exit code 1 if any was."""
    from infra.local.figures import ledger
    from infra.local.figures import verify as walk

    book = ledger(endpoint, aws=aws, region=region, stack=stack)
    if walk(out, book, [tenant] if tenant else book.tenants(), lang):
        raise typer.Exit(FAILED)


@dlq_app.command(name="list")
def dlq_list(
    *,
    queue: Annotated[str, typer.Option(help="ingest; or rules: what no rule could hand over.")] = "ingest",
    limit: Annotated[int, typer.Option(help="Letters at the most.")] = 100,
    aws: OnAws = False,
    endpoint: Endpoint = "",
    region: Region = REGION,
    stack: Stack = "jikimi",
) -> None:
    """Each letter with when it was sent, how often it was tried, and why it was given up."""
    from infra.local.dead_letters import letters, release

    sqs, url, _ = _dead_letters(queue, endpoint, aws=aws, region=region, stack=stack)
    found = letters(sqs, url, limit)
    release(sqs, url, found)
    table = Table("message", "sent", "tried", "reason")
    for each in found:
        sent = datetime.fromtimestamp(each.sent_ms / 1000, UTC).isoformat(timespec="seconds")
        table.add_row(each.message_id, sent, str(each.receives), each.reason)
    out.print(table if found else "Nothing was given up.")


@dlq_app.command(name="show")
def dlq_show(
    message_id: str,
    *,
    queue: Annotated[str, typer.Option(help="ingest or rules.")] = "ingest",
    aws: OnAws = False,
    endpoint: Endpoint = "",
    region: Region = REGION,
    stack: Stack = "jikimi",
) -> None:
    """One letter, whole."""
    from infra.local.dead_letters import letters, release, shown

    sqs, url, _ = _dead_letters(queue, endpoint, aws=aws, region=region, stack=stack)
    found = letters(sqs, url, 1000)
    release(sqs, url, found)
    letter = next((each for each in found if each.message_id == message_id), None)
    if letter is None:
        raise CloudFailed(f"There is no letter {message_id}. See: jikimi dlq list")
    out.print(f"{letter.reason}\n{shown(letter)}", markup=False)


@dlq_app.command(name="redrive")
def dlq_redrive(
    *,
    aws: OnAws = False,
    endpoint: Endpoint = "",
    region: Region = REGION,
    stack: Stack = "jikimi",
) -> None:
    """Send every letter of ingest back into the ordinary queue. Mend the cause first."""
    from infra.local.dead_letters import redrive

    sqs, url, back_to = _dead_letters("ingest", endpoint, aws=aws, region=region, stack=stack)
    out.print(f"{redrive(sqs, url, back_to)} messages went back.")


def _dead_letters(queue: str, endpoint: str, *, aws: bool, region: str, stack: str) -> tuple[Any, str, str]:
    """(SQS, the dead-letter queue, where its letters go back to)."""
    from infra.local.dead_letters import QUEUES
    from infra.local.deploy import outputs
    from infra.local.figures import place_of

    if queue not in QUEUES:
        raise CloudFailed(f"There is no queue {queue!r}. There are: {', '.join(QUEUES)}")
    place = place_of(endpoint, aws=aws, region=region)
    known = outputs(place, stack)
    return place.client("sqs"), known[QUEUES[queue]], known["OrdinaryQueueUrl"]


@app.command()
def doctor() -> None:
    """Look at what the local cloud needs on this machine, and say what is missing."""
    table = Table.grid(padding=(0, 2))
    table.add_row("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    table.add_row("MiniStack", version("ministack"))
    free_mb = shutil.disk_usage(tempfile.gettempdir()).free // 2**20
    table.add_row("Free for temporary files", f"{free_mb} MB in {tempfile.gettempdir()}")
    with _telling("starting a local cloud"), Server() as server:
        table.add_row("Local cloud", f"starts, HTTP and MQTT ({server.endpoint}), and stops")
    out.print(table)
    if free_mb < 500:
        raise CloudFailed("The functions' temporary files want 500 MB. Set TMPDIR to a larger disk.")


def _hand_over(module: str, arguments: list[str]) -> None:
    """Run another module's `main(arguments)`; its number is our exit code."""
    code = importlib.import_module(module).main(arguments)
    if code:
        raise typer.Exit(code)


@contextmanager
def _telling(first: str) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done now."""
    with out.status(first) as spinner:
        yield spinner.update


def main() -> None:
    """The entry point: failures we foresee become a sentence and an exit code."""
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

    try:
        app()
    except CloudFailed as error:
        _give_up(str(error))
    except EndpointConnectionError as error:
        _give_up(f"Nothing answers there. Is it running? ({error})")
    except NoCredentialsError:
        _give_up("There are no AWS credentials. Set AWS_PROFILE, or sign in: aws sso login")
    except (BotoCoreError, ClientError) as error:
        _give_up(f"AWS refuses: {error}")
    except KeyboardInterrupt:
        complain.print("Interrupted; nothing is left running.")
        sys.exit(INTERRUPTED)


def _give_up(sentence: str) -> NoReturn:
    complain.print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(FAILED)
