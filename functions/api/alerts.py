"""Alerts: what a push's opaque id stands for, that somebody read it, and who was told about a case."""

from functions.api.desk import AtDesk, new_router
from shared.schema import http
from shared.schema.push import AlertTold, CaseAlerts, OneAlert

router = new_router()


@router.get("/alerts/<alert_id>", summary="What an alert is about", tags=["people"])
def alert(alert_id: http.Id, desk: AtDesk) -> OneAlert:
    """Fetched by whoever got a push, after signing in: the push itself holds this id and nothing else."""
    found = desk.on.alerts.get(alert_id)
    desk.case(found.case_id)
    return OneAlert(alert=AlertTold.of(found))


@router.post("/alerts/<alert_id>/read", summary="An alert was opened", tags=["people"])
def read(alert_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> OneAlert:
    """The read receipt; the first one counts."""
    case = desk.case(desk.on.alerts.get(alert_id).case_id)
    after = desk.on.alerts.read(alert_id, desk.actor.actor_id, desk.now)
    desk.on.live.tell("case", case.case_id, case.version)
    return OneAlert(alert=AlertTold.of(after))


@router.get("/cases/<case_id>/alerts", summary="Who was told, and how", tags=["cases"])
def of_case(case_id: http.Id, desk: AtDesk) -> CaseAlerts:
    """Delivery and read receipts of a case, and which channels work."""
    case = desk.case(case_id)
    return CaseAlerts.of(desk.on.alerts.of_case(case.case_id))
