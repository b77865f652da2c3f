"""Breaking the glass on the wire, version 1."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from shared.schema.http import Asked, Told, _example


class GlassBroken(Asked):
    """Why somebody must see where a child is although nobody is missing it. reason: for the supervisor."""

    model_config = _example({"reason": "버스 사고 현장, 아이들이 흩어졌을 수 있음"})

    reason: Annotated[str, StringConstraints(min_length=10, max_length=300, strip_whitespace=True)]


class GlassTold(Told):
    """Until when this person may read where this child is. told: what became of telling the supervisor."""

    until: datetime
    told: str
