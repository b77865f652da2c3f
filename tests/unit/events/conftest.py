import pytest

from events.simulator.city import City, CitySpec


@pytest.fixture(scope="session")
def city() -> City:
    """The city of the demo."""
    return City.build(CitySpec.demo(), 7)
