"""What holds for every test: no real account is reached, and a busy machine does not hurry hypothesis."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("jikimi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jikimi")


@pytest.fixture(autouse=True, scope="session")
def _no_real_account() -> None:
    """Credentials that open nothing, unless the tests are pointed at a stack on purpose."""
    if "AWS_ENDPOINT_URL" in os.environ:
        return
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
