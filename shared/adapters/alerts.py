"""Alarms of an outing, pushed to phones."""

from collections.abc import Iterable

from shared.adapters.reaching import channel
from shared.adapters.wiring import Adapters
from shared.domain.channels import of_phone
from shared.domain.outing import Outing
from shared.domain.places import Phone
from shared.domain.proximity import PhoneTrack
from shared.domain.watching import Alert
from shared.ports import Message


def tell_child(
    on: Adapters, outing: Outing, alert: Alert, *, child_id: str, at_ms: int, phones: Iterable[Phone]
) -> list[str]:
    """Push an alarm about a child to phones. Returns the outcomes, one per phone."""
    return _push(on, outing, alert, phones, key=f"{child_id}:{at_ms}", about={"child": child_id})


def tell_stopped(on: Adapters, outing: Outing, silent: PhoneTrack) -> list[str]:
    """Push that a phone stopped watching: to the outing's others, and to those at the daycare."""
    out = {phone_id for each in on.outings.running() for phone_id in each.phones} - {*outing.phones}
    others = [
        phone
        for phone in on.registry.phones(outing.facility_id)
        if phone.phone_id != silent.phone_id and phone.phone_id not in out
    ]
    key = f"{silent.phone_id}:{silent.told_ms}"
    return _push(on, outing, Alert.STOPPED, others, key=key, about={"phone": silent.phone_id})


def _push(
    on: Adapters, outing: Outing, alert: Alert, phones: Iterable[Phone], *, key: str, about: dict[str, str]
) -> list[str]:
    body = {"code": alert.value, "tenant": on.tenant_id, "outing": outing.outing_id, **about}
    outcomes: list[str] = []
    for phone in phones:
        if not phone.endpoint:
            outcomes.append("no-endpoint")
            continue
        own_key = f"{outing.outing_id}:{alert}:{key}:{phone.phone_id}"
        via = of_phone(phone).addresses[0].channel
        message = Message("push", phone.endpoint, own_key, outing.status.value, body, via)
        outcomes.append(channel(on, via).send(message).outcome)
    return outcomes
