"""Devices: how a teacher's phone is reached by push."""

import json
from dataclasses import replace

from functions.api.desk import AtDesk, Desk, new_router
from shared.domain.errors import NotFound, Rejected
from shared.domain.places import Phone
from shared.schema import http
from shared.schema.push import DeviceAsked, DeviceTold, PushKey

router = new_router()


@router.put("/devices/<phone_id>", summary="Register a phone for push", tags=["people"])
def put_device(phone_id: http.Id, body: DeviceAsked, desk: AtDesk) -> DeviceTold:
    """Store where the phone's app or page is reached; the same twice is the same.

    An app (android, ios) has a push_token, a page (web) a subscription: 400 for anything else.
    """
    phone = desk.on.registry.phone(phone_id)
    if not desk.caller.sees(phone.facility_id):
        raise NotFound("phone-not-found")
    after = _reached(desk, phone, body)
    if after != phone:
        desk.on.registry.put(after)
    return DeviceTold(
        phone_id=phone_id, facility_id=phone.facility_id, platform=body.platform, reachable=True
    )


@router.get("/push-key", summary="What a page subscribes with", tags=["people"])
def push_key(desk: AtDesk) -> PushKey:
    """The district's public key for web push. 404 where web push is not set up."""
    return PushKey(key=desk.on.devices.push_key())


def _reached(desk: Desk, phone: Phone, body: DeviceAsked) -> Phone:
    if body.platform == "web" and body.subscription is not None and body.push_token is None:
        keys = {"p256dh": body.subscription.p256dh, "auth": body.subscription.auth}
        endpoint = json.dumps({"endpoint": body.subscription.endpoint, "keys": keys})
        return replace(phone, platform="web", push_token="", endpoint=endpoint)
    if body.platform != "web" and body.push_token is not None and body.subscription is None:
        endpoint = desk.on.devices.endpoint(phone.phone_id, body.push_token)
        return replace(phone, platform=body.platform, push_token=body.push_token, endpoint=endpoint)
    raise Rejected("subscription-refused")
