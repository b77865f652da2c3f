"""The CloudFormation template as plain Python, for tests and for tables under moto."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions: `!Ref x` becomes {"Ref": x}, `!Sub x` {"Fn::Sub": x}."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def template() -> dict[str, Any]:
    """The whole template. Shared: do not change it."""
    loaded: dict[str, Any] = yaml.load((ROOT / "infra/template.yaml").read_text(), _Loader)  # noqa: S506 -- safe
    return loaded


def resources(kind: str) -> dict[str, Any]:
    """Logical id → resource, of one type."""
    return {name: each for name, each in template()["Resources"].items() if each["Type"] == kind}


def table_definition(logical_id: str) -> dict[str, Any]:
    """What `create_table` takes, from the template's own table."""
    properties = template()["Resources"][logical_id]["Properties"]
    return {name: properties[name] for name in ("AttributeDefinitions", "KeySchema", "BillingMode")}
