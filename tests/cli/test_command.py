"""The command as a whole: help, keys, doctor, uploads, and errors that say what to do."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from infra.local_cloud.state import State
from tests.cli.conftest import Command
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.platform import Platform
from tunesmith_cli import account, main
from tunesmith_cli.demo.dataset import question_of
from tunesmith_cli.demo.docstring_task import PLANTED, docstring_pairs, write_dataset
from tunesmith_cli.main import app
from tunesmith_cli.models import moment_of

DOCS = Path(__file__).parents[2]


def commands() -> list[str]:
    """Every command there is, as people type it."""
    root = get_command(app)
    found = []
    for name, one in root.commands.items():  # type: ignore[attr-defined]
        below = getattr(one, "commands", None)
        found += [f"{name} {child}" for child in below] if below else [name]
    return found


@pytest.mark.parametrize("words", commands())
def test_every_command_explains_itself(words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def test_every_command_is_documented() -> None:
    pages = (DOCS / "README.md").read_text() + "".join(page.read_text() for page in (DOCS / "docs").glob("*.md"))
    assert [words for words in commands() if f"tunesmith {words}" not in pages] == []


def test_key_is_shown_once_and_never_again(answer: Callable[..., Any]) -> None:
    made = answer("keys", "create", "--name", "shop")
    listed = answer("keys", "list")
    assert made["key"].startswith("ts-")
    assert [key["key_id"] for key in listed] == [made["key_id"]]
    assert made["key"] not in json.dumps(listed)


def test_revoked_key_is_marked(answer: Callable[..., Any], command: Command) -> None:
    made = answer("keys", "create")
    assert command("keys", "revoke", made["key_id"]).exit_code == 0
    assert answer("keys", "list")[0]["revoked_at"]


def test_what_without_a_champion_is_an_error(command: Command) -> None:
    result = command("what", "--project", "demo")
    assert result.exit_code == 1 and "no champion" in result.output


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00.000Z"),
        ("2026-11-24T12:00:00+02:00", "2026-11-24T10:00:00.000Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000Z"),
    ],
)
def test_moment_is_compared_in_utc(text: str, moment: str) -> None:
    assert moment_of(text) == moment


def test_what_at_no_moment_is_refused(command: Command) -> None:
    result = command("what", "--at", "yesterday")
    assert result.exit_code == 1 and "yesterday is no moment" in result.output


def test_doctor_names_the_base_model_that_is_missing(command: Command) -> None:
    result = command("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert "tunesmith models import" in checks["base model"]["do"]
    assert checks["deployed"]["ok"]


def test_upload_under_a_bad_name_is_refused_before_it_leaves(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    result = command("data", "push", str(file), "--project", "Not A Name")
    assert result.exit_code == 1 and "lower-case" in result.output


def test_recipe_with_an_unknown_key_is_refused_with_the_nearest(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, recipe = tmp_path / "rows.jsonl", tmp_path / "recipe.yaml"
    rows.write_text("{}\n")
    recipe.write_text("finetune: {epoch: 3}\n")
    monkeypatch.setattr("sys.argv", ["tunesmith", "data", "push", str(rows), "--recipe", str(recipe)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert "finetune.epochs" in " ".join(capsys.readouterr().err.split())


def test_without_a_deployment_the_command_says_how_to_get_one(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_TARGET", "aws")
    account.platform.cache_clear()
    account.target.cache_clear()
    result = CliRunner().invoke(app, ["runs", "list"])
    assert result.exit_code == 1 and "local up" in " ".join(result.output.split())


def test_docstring_task_has_thousands_of_real_pairs_and_carries_the_planted_rows(tmp_path: Path) -> None:
    pairs = docstring_pairs()
    write_dataset(tmp_path / "d.jsonl", pairs[:100])
    lines = (tmp_path / "d.jsonl").read_bytes().splitlines()
    assert len(pairs) > 2_000
    assert len(lines) == 100 + len(PLANTED) + 1
    assert set(PLANTED) <= set(lines)


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, "q"),
        ({"prompt": "q", "completion": "a"}, "q"),
        ({"instruction": "q", "input": "x", "output": "a"}, "q\n\nx"),
    ],
)
def test_question_is_read_from_every_format(row: dict[str, Any], prompt: str) -> None:
    question = question_of(json.dumps(row).encode())
    assert question and (question.prompt, question.reference) == (prompt, "a")


@pytest.mark.parametrize("line", [b"{", b"[1]", b'{"prompt": "q", "completion": " "}', b'{"text": "q"}'])
def test_row_without_a_question_gives_none(line: bytes) -> None:
    assert question_of(line) is None


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """The exit code of the command as people start it, on a machine without credentials."""
    for variable in ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION", "REGION", "PROFILE"):
        monkeypatch.setenv(f"AWS_{variable}", "")  # so that it is restored whatever the command sets
        monkeypatch.delenv(f"AWS_{variable}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for cached in (account.target, account.platform):
        cached.cache_clear()
    monkeypatch.setattr("sys.argv", ["tunesmith", *words])
    with pytest.raises(SystemExit) as left:
        main.main()
    return left.value.code


def test_doctor_without_credentials_still_answers_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNESMITH_TARGET", "aws")
    assert ended(monkeypatch, "doctor", "--json") == 1
    checks = {check["name"]: check["ok"] for check in json.loads(capsys.readouterr().out)}
    assert checks["target"] and not checks["credentials"] and not checks["base model"]


@pytest.mark.parametrize("words", [("local", "status"), ("local", "down"), ("local", "up")])
@pytest.mark.parametrize("content", ["{", "[]", '{"pid": 1}'])
def test_state_that_is_no_state_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, str],
    content: str,
) -> None:
    (tmp_path / "state.json").write_text(content)
    assert ended(monkeypatch, *words, "--state-dir", str(tmp_path)) == 1
    assert "state.json" in capsys.readouterr().err


def local_state_of(pid: int, started_at: float, folder: Path) -> Path:
    """The folder of a local cloud with this process, which does not answer."""
    url = "http://127.0.0.1:9"
    State(url, f"{url}/v1", "ts-x", None, str(folder), pid, started_at, "", "eu-west-1").write()
    return folder


def test_process_that_took_over_the_id_of_a_local_cloud_is_none(tmp_path: Path) -> None:
    assert account.local_state(local_state_of(os.getpid(), 1.0, tmp_path)) is None


def test_api_that_is_gone_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = psutil.Process().create_time()
    monkeypatch.setattr(account, "STATE_DIR", local_state_of(os.getpid(), started, tmp_path))
    monkeypatch.setenv("TUNESMITH_TARGET", "local")
    assert ended(monkeypatch, "chat", "hi") == 1
    assert "no answer" in capsys.readouterr().err


def test_recipe_that_is_no_text_is_refused(platform: Platform, command: Command, tmp_path: Path) -> None:
    rows, recipe = tmp_path / "rows.jsonl", tmp_path / "recipe.yaml"
    rows.write_text("{}\n")
    recipe.write_bytes(b"\xff\xe9 latin")
    with pytest.raises(InvalidInput, match="not YAML"):
        command("data", "push", str(rows), "--recipe", str(recipe))


def test_file_in_place_of_the_state_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert ended(monkeypatch, "local", "up", "--state-dir", str(tmp_path / "file")) == 1
    assert "file" in capsys.readouterr().err
