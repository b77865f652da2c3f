"""Devices: how a teacher's phone is reached by push."""

from dataclasses import replace

from functions.api.desk import AtDesk, new_router
from shared.domain.errors import NotFound
from shared.schema import http

router = new_router()


@router.put("/devices/<phone_id>", summary="Register a phone for push", tags=["people"])
def put_device(phone_id: http.Id, body: http.DeviceAsked, desk: AtDesk) -> http.DeviceTold:
    """Store the push provider's token and make or renew the endpoint; the same twice is the same."""
    phone = desk.on.registry.phone(phone_id)
    if not desk.caller.sees(phone.facility_id):
        raise NotFound("phone-not-found")
    endpoint = desk.on.devices.endpoint(phone_id, body.push_token)
    after = replace(phone, platform=body.platform, push_token=body.push_token, endpoint=endpoint)
    if after != phone:
        desk.on.registry.put(after)
    return http.DeviceTold(
        phone_id=phone_id, facility_id=phone.facility_id, platform=body.platform, reachable=True
    )
