"""``dawn-eval``: command names, default command, list options, exit codes; help loads nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from dawn.version import VERSION
from eval import cli
from eval.cli import main
from tests.support.fake_features import CONFIG, NAMES, FakeExtractors, write_videos

COMMANDS = {
    *("measure", "verify", "compare", "follow", "opinion", "list"),
    *("fit-syncnet", "extract", "score", "quality", "corpus", "reenactment", "portraits", "perturb", "sensitivity"),
    *("tables", "table", "sweep", "seeds", "claims", "page"),
    *("samples", "reenacted", "styles", "time-cost", "traces"),
}
PROGRAM = str(Path(sys.executable).with_name("dawn-eval"))


def _commands() -> dict[str, typer.core.TyperCommand]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return dict(group.commands)


def test_every_command_has_help_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    commands = _commands()
    assert commands.keys() == COMMANDS
    for name, command in commands.items():
        assert command.help, name
        assert command.epilog is not None and command.epilog.startswith(f"Example: dawn-eval {name}"), name
        undocumented = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
        assert undocumented in ([], ["detect_side"]), name
        assert main([name, "--help"]) == 0
    capsys.readouterr()


def test_help_shows_defaults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["measure", "-h"]) == 0
    shown = capsys.readouterr().out
    assert all(f"[default: {value}]" in shown for value in ("1000", "0.95", "0", "2"))


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dawn-eval {VERSION}\n"


def test_help_and_completion_load_no_heavy_library() -> None:
    code = (
        "import sys; from eval.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'cv2', 'dawn.config'} & set(sys.modules); sys.exit(code or len(heavy))"
    )
    subprocess.run([sys.executable, "-c", code, "score", "--help"], check=True, capture_output=True)
    environment = {
        **os.environ,
        "_DAWN_EVAL_COMPLETE": "complete_bash",
        "COMP_WORDS": "dawn-eval sens",
        "COMP_CWORD": "1",
    }
    completed = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert completed.stdout.split() == ["sensitivity"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing command"),
        (["verify"], "REPORT.json"),
        (["a", "b", "--metric", "fid"], "--metric"),
        (["a", "b", "--threads", "0"], "--threads"),
        (["a", "b", "--coverage", "1"], "between 0 and 1"),
        (["a", "b", "--shard", "3/2"], "give I/N"),
        (["--metrics", ",", "a", "b"], "--metrics names none"),
        (["table", "table1", "--out", "o"], "table2, table3"),
        (["tables", "--scores", "--out", "o"], "--scores"),
        (["score", "--method", "gt", "--metrics", "fad", "--out", "o", "--clips", "c"], "--real"),
    ],
)
def test_wrong_usage_is_one_line_of_error_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("dawn-eval: ") and error.count("\n") == 1 and message in error


def test_list_names_metrics_and_presets_by_option_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    by_option = capsys.readouterr().out
    assert main(["list"]) == 0
    assert capsys.readouterr().out == by_option
    assert "fvd16" in by_option and "offline" in by_option


def test_list_options_take_several_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``--scores a=x b=y`` is ``--scores a=x --scores b=y``; ``--rivals`` may be empty."""
    folders: list[dict[str, Path]] = []
    monkeypatch.setattr("dawn.config.load", lambda path: None)
    monkeypatch.setattr("eval.report.tables.write_table1", lambda config, scores, out: folders.append(scores))
    assert main(["tables", "--scores", "b=x/1", "a=y", "--out", "o"]) == 0
    assert main(["tables", "--out", "o", "--scores", "b=x/1", "--scores", "a=y"]) == 0
    assert folders == [{"b": Path("x/1"), "a": Path("y")}] * 2 and list(folders[0]) == ["b", "a"]
    rivals: list[list[str]] = []
    experiments = SimpleNamespace(runs=SimpleNamespace(base=None))
    monkeypatch.setattr("dawn.comparisons.experiments_of", lambda config, sweeps: experiments)
    monkeypatch.setattr("eval.studies.claims.evaluate_claims", lambda _, names, cache: rivals.append(names) or [])
    monkeypatch.setattr("eval.report.claims.write_claims_page", lambda config, tests, out: None)
    for names in ([], ["wav2lip", "audio2head"]):
        assert main(["claims", "--rivals", *names, "--cache", str(tmp_path), "--out", str(tmp_path / "claims")]) == 0
    assert rivals == [[], ["wav2lip", "audio2head"]]


def test_an_interrupted_command_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eval.metrics.registry.presets", interrupt)
    assert main(["real", "fake"]) == 130
    assert capsys.readouterr().err.startswith("dawn-eval: interrupted")


def test_scores_become_a_table_a_picture_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.studies.run_scores.RunExtractors", FakeExtractors)
    write_videos(videos := tmp_path / "videos")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.dump())
    common = ["--config", str(config), "--real", str(videos / "real"), "--clips", str(videos / "clips.csv")]
    syncnet = ["--syncnet", str(videos / "sync")]
    for method in ("gt", "dawn"):
        fake = [] if method == "gt" else ["--fake", str(videos / method)]
        assert main(["score", *common, *syncnet, *fake, "--method", method, "--out", str(tmp_path / method)]) == 0
    scores = [f"{method}={tmp_path / method}" for method in ("gt", "dawn")]
    assert main(["tables", "--config", str(config), "--scores", *scores, "--out", str(tmp_path / "table1")]) == 0
    generated = ["--videos", f"dawn={videos / 'dawn'}", f"still={videos / 'still'}"]
    picture, page = tmp_path / "samples.png", tmp_path / "index.html"
    assert main(["samples", *common[2:], *generated, "--count", "2", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again.png"
    assert main(["samples", *common[2:], *generated, "--count", "2", "--out", str(again)]) == 0
    assert again.read_bytes() == picture.read_bytes()
    table = ["--table", str(tmp_path / "table1.csv"), "--picture", str(picture)]
    assert main(["page", *common, *generated, *table, "--out", str(page)]) == 0
    html = page.read_text()
    assert html.count("<video") == 3 * len(NAMES)
    assert "http" not in html.replace("data:image", "")
    links = [part.split('"')[0] for part in html.split('preload="metadata" src="')[1:]]
    assert all((page.parent / link).resolve().is_file() for link in links)
    assert capsys.readouterr().err.count("dawn-eval:") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "--clips", "c", "--syncnet", "s", "--method", "dawn", "--real", "r", "--out", "o"], "--fake"),
        (["tables", "--scores", "dawn", "--out", "o"], "NAME=DIR"),
        (["samples", "--clips", "absent.csv", "--real", "r", "--videos", "a=b", "--out", "o.png"], "absent.csv"),
        (["page", "--clips", "c", "--real", "r", "--videos", "a=b", "--table", "absent", "--out", "o"], "absent"),
    ],
)
def test_unusable_input_is_one_line_of_error_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "demo.yaml").write_text(CONFIG.dump())
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("dawn-eval: ") and message in error
