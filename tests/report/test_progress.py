"""The progress bar: on a terminal alone, for what lasts."""

from io import StringIO

from mir_task.report.progress import progress


class Terminal(StringIO):
    """Standard error where somebody looks on."""

    def isatty(self):
        return True


def test_a_bar_names_what_lasts_and_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    assert list(progress([1, 2, 3], "Reading", after=0)) == [1, 2, 3]
    assert "Reading" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r") and not terminal.getvalue().rsplit("\r", 2)[1].strip()


def test_what_is_over_soon_has_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    assert list(progress([1, 2, 3], "Reading", after=1000)) == [1, 2, 3]
    assert not terminal.getvalue().strip()


def test_there_is_no_bar_where_nobody_looks_on(monkeypatch):
    monkeypatch.setattr("sys.stderr", log := StringIO())
    assert list(progress([1, 2, 3], "Reading", after=0)) == [1, 2, 3]
    assert log.getvalue() == ""
