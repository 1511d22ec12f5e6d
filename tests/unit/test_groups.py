"""Names that a group of a user of the SDK cannot have."""

from pathlib import Path

import pytest
from modelog import ModelValidated, Registry, SyncRegistry
from modelog.groups import SERVICES

FOLDERS = {path.parent.name for path in Path(__file__).parents[2].glob("services/*/app.py")}


def test_the_names_of_all_services_are_known_to_the_sdk() -> None:
    assert len(FOLDERS) >= 7
    assert FOLDERS <= SERVICES


@pytest.mark.parametrize("group", sorted(SERVICES))
def test_a_group_of_the_name_of_a_service_is_refused(group: str) -> None:
    with pytest.raises(ValueError, match=f"found '{group}', which is that of a service of modelog.*: use another name"):
        Registry(prefix="team.").subscribe(ModelValidated, group=group)


@pytest.mark.parametrize("group", ["promotion-ci", "Promotion", "my.promotion", "deployer"])
async def test_another_name_is_taken(group: str) -> None:
    async with Registry() as registry:
        assert registry.subscribe(ModelValidated, group=group)


def test_a_registry_without_async_refuses_it_too() -> None:
    registry = SyncRegistry("127.0.0.1:1")
    with registry, pytest.raises(ValueError, match="service of modelog"):
        registry.subscribe(ModelValidated, group="promotion")
