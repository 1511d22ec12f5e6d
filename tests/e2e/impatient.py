"""`python -m tests.e2e.impatient NAME …`: services that report after seconds what they else report after a minute."""

from __future__ import annotations

from importlib import import_module

from services.__main__ import main

LIMITS_SECONDS = {
    "shared.bus.watch:STALLED_SECONDS": 3.0,
    "shared.bus.watch:GROUP_STALLED_SECONDS": 4.0,
    "shared.bus.watch:GROUP_SECONDS": 1.0,
    "shared.log.progress:STALLED_SECONDS": 3.0,
    "shared.log.progress:HORIZON_SECONDS": 1.0,
}

if __name__ == "__main__":
    for place, seconds in LIMITS_SECONDS.items():
        module, _, name = place.partition(":")
        assert hasattr(import_module(module), name), f"{place} is gone: name what is there instead"
        setattr(import_module(module), name, seconds)
    main()
