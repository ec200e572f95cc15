"""README, CONTRIBUTING and CHANGELOG: links lead somewhere, snippets run, rooms are those of the import contracts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from dawn.demo import generate_truth, render_clip
from dawn.media.audio import read_audio, write_wav
from dawn.media.video import iter_frames, probe
from tests.support.repository import REPOSITORY

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md")
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", (REPOSITORY / name).read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = REPOSITORY / (path or name)
        assert file.is_file(), f"{name} links to {target}"
        assert not anchor or anchor in anchors(file.read_text()), f"{name} links to {target}"


@pytest.mark.parametrize("package", ["dawn", "eval"])
def test_rooms_are_those_of_the_contracts(package: str) -> None:
    contract = next(one for one in CONTRACTS if one["type"] == "layers" and one["containers"] == [package])
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    listed = re.search(rf"Rooms of `{package}`:\n\n```text\n(.*?)```", text, re.DOTALL)
    assert listed is not None
    assert listed[1].splitlines() == list(reversed(contract["layers"]))
    for other in CONTRACTS:
        if other["type"] == "forbidden":
            assert all(f"`{name}`" in text for name in other["forbidden_modules"] if name != "torch")


def test_the_lines_of_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both snippets of the Python interface, on a drawn person."""
    monkeypatch.chdir(tmp_path)
    for name, person in (("real", 0), ("generated", 1)):
        (tmp_path / name).mkdir()
        render_clip(generate_truth(1234, person, 0, 1.2), 128, tmp_path / name / "clip.mp4")
    Image.fromarray(next(iter_frames("real/clip.mp4"))).save("portrait.png")
    write_wav("speech.wav", read_audio("real/clip.mp4"))
    generation, evaluation = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    exec(generation, {})
    assert probe("out.mp4").has_audio
    exec(evaluation, {})
    assert (tmp_path / "report" / "report.json").is_file()
