"""What the state machine hands its tasks, and what they answer."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Next(StrEnum):
    """What the state machine does after looking at the case; each is one arrow out of `WhatNext`."""

    TELL = "tell"
    ESCALATE = "escalate"
    OFFER = "offer"
    GRANT = "grant"
    END_SHARES = "end-shares"
    TELL_GUARDIANS = "tell-guardians"
    HAND_OVER = "hand-over"
    AWAIT_ACKNOWLEDGEMENT = "await-acknowledgement"
    AWAIT_NEWS_BRIEFLY = "await-news-briefly"
    AWAIT_NEWS = "await-news"
    RENEW = "renew"
    CLOSE = "close"
    GONE = "gone"


READY = {"task": "ready"}
"""Asks a function of the workflow only to be there: it starts, and does nothing."""


class CaseRun(BaseModel):
    """The state machine's state: which case, how far this execution has come, what it last looked at.

    round: 0 for the first execution of a case, one more for each fresh one. turns: looks in this one.
    seen: the case's `news` at the last look, as text, the way a DynamoDB condition wants it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: str
    case_id: str
    status: str
    round: int
    turns: int
    seen: str = ""
    next: Next | None = None


class AssessTask(BaseModel):
    """Input of `assess_case`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["open", "assess", "offer", "grant", "end-shares", "renew", "close", "revoke", "report"]
    case: CaseRun


class NotifyTask(BaseModel):
    """Input of `notify`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["teachers", "operators", "police", "escalate", "neighbours", "guardians", "outcome"]
    case: CaseRun


class Told(BaseModel):
    """What `notify` answers: how many were told, and how many could not be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sent: int
    failed: int
