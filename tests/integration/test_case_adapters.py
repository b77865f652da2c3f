"""Cases, shares, workflow and channels: one contract over memory, moto and the local cloud."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.adapters.cases import DynamoCases, audit, change
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Case, Change, CloseReason
from shared.domain.errors import Conflict, NotFound
from shared.domain.places import Policy
from shared.ports import Message
from tests.casework import SUBJECT, agreed, at, evidence, opening, strip, who
from tests.integration.conftest import MotoCloud, World


@pytest.fixture
def tenant(cloud: World) -> str:
    return cloud.tenant()


def open_one(cloud: World, tenant: str, case_id: str = "case-1") -> Case:
    case, entries = opening(tenant_id=tenant, case_id=case_id, found=evidence(x_m=900))
    return cloud.adapters_for(tenant).cases.create(case, entries)


def acting(cloud: World, tenant: str, *how: Callable[[Case], Change]) -> Case:
    case = cloud.adapters_for(tenant).cases.get("case-1")
    for each in how:
        case, _ = change(cloud.adapters_for(tenant).cases, "case-1", each)
    return case


def acknowledge(case: Case) -> Change:
    return cases.acknowledge(case, who(), at(5))


def close(case: Case) -> Change:
    return cases.close(case, CloseReason.FALSE_ALARM, "", who(), at(50))


def test_a_case_comes_back_as_it_went_in(cloud: World, tenant: str) -> None:
    stored = open_one(cloud, tenant)

    assert cloud.adapters_for(tenant).cases.get("case-1") == stored


def test_a_case_of_another_tenant_is_not_there(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)

    with pytest.raises(NotFound):
        cloud.adapters_for(cloud.tenant()).cases.get("case-1")


def test_a_subject_has_one_open_case_and_the_second_is_told_which(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)

    with pytest.raises(Conflict) as conflict:
        open_one(cloud, tenant, "case-2")

    assert (conflict.value.code, conflict.value.params["case_id"]) == ("subject-has-open-case", "case-1")


def test_the_open_case_of_a_subject_is_found_until_it_closes(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    mine = cloud.adapters_for(tenant).cases
    before = mine.open_case_of("child-1")
    acting(cloud, tenant, close)

    assert (before is not None, mine.open_case_of("child-1")) == (True, None)


def test_a_closed_case_makes_room_for_the_next(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, close)
    open_one(cloud, tenant, "case-2")

    assert [case.case_id for case in cloud.adapters_for(tenant).cases.open_cases()] == ["case-2"]


def test_a_case_is_not_reopened_beside_another_of_the_same_subject(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, close)
    open_one(cloud, tenant, "case-2")

    with pytest.raises(Conflict, match="subject-has-open-case"):
        acting(cloud, tenant, lambda case: cases.reopen(case, who(), at(60)))


def test_a_reopened_case_is_among_the_open_ones(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, close, lambda case: cases.reopen(case, who(), at(60)))

    assert [case.case_id for case in cloud.adapters_for(tenant).cases.open_cases()] == ["case-1"]


@pytest.mark.parametrize(("since_s", "ids"), [(49, ["case-1", "case-2"]), (51, ["case-2"])])
def test_recent_cases_are_the_open_ones_and_those_closed_since(
    cloud: World, tenant: str, since_s: float, ids: list[str]
) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, close)
    open_one(cloud, tenant, "case-2")
    recent = cloud.adapters_for(tenant).cases.recent(at(since_s))

    assert sorted(case.case_id for case in recent) == ids


def test_who_read_an_older_version_loses(cloud: World, tenant: str) -> None:
    stale = open_one(cloud, tenant)
    acting(cloud, tenant, acknowledge)
    after, entries = cases.police_told(stale, "112-1", "phone", who(), at(9))

    with pytest.raises(Conflict, match="case-overtaken"):
        cloud.adapters_for(tenant).cases.save(after, entries)


def test_a_lost_race_leaves_no_line_on_the_timeline(cloud: World, tenant: str) -> None:
    stale = open_one(cloud, tenant)
    acting(cloud, tenant, acknowledge)
    after, entries = cases.police_told(stale, "112-1", "phone", who(), at(9))
    with pytest.raises(Conflict):
        cloud.adapters_for(tenant).cases.save(after, entries)
    lines = cloud.adapters_for(tenant).cases.timeline("case-1")

    assert [entry.code for entry in lines] == ["opened", "acknowledged"]


def test_a_change_that_is_overtaken_is_made_on_the_newest(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    mine = cloud.adapters_for(tenant).cases
    raced = []

    def told_while_another_acknowledges(case: Case) -> Change:
        if not raced:
            raced.append(acting(cloud, tenant, acknowledge))
        return cases.police_told(case, "112-1", "phone", who("teacher"), at(9))

    after, _ = change(mine, "case-1", told_while_another_acknowledges)

    assert (after.owner, cases.broken_at(after, mine.timeline("case-1"))) == ("operator-1", None)


def test_the_timeline_comes_in_order_and_from_where_one_left_off(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, *[lambda case: cases.note(case, "said", {"n": 1}, who(), at(9))] * 11)
    lines = cloud.adapters_for(tenant).cases.timeline("case-1", after_seq=9)

    assert [entry.seq for entry in lines] == [10, 11, 12]


def test_evidence_comes_back_with_its_line(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)

    assert cloud.adapters_for(tenant).cases.timeline("case-1")[0].evidence == evidence(x_m=900)


def test_at_2_8_an_audit_finds_nothing_where_nothing_was_touched(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, acknowledge, close)

    assert audit(cloud.adapters_for(tenant).cases, at(0)) == {}


def test_at_2_8_an_audit_names_the_case_and_the_line_somebody_edited(moto_cloud: MotoCloud) -> None:
    dynamodb, table = moto_cloud.client("dynamodb"), moto_cloud.environment.cases_table
    mine = DynamoCases("garam", table, dynamodb)
    mine.create(*opening())
    change(mine, "case-1", acknowledge)
    key = {"pk": {"S": "garam#case#case-1"}, "sk": {"S": "t#000002"}}
    body = dynamodb.get_item(TableName=table, Key=key)["Item"]["body"]["S"]
    dynamodb.put_item(TableName=table, Item=key | {"body": {"S": body.replace("operator-1", "operator-2")}})

    assert audit(mine, at(0)) == {"case-1": 2}


def test_at_2_8_an_audit_names_a_case_that_somebody_removed(moto_cloud: MotoCloud) -> None:
    dynamodb, table = moto_cloud.client("dynamodb"), moto_cloud.environment.cases_table
    mine = DynamoCases("garam", table, dynamodb)
    mine.create(*opening())
    mine.create(*opening(case_id="case-2", subject=replace(SUBJECT, subject_id="child-2")))
    change(mine, "case-1", close)
    for case_id in ("case-1", "case-2"):
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": f"garam#case#{case_id}"}, "sk": {"S": "head"}})

    assert audit(mine, at(0)) == {"case-1": 0, "case-2": 0}


def test_an_answer_is_remembered_under_its_key(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    mine = cloud.adapters_for(tenant).cases
    first = mine.remember("case-1", "key", {"n": 1})

    assert (first, mine.remember("case-1", "key", {"n": 2})) == (None, {"n": 1})


def test_news_rises_by_waking_and_not_by_saving(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    mine = cloud.adapters_for(tenant)
    mine.workflow.wake("case-1")
    mine.workflow.wake("case-1")
    acting(cloud, tenant, acknowledge)

    assert mine.cases.get("case-1").news == 2


def test_waking_a_case_that_is_gone_is_no_error(cloud: World, tenant: str) -> None:
    cloud.adapters_for(tenant).workflow.wake("no-such-case")

    with pytest.raises(NotFound):
        cloud.adapters_for(tenant).cases.get("no-such-case")


def offered(cloud: World, owner: str, neighbour: str) -> sharing.Share:
    agreement = agreed(owner, neighbour, strip(1))
    share = sharing.offer(cloud.adapters_for(owner).cases.get("case-1"), agreement, Policy(), at(10))
    return cloud.adapters_for(owner).shares.save(share)


def test_an_offer_is_seen_on_both_sides(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    neighbour = cloud.tenant()
    share = offered(cloud, tenant, neighbour)
    there = cloud.adapters_for(neighbour).shares

    assert [cloud.adapters_for(tenant).shares.of_case("case-1"), there.inbox()] == [[share], [share]]


def test_a_third_tenant_neither_sees_nor_changes_a_share(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    share = offered(cloud, tenant, cloud.tenant())
    stranger = cloud.adapters_for(cloud.tenant()).shares
    for forbidden in (
        lambda: stranger.received(tenant, "case-1"),
        lambda: stranger.save(sharing.accept(share, "x", at(11))),
    ):
        with pytest.raises(NotFound):
            forbidden()

    assert stranger.inbox() == []


def test_of_two_who_decide_at_once_one_is_overtaken(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    neighbour = cloud.tenant()
    share = offered(cloud, tenant, neighbour)
    cloud.adapters_for(neighbour).shares.save(sharing.accept(share, "operator-9", at(11)))

    with pytest.raises(Conflict, match="share-overtaken"):
        cloud.adapters_for(tenant).shares.save(sharing.revoke(share, "operator-1", at(11)))


def test_a_revoked_share_is_revoked_on_both_sides(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    neighbour = cloud.tenant()
    share = offered(cloud, tenant, neighbour)
    cloud.adapters_for(tenant).shares.save(sharing.revoke(share, "operator-1", at(11)))

    assert cloud.adapters_for(neighbour).shares.received(tenant, "case-1").state.value == "revoked"


def test_a_share_is_not_offered_twice_at_once(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    neighbour = cloud.tenant()
    share = offered(cloud, tenant, neighbour)

    with pytest.raises(Conflict, match="share-overtaken"):
        cloud.adapters_for(tenant).shares.save(replace(share, version=0))


def test_the_operators_topic_takes_a_message(cloud: World, tenant: str) -> None:
    message = Message("operators", tenant, "key-1", "Exercise", {"code": "case-opened", "case": "case-1"})

    assert cloud.adapters_for(tenant).operators.send(message).outcome == "sent"


@pytest.mark.parametrize(("channel", "kind"), [("police", "police"), ("push", "guardian")])
def test_at_4_5_an_exercise_stops_at_the_wall_of_every_real_channel(
    cloud: World, tenant: str, channel: str, kind: str
) -> None:
    message = Message(kind, "https://police.example/", "key-1", "Exercise", {"code": "x", "case": "c"})
    delivery = getattr(cloud.adapters_for(tenant), channel).send(message)

    assert (delivery.outcome, delivery.reason) == ("withheld", "exercise-wall")


def test_a_push_with_a_name_in_it_is_a_fault_of_ours(cloud: World, tenant: str) -> None:
    message = Message("push", "endpoint", "key-1", "Actual", {"code": "x", "name": "somebody"})

    with pytest.raises(ValueError, match="name"):
        cloud.adapters_for(tenant).push.send(message)


def test_at_5_6_coordinates_are_destroyed_and_the_chain_still_holds(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, acknowledge, close)
    store = cloud.adapters_for(tenant).cases
    lines = store.forget_places("case-1")
    acting(cloud, tenant, lambda case: cases.places_destroyed(case, who("system"), at(60)))

    left = [entry.evidence for entry in store.timeline("case-1") if entry.evidence]
    assert (lines, left, store.get("case-1").last, audit(store, at(0))) == (1, [], {}, {})


def test_the_cases_there_were_about_somebody(cloud: World, tenant: str) -> None:
    open_one(cloud, tenant)
    acting(cloud, tenant, close)
    open_one(cloud, tenant, "case-2")

    found = cloud.adapters_for(tenant).cases.of_subject("child-1")
    assert [case.case_id for case in found] == ["case-1", "case-2"]
