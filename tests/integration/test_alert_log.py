"""What people were told, stored: in memory, on moto and on the local cloud."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.channels import Alert, Attempt, alert_id, attempted
from shared.domain.errors import NotFound
from tests.integration.conftest import START, World


def alert(case_id: str, recipient_id: str = "phone-1") -> Alert:
    own = alert_id(case_id, "case-opened.0", recipient_id)
    return Alert(own, case_id, "case-opened", recipient_id, START, (Attempt("push", "down", START),))


def test_alerts_come_back_as_they_were_and_only_their_own_cases(cloud: World) -> None:
    on = cloud.adapters_for(cloud.tenant())
    mine, other = alert("case-1"), alert("case-2")
    on.alerts.save([mine, other])

    assert (list(on.alerts.of_case("case-1")), on.alerts.get(other.alert_id)) == ([mine], other)


def test_a_receipt_survives_another_try_and_the_first_one_counts(cloud: World) -> None:
    on = cloud.adapters_for(cloud.tenant())
    on.alerts.save([alert("case-1")])
    read_at = START + timedelta(seconds=9)
    on.alerts.read(alert("case-1").alert_id, "teacher-1", read_at)
    again = attempted(alert("case-1"), [Attempt("sms", "sent", START, "receipt-1")])
    on.alerts.save([again])
    on.alerts.read(alert("case-1").alert_id, "teacher-2", read_at + timedelta(seconds=1))

    assert on.alerts.get(again.alert_id) == replace(again, read_at=read_at, read_by="teacher-1")


def test_an_alert_of_another_district_is_not_there(cloud: World) -> None:
    on, there = (cloud.adapters_for(cloud.tenant()) for _ in range(2))
    on.alerts.save([alert("case-1")])

    assert list(there.alerts.of_case("case-1")) == []
    with pytest.raises(NotFound):
        there.alerts.read(alert("case-1").alert_id, "operator-9", START)
