"""What has to agree between the files of the repository: versions, pins, links, hooks of CI and Binder."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import aljupyter

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(path: str) -> dict[str, Version]:
    """Versions of a requirements file by name. Every line that names a package must pin it."""
    found = {}
    for line in (ROOT / path).read_text().splitlines():
        if not line or line.startswith(("#", "-")):
            continue
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, f"{path}: {line} is not a pin"
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


def required(texts: list[str]) -> list[Requirement]:
    """Requirements of other projects; `aljupyter[lab]` inside an extra names another extra."""
    return [r for r in map(Requirement, texts) if r.name != PROJECT["name"]]


def committed_files() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: there is no list of the files that belong to it")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


CONSTRAINTS = pins("constraints.txt")
BINDER = pins("binder/requirements.txt")


# --- versions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["dependencies", *PROJECT["optional-dependencies"]])
def test_every_requirement_is_pinned_within_its_bounds(group):
    for requirement in required(PROJECT["optional-dependencies"].get(group, PROJECT["dependencies"])):
        pin = CONSTRAINTS.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} has no version in constraints.txt"
        assert pin in requirement.specifier, f"constraints.txt pins {requirement.name} at {pin}, outside {requirement}"


def test_the_build_backend_is_pinned():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert all(CONSTRAINTS[r.name] in r.specifier for r in map(Requirement, build))


def test_the_version_is_stated_once():
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert not re.search(r"^version:", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    stated = [p for p in ROOT.glob("aljupyter/**/*.py") if re.search(r"^__version__\b", p.read_text(), re.MULTILINE)]
    assert stated == [ROOT / "aljupyter/__init__.py"]


def test_the_changelog_begins_with_this_version():
    heading = re.search(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heading is not None and heading[1] == aljupyter.__version__


# --- Binder: it reads this folder and nothing else ------------------------------------------------------------------


def test_binder_has_one_folder():
    assert (ROOT / "binder").is_dir()
    assert not (ROOT / ".binder").exists(), "Binder refuses a repository that has both"


def test_binder_does_not_hold_a_file_that_takes_precedence():
    assert sorted(p.name for p in (ROOT / "binder").iterdir()) == ["postBuild", "requirements.txt", "runtime.txt"]


def test_binder_runs_a_python_that_the_package_accepts():
    runtime = (ROOT / "binder/runtime.txt").read_text().strip()
    assert runtime.startswith("python-")
    assert runtime.removeprefix("python-") in SpecifierSet(PROJECT["requires-python"])


def test_binder_installs_every_dependency_and_the_lab():
    needed = required(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"])
    assert {canonicalize_name(r.name) for r in needed} == set(BINDER)


def test_binder_pins_what_is_tested():
    assert {name: Version(version.public) for name, version in BINDER.items()} == {n: CONSTRAINTS[n] for n in BINDER}


def test_binder_takes_a_torch_without_cuda():
    assert BINDER["torch"].local == "cpu"
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in (ROOT / "binder/requirements.txt").read_text()


def test_binder_stops_at_the_first_error():
    script = ROOT / "binder/postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/bash\n")
    assert "\nset -euo pipefail\n" in script.read_text()


# --- continuous integration -----------------------------------------------------------------------------------------


def test_ci_runs_make_test_and_stops_at_the_first_error():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines and lines[-1] == "make test"


# --- what a reader meets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"])
def test_links_lead_to_files_that_exist(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r"<(?:img|a)[^>]+(?:src|href)=\"([^\"]+)\"", text)
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_named_in_prose_exist(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"(?<![\w/.])(?:notebooks|tests|binder)/[\w./-]*\w", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_binder_links_open_a_notebook_that_exists():
    links = re.findall(r"mybinder\.org/v2/\S+?urlpath=([^\s)\"&]+)", (ROOT / "README.md").read_text())
    paths = [link.replace("%2F", "/").removeprefix("lab/tree/") for link in links]
    assert paths and [path for path in paths if not (ROOT / path).is_file()] == []


def test_no_file_names_the_machine_that_it_was_written_on():
    places = r"(?<![\w.~-])/(?:work|root|Users/\w+|home/(?!jovyan)\w+)/\w"
    hosts = r"pypi\.org|pythonhosted\.org|file:/{2}|/opt/pypi"
    found = []
    for path in committed_files():
        if path != Path(__file__) and b"\0" not in (content := path.read_bytes()):
            found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in re.finditer(f"{places}|{hosts}", content.decode())]
    assert found == []


def test_the_wheel_says_that_it_is_typed():
    assert (ROOT / "aljupyter/py.typed").is_file()
