"""Scenes for the screens, each made through the API and the radio as people and things would make it."""

from dataclasses import dataclass, field
from typing import Any

from events.simulator.play import Play
from events.simulator.scenario import load
from shared.domain.places import Child
from tests.web.world import World

COLOURS = ("yellow", "pink", "green", "blue", "red", "navy", "white", "purple")
SHORT_S = 14.0


@dataclass
class Scene:
    """A world with an outing. others: what further steps left behind, by name."""

    world: World
    teacher: str = "teacher-1-garam"
    outing: dict[str, Any] = field(default_factory=dict)
    play: Play | None = None

    @property
    def outing_id(self) -> str:
        return str(self.outing["outing_id"])

    def children(self) -> list[Child]:
        """The consented children of the teacher's daycare, in roster order."""
        assert self.play is not None
        return list(self.play.cast.children.values())

    def report(self, nth: int, **more: Any) -> dict[str, Any]:
        """The teacher reports the nth child of the outing; the case."""
        child_id = self.outing["members"][nth]["child_id"]
        body = {"child_id": child_id, **more}
        return dict(self.world.call(self.teacher, "POST", "cases", body)["case"])


def outing(world: World, *, children: int = 6, status: str = "Actual", tenant_id: str = "garam") -> Scene:
    """A teacher of the first daycare starts an outing; nothing has been heard yet."""
    teacher = f"teacher-1-{tenant_id}"
    roster = world.call(teacher, "GET", "children")["children"]
    coming = [child for child in roster if child["consent"]][:children]
    members = [
        {
            "child_id": child["child_id"],
            "outfit": {
                "top": COLOURS[n % 8],
                "bottom": "black",
                "shoes": "white",
                "bag": COLOURS[(n + 3) % 8],
            },
        }
        for n, child in enumerate(coming)
    ]
    told = world.call(teacher, "POST", "outings", {"members": members, "status": status})
    return Scene(world, teacher, told["outing"])


def heard(scene: Scene, *, scenario: str = "runs_to_the_road", from_s: float, until_s: float) -> Scene:
    """What phones and scanners say of the group between two moments of a scenario."""
    scene.play = scene.world.play(load(scenario), from_s=from_s, until_s=until_s)
    return scene
