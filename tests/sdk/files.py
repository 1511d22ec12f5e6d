"""Where the examples and the schemas are."""

from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
PUBLISHED = HERE / "published"
SCHEMAS = HERE.parents[1] / "sdk" / "schemas"
