"""Signing in: a password for a token, so that a screen needs no other origin than this API."""

from aws_lambda_powertools.event_handler import Request

from functions.api.access import Role, account, roles
from functions.api.desk import AtDesk, new_router
from shared.adapters.identity import Identity, Session
from shared.domain.errors import Unauthorized
from shared.schema.http import ActorTold, PeopleTold, PersonTold, Renew, SessionTold, SignIn

router = new_router()


@router.post("/sign-in", summary="Sign in", tags=["people"])
def sign_in(body: SignIn, request: Request) -> SessionTold:
    """A token for user name and password; 401 when they do not match, without saying which."""
    identity: Identity = request.context["people"]()
    return _told(identity.sign_in(body.username, body.password))


@router.post("/sign-in/refresh", summary="Stay signed in", tags=["people"])
def refresh(body: Renew, request: Request) -> SessionTold:
    """A fresh token for a refresh token."""
    identity: Identity = request.context["people"]()
    return _told(identity.refresh(body.refresh_token))


@router.get("/people", summary="Who may sign in", tags=["people"])
def people(desk: AtDesk, request: Request) -> PeopleTold:
    """The district's accounts and what each may do. Accounts are made and ended in the user pool."""
    identity: Identity = request.context["people"]()
    logins = identity.logins(desk.on.tenant_id, [role.value for role in Role])
    return PeopleTold(
        people=[
            PersonTold(
                actor_id=each.username,
                roles=list(each.roles),
                facility_id=each.facility_id,
                enabled=each.enabled,
            )
            for each in logins
        ]
    )


def _told(session: Session) -> SessionTold:
    claims = session.claims
    mine = roles(claims)
    role = next((role for role in Role if role in mine), None)
    if role is None or not claims.get("custom:tenant"):
        raise Unauthorized("sign-in-incomplete")
    return SessionTold(
        id_token=session.id_token,
        refresh_token=session.refresh_token or None,
        expires_in_s=session.expires_in_s,
        actor=ActorTold(
            actor_id=account(claims),
            role=role.value,
            tenant_id=str(claims["custom:tenant"]),
            facility_id=str(claims.get("custom:facility", "")),
            name=str(claims.get("name") or account(claims)),
        ),
    )
