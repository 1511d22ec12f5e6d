"""Stand-in until services.views is there."""


async def rebuilt() -> str:
    return "-"


async def versions(model: str) -> tuple[list[str], list[list[str]]]:
    return ["a", "b"], [["1", "2"]]
