"""The command line: names, options and help, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from dawn.cli import app, main
from tests.support.repository import REPOSITORY

CONFIG = {"--config"}
SHARD = {"--config", "--shard"}
# Command -> its options, as documented: scripts and the workflow depend on them.
COMMANDS = {
    "generate": {"--output", "-o", "--run", "--pose-from", "--seed", "--device", "--max-memory", "--threads"}
    | {"--steps", "--solver", "--precision", "--compile"},
    "doctor": {"--run", "--seconds", "--json"},
    "plan": {"--card", "--gpus", "--measured", "--clips", "--frames", "--hours", "--dollars", "--json"},
    "import-released": {"--config", "--results", "--lfg", "--dawn", "--pbnet-pose", "--pbnet-eye", "--mask-seed"},
    "ship": {"--lfg-start", "--out"},
    "weights": {"--for", "--mirror", "--fetch"},
    "baseline list": set(),
    "baseline check": set(),
    "baseline run": CONFIG,
    "schema": set(),
    "corpus": CONFIG,
    "clips": SHARD,
    "features": SHARD,
    "pack": SHARD,
    "dataset": CONFIG,
    "train": CONFIG,
    "testset": CONFIG,
    "videos": CONFIG | {"--shard", "--gather"},
    "time-strategies": CONFIG,
    "reconstruct": CONFIG,
    "head-motion": CONFIG,
}


def test_commands_and_options_are_the_documented_ones() -> None:
    found: dict[str, set[str]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, part in getattr(command, "commands", {"": command}).items():
            options = {name for parameter in part.params for name in parameter.opts if name.startswith("-")}
            found[f"{name} {inner}".strip()] = options
    assert found == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: dawn {command}" in text
    if "--config" in COMMANDS[command]:
        assert "[default: config/" in " ".join(text.split())
    assert main([*command.split(), "-h"]) == 0


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "dawn 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "Missing command"),
        (["bogus"], "No such command 'bogus'"),
        (["generate", "p.png"], "Missing argument 'SPEECH'"),
        (["generate", "p.png", "s.wav"], "Missing option '--output'"),
        (["generate", "p.png", "s.wav", "-o", "o.avi"], "o.avi: the output is an MP4 video"),
        (["generate", "p.png", "s.wav", "-o", "o.mp4", "--device", "tpu"], "'tpu' is not one of"),
        (["generate", "p.png", "s.wav", "-o", "o.mp4", "--run", "nowhere"], "nowhere: not a trained run"),
        (["train", "nothing"], "no stage 'nothing'; stages are lfg, pbnet"),
        (["videos", "nothing"], "no method 'nothing'; methods are dawn, still"),
        (["clips"], "Missing option '--shard'"),
        (["dataset", "--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_wrong_usage_ends_with_one_line(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("dawn: ") and problem in printed.err


def test_shells_complete_commands_stages_and_methods() -> None:
    for words, expected in (("", "generate"), ("train a", "a2v_stage1"), ("videos s", "styled")):
        environment = {"_DAWN_COMPLETE": "complete_bash", "COMP_WORDS": f"dawn {words}"}
        environment["COMP_CWORD"] = str(len(environment["COMP_WORDS"].split(" ")) - 1)
        code = "import sys; sys.argv[0] = 'dawn'; from dawn.cli import main; sys.exit(main())"
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True
        )
        assert expected in result.stdout.split(), result
