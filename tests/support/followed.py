"""A how-to page followed literally in a copy of the repository: files written, changes applied, commands run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import programs
from tests.support.pages import Page
from tests.support.repository import copy_repository

_CODE = ("python", "yaml", "csv", "text")


class FollowedPage:
    """The page docs/how-to/`name`.md in a copy of the repository below `place`."""

    def __init__(self, name: str, place: Path) -> None:
        self.page, self.root = Page.read(f"how-to/{name}.md"), place / "repository"
        copy_repository(self.root, without=("docs/images", "tests/golden"))
        self.environment = programs.environment(self.root) | {"OMP_NUM_THREADS": "1"}

    def write_files(self) -> list[Path]:
        """Write every block that has a title to the file of that name, and apply every block of changes."""
        written = []
        for block in self.page.blocks():
            if block.language == "diff":
                self.run("git apply -", stdin=block.text)
            elif block.title and block.language in _CODE:
                path = self.root / block.title
                assert not path.exists(), f"{block.title} exists already"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
                written.append(path)
        assert written, f"{self.page.path} has no file to write"
        modules = [str(path) for path in written if path.suffix == ".py"]
        if modules:
            self.run(f"ruff check {' '.join(modules)}")
        return written

    def commands(self) -> list[str]:
        """Lines of the page's blocks of shell commands, in order, without remarks."""
        lines = [line for block in self.page.blocks("sh") for line in block.text.splitlines()]
        return [line.partition("  #")[0].rstrip() for line in lines if line.strip()]

    def run(self, command: str, code: int = 0, stdin: str | None = None) -> str:
        """Run one command line in the copy and return what it prints; its exit code must be `code`."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.root, env=self.environment, input=stdin,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr
