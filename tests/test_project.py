"""What a user can mend is one paragraph; what is left is a defect, and says where to report it."""

import pytest
from kedro.io import DatasetError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.project import DEFECT, TRACEBACK, show_expected_errors_plainly


def said(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed of an error that nothing has caught."""
    try:
        raise error
    except Exception as caught:
        show_expected_errors_plainly(type(caught), caught, caught.__traceback__)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "paragraph"),
    [
        (ExperimentError("run.seed: must be a number."), "run.seed: must be a number."),
        (DatasetError("Failed while loading\n  [Errno 13]"), "Failed while loading [Errno 13]"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied. "),
        (OSError(28, "No space left on device"), "the system: No space left on device. "),
    ],
)
def test_what_a_user_can_mend_is_one_paragraph(
    error: Exception, paragraph: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    plain = said(error, capsys)
    assert plain.startswith(f"Error: {paragraph}")
    assert plain.count("\n") == 1
    monkeypatch.setenv(TRACEBACK, "1")
    assert said(error, capsys).startswith("Traceback")


def test_a_defect_comes_with_its_traceback_and_says_where_to_report_it(capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(KeyError("levels"), capsys)
    assert printed.startswith("Traceback")
    assert "KeyError: 'levels'" in printed
    assert printed.splitlines()[-1] == f"Error: {DEFECT}"
    assert "report" in DEFECT
