"""Print what is in the image, as CycloneDX 1.6 in JSON: Python, its packages, and Debian with its packages.

`python sbom.py VERSION CREATED` runs inside of the image, for the target `sbom` of the Dockerfile. The same image gives
the same document.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

FOLDERS = ["/modelog", sysconfig.get_path("purelib")]
"""Where Python's packages are."""
FIELDS = r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"


def main() -> None:
    """Print the document; the arguments are the version of modelog and the time of the build (ISO 8601)."""
    version, created = sys.argv[1:]
    root = component(ComponentType.CONTAINER, "modelog", version, ["Apache-2.0"])
    bom = Bom(components=[*python(), *debian()])
    bom.metadata.component, bom.metadata.timestamp = root, datetime.fromisoformat(created)
    bom.register_dependency(root, bom.components)
    content = " ".join(sorted(str(part.bom_ref) for part in bom.components))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"{version} {created} {content}")
    print(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))


def component(
    kind: ComponentType, name: str, version: str, licenses: Sequence[str], purl: PackageURL | None = None
) -> Component:
    """A component whose reference is its package URL; a single license may be an expression of SPDX."""
    factory = LicenseFactory()
    make = factory.make_from_string if len(licenses) == 1 else factory.make_with_name
    return Component(
        type=kind,
        name=name,
        version=version,
        purl=purl,
        bom_ref=str(purl or f"{name}@{version}"),
        licenses=[make(text) for text in licenses],
    )


def python() -> Iterator[Component]:
    """Python itself, and each package of its environment."""
    version = platform.python_version()
    purl = PackageURL("generic", name="python", version=version)
    yield component(ComponentType.APPLICATION, "python", version, ["Python-2.0.1"], purl)
    for found in distributions(path=FOLDERS):
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        purl = PackageURL("pypi", name=name, version=found.version)
        yield component(ComponentType.LIBRARY, name, found.version, licenses_of(found.metadata), purl)


def licenses_of(metadata: PackageMetadata) -> list[str]:
    """The license that a package states: an expression, else a short text, else its classifiers."""
    for field in ("License-Expression", "License"):
        if field in metadata and len(metadata[field].splitlines()) == 1:
            return [metadata[field]]
    classifiers = metadata.get_all("Classifier") or []
    return [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]


def debian() -> Iterator[Component]:
    """Debian's release, and each package that dpkg has installed."""
    release = platform.freedesktop_os_release()
    yield component(ComponentType.OPERATING_SYSTEM, release["ID"], release["VERSION_ID"], [])
    query = ["dpkg-query", "--show", f"--showformat={FIELDS}"]
    for line in subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines():
        status, name, version, architecture = line.split("\t")
        if status == "installed":
            qualifiers = {"arch": architecture, "distro": release["VERSION_CODENAME"]}
            purl = PackageURL("deb", release["ID"], name, version, qualifiers)
            yield component(ComponentType.LIBRARY, name, version, copyright_of(name), purl)


def copyright_of(package: str) -> list[str]:
    """The names of licenses in a package's copyright file, as Debian writes them; none where it is only prose."""
    path = Path("/usr/share/doc", package, "copyright")
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    return sorted(set(re.findall(r"^License: *(\w.{0,60}?) *$", text, re.MULTILINE)))


if __name__ == "__main__":
    main()
