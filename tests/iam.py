"""What the template's IAM policies allow, decided here: emulators do not know `dynamodb:LeadingKeys`.

By AWS's evaluation logic for one account: allowed if a statement allows and none denies. Only what our
template uses is understood; anything else raises, for an evaluator that guesses proves nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tests.template import resources, template

Statement = Mapping[str, Any]

_OPERATIONS = {
    "get_item": "dynamodb:GetItem",
    "put_item": "dynamodb:PutItem",
    "update_item": "dynamodb:UpdateItem",
    "delete_item": "dynamodb:DeleteItem",
    "query": "dynamodb:Query",
    "scan": "dynamodb:Scan",
    "batch_get_item": "dynamodb:BatchGetItem",
    "batch_write_item": "dynamodb:BatchWriteItem",
}
_TRANSACTED = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One authorization. keys: the partition keys it names; None: it names none, as a Scan does.

    table: logical id in the template. tags: of the caller's session.
    """

    action: str
    table: str
    keys: tuple[str, ...] | None
    tags: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> tuple[str, ...] | None:
        """A condition key's values; None when the request has none."""
        if name == "dynamodb:LeadingKeys":
            return self.keys
        if name.startswith("aws:PrincipalTag/"):
            tag = self.tags.get(name.removeprefix("aws:PrincipalTag/"))
            return None if tag is None else (tag,)
        raise NotImplementedError(name)


@cache
def role_names() -> list[str]:
    """Roles that may touch a table."""
    return [name for name in resources("AWS::IAM::Role") if any(map(is_about_tables, statements(name)))]


@cache
def statements(role: str) -> list[dict[str, Any]]:
    """A role's statements on AWS, inline and attached, with `Fn::If` decided. Shared: do not change them."""
    attached = [
        each["Properties"]["PolicyDocument"]
        for each in resources("AWS::IAM::Policy").values()
        if each.get("Condition") != "IsEmulator" and {"Ref": role} in each["Properties"]["Roles"]
    ]
    inline = template()["Resources"][role]["Properties"].get("Policies", [])
    documents = [each["PolicyDocument"] for each in inline] + attached
    return [_on_aws(each) for document in documents for each in document["Statement"]]


def is_about_tables(statement: Statement) -> bool:
    return any(action.startswith("dynamodb:") for action in statement["Action"])


def tables_of(statement: Statement) -> list[str]:
    """Logical ids of the tables a statement names."""
    named = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    return [each["Fn::GetAtt"][0] for each in named if isinstance(each, dict)] if named != ["*"] else []


def allowed(policy: Sequence[Statement], request: Request) -> bool:
    """Whether these statements let the request through."""
    applying = [each for each in policy if _applies(each, request)]
    effects = {each["Effect"] for each in applying}
    return "Allow" in effects and "Deny" not in effects


def requests_of(operation: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Request]:
    """What AWS would authorize for a boto3 call; TableName is taken for the logical id."""
    if operation == "transact_write_items":
        for item in params["TransactItems"]:
            ((kind, detail),) = item.items()
            yield Request(_TRANSACTED[kind], detail["TableName"], (_key(detail),), tags)
    elif operation == "batch_execute_statement":
        for statement in params["Statements"]:
            yield _partiql(statement, tags)
    elif operation == "query":
        pk = re.fullmatch(r"pk = (:\w+)( AND .*)?", params["KeyConditionExpression"])
        assert pk, params["KeyConditionExpression"]
        key = params["ExpressionAttributeValues"][pk[1]]["S"]
        yield Request("dynamodb:Query", params["TableName"], (key,), tags)
    elif operation in ("batch_get_item", "batch_write_item"):
        for table, wanted in params["RequestItems"].items():
            if operation == "batch_get_item":
                keys = tuple(each["pk"]["S"] for each in wanted["Keys"])
            else:
                keys = tuple(_key(next(iter(each.values()))) for each in wanted)
            yield Request(_OPERATIONS[operation], table, keys, tags)
    else:
        yield Request(_OPERATIONS[operation], params["TableName"], (_key(params),), tags)


class Guarded:
    """A DynamoDB client behind the template's policies: what no function's role would allow is refused.

    PermissionError for a request that AWS would refuse to every function under these session tags.
    """

    def __init__(self, dynamodb: Any, tags: Mapping[str, str]) -> None:
        self._dynamodb = dynamodb
        self._tags = tags

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._dynamodb, name)
        if name == "exceptions":
            return found
        if name == "get_paginator":
            return lambda operation: _GuardedPaginator(self, operation, found(operation))

        def call(**params: Any) -> Any:
            self.check(name, params)
            return found(**params)

        return call

    def check(self, operation: str, params: Mapping[str, Any]) -> None:
        for request in requests_of(operation, params, self._tags):
            if not any(allowed(statements(role), request) for role in role_names()):
                raise PermissionError(f"no role allows {request}")


@dataclass(frozen=True, slots=True)
class _GuardedPaginator:
    guard: Guarded
    operation: str
    paginator: Any

    def paginate(self, **params: Any) -> Any:
        self.guard.check(self.operation, params)
        return self.paginator.paginate(**params)


def _applies(statement: Statement, request: Request) -> bool:
    return (
        request.action in statement["Action"]
        and (statement["Resource"] == "*" or request.table in tables_of(statement))
        and all(
            _holds(operator, name, wanted, request)
            for operator, test in statement.get("Condition", {}).items()
            for name, wanted in test.items()
        )
    )


def _holds(operator: str, name: str, wanted: Any, request: Request) -> bool:
    values = request.value(name)
    if operator == "Null":
        return (values is None) == (wanted == "true")
    quantifier, _, plain = operator.rpartition(":")
    patterns = [
        each for each in (_filled(pattern, request) for pattern in _listed(wanted)) if each is not None
    ]
    matches = {"StringLike": fnmatchcase, "StringEquals": str.__eq__}[plain]
    found = [any(matches(value, pattern) for pattern in patterns) for value in values or ()]
    if quantifier == "ForAllValues":
        return all(found)  # of no values, too: that is the hole a Null guard closes
    if quantifier == "ForAnyValue":
        return any(found)
    raise NotImplementedError(operator)


def _filled(pattern: str, request: Request) -> str | None:
    """A pattern with its policy variables filled in; None when the request cannot fill one: no match."""
    for variable in re.findall(r"\$\{([^}]+)\}", pattern):
        values = request.value(variable)
        if values is None:
            return None
        literal = re.sub(r"[*?\[]", lambda each: f"[{each[0]}]", values[0])
        pattern = pattern.replace(f"${{{variable}}}", literal)
    return pattern


def _key(detail: Mapping[str, Any]) -> str:
    return str((detail.get("Item") or detail.get("Key") or detail)["pk"]["S"])


def _partiql(statement: Mapping[str, Any], tags: Mapping[str, str]) -> Request:
    text, parameters = statement["Statement"], statement["Parameters"]
    said = re.match(r'(INSERT INTO|UPDATE|DELETE FROM) "([^"]+)"', text)
    assert said, text
    verb, table = said[1].split()[0], said[2]
    if verb == "INSERT":
        names = re.findall(r"'(\w+)': \?", text)
        key = parameters[names.index("pk")]["S"]
    else:
        place = re.search(r'WHERE "pk"=\?', text)
        key = parameters[text[: place.start()].count("?")]["S"] if place else None
    action = f"dynamodb:PartiQL{verb.capitalize()}"
    return Request(action, table, None if key is None else (key,), tags)


def _on_aws(value: Any) -> Any:
    """The value with `!If [IsAws, …]` decided for AWS."""
    if isinstance(value, list):
        return [_on_aws(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        if condition not in ("IsAws", "HasPush"):
            raise NotImplementedError(condition)
        return _on_aws(then if condition == "IsAws" else otherwise)
    return {name: _on_aws(each) for name, each in value.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
