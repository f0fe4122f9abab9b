"""``mir-report run/ --watch``: reports again as files arrive."""

import functools
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from mir_task.report import cli
from mir_task.report.atomic import replace_text
from mir_task.report.watch import NO_FILES, end_reloads, news, snapshot, watch
from tests.conftest import REPOSITORY
from tests.report.test_trust import NORMS
from tests.report.trainer_log import history, save, state, train

pytestmark = pytest.mark.usefixtures("undrawn")


class Looks:
    """A watch whose pauses are the test's turns: something happens in each, and then Ctrl-C."""

    def __init__(self, *happenings):
        self.happenings = list(happenings)
        self.said = []

    def pause(self, seconds):
        if not self.happenings:
            raise KeyboardInterrupt
        self.happenings.pop(0)()

    def watch(self, path, render, **settings):
        watch([path], render, seconds=1, say=self.said.append, pause=self.pause, **settings)
        return [line.split(" ", 1)[1] for line in self.said]


def nothing():
    pass


# The watch itself


def test_it_waits_for_a_folder_that_is_not_there_yet_and_renders_what_arrives(tmp_path):
    run = tmp_path / "run"
    looks = Looks(run.mkdir, nothing, lambda: (run / "a.json").write_text("{}"), nothing)
    said = looks.watch(run, lambda: "rendered")
    assert said == [NO_FILES, "1 new (run/a.json): rendered", "watch ended"]


def test_new_changed_and_removed_files_render_again_and_only_they(tmp_path):
    file, other = tmp_path / "a.json", tmp_path / "b.csv"
    file.write_text("1")
    looks = Looks(
        nothing,
        lambda: other.write_text("x"),
        lambda: file.write_text("22"),
        lambda: (tmp_path / "model.safetensors").write_text("x"),
        other.unlink,
    )
    renderings = []
    said = looks.watch(tmp_path, lambda: renderings.append(1) or "done")
    place = tmp_path.name
    assert said[:-1] == [
        f"1 new ({place}/a.json): done",
        f"1 new ({place}/b.csv): done",
        f"1 changed ({place}/a.json): done",
        f"1 gone ({place}/b.csv): done",
    ]
    assert len(renderings) == 4


def test_a_change_of_the_same_size_is_seen_by_its_time(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("1")
    before = snapshot([tmp_path])
    os.utime(file, ns=(1, before[file][0] + 1))
    assert news(before, snapshot([tmp_path])) == f"1 changed ({tmp_path.name}/a.json)"


def test_a_change_during_the_rendering_is_rendered_at_the_next_look(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("1")
    sizes = []

    def render():
        sizes.append(file.stat().st_size)
        if len(sizes) == 1:
            file.write_text("11")
        return "done"

    Looks(nothing, nothing).watch(tmp_path, render)
    assert sizes == [1, 2]


def test_it_goes_on_after_a_rendering_that_fails(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("1")

    def render():
        if file.read_text() == "1":
            raise RuntimeError("line 1: is not JSON")
        return "whole"

    said = Looks(nothing, lambda: file.write_text("[1]")).watch(tmp_path, render)
    assert "not rendered: line 1: is not JSON; waiting for the next change" in said[0]
    assert said[1].endswith("whole") and len(said) == 3


def test_what_the_report_writes_is_no_news(tmp_path):
    own = tmp_path / "report"
    (tmp_path / "a.json").write_text("1")

    def render():
        own.mkdir(exist_ok=True)
        (own / "leaderboard.csv").write_text(str(time.perf_counter_ns()))
        return "done"

    assert len(Looks(nothing, nothing, nothing).watch(tmp_path, render, without=[own])) == 2


def test_of_many_new_files_the_line_names_the_last(tmp_path):
    now = {
        tmp_path / "run" / f"checkpoint-{step}" / "trainer_state.json": (1, 1)
        for step in range(200, 1200, 200)
    }
    assert news({}, now) == (
        "5 new (…, checkpoint-600/trainer_state.json, checkpoint-800/trainer_state.json, "
        "checkpoint-1000/trainer_state.json)"
    )


# Pages that are open meanwhile


def test_a_reader_finds_the_old_page_or_the_new_one(tmp_path, monkeypatch):
    page = tmp_path / "report.html"
    replace_text(page, "old")
    replace = os.replace

    def look_first(source, target):
        assert page.read_text() == "old"
        replace(source, target)

    monkeypatch.setattr(os, "replace", look_first)
    replace_text(page, "new")
    assert page.read_text() == "new" and list(tmp_path.iterdir()) == [page]


def test_a_page_that_cannot_be_replaced_stays_and_leaves_nothing_beside(tmp_path, monkeypatch):
    page = tmp_path / "report.html"
    replace_text(page, "old")

    def full(source, target):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        replace_text(page, "new")
    assert page.read_text() == "old" and list(tmp_path.iterdir()) == [page]


def test_a_plain_report_does_not_reload(workshop):
    workshop.five_results()
    workshop.report(workshop.results)
    assert 'http-equiv="refresh"' not in workshop.page


def test_a_page_reloads_while_it_is_watched_and_no_longer(workshop, monkeypatch):
    workshop.five_results()
    pages = []

    def stop(seconds):
        pages.append(workshop.page)
        raise KeyboardInterrupt

    monkeypatch.setattr("mir_task.report.watch.watch", functools.partial(watch, pause=stop))
    assert "watch ended" in workshop.report(workshop.results, "--watch")
    assert re.search(r'<meta http-equiv="refresh" content="\d+">', pages[0])
    assert workshop.page == re.sub(r'<meta http-equiv="refresh".*>\n', "", pages[0])


def test_what_is_published_while_watching_does_not_reload(workshop, monkeypatch):
    workshop.five_results()
    space = workshop.folder / "published" / "space" / "index.html"
    pages = []

    def stop(seconds):
        pages.append((workshop.page, space.read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr("mir_task.report.watch.watch", functools.partial(watch, pause=stop))
    workshop.report(workshop.results, "--watch", "--publish", workshop.folder / "published")
    ((report, published),) = pages
    assert 'http-equiv="refresh"' in report and published == workshop.page


def test_reasons_to_doubt_are_said_once_while_watching(workshop, monkeypatch):
    workshop.result("a", 2.5, trust=[NORMS])
    arrivals = iter([lambda: workshop.result("b", 2.6), lambda: workshop.result("c", 2.7)])

    def pause(seconds):
        arrival = next(arrivals, None)
        if arrival is None:
            raise KeyboardInterrupt
        arrival()

    monkeypatch.setattr("mir_task.report.watch.watch", functools.partial(watch, pause=pause))
    said = workshop.report(workshop.results, "--watch").splitlines()
    assert len(said) == 4  # three renderings, and the end
    assert [NORMS["sentence"] in line for line in said] == [True, False, False, False]


def test_ending_the_reloads_of_a_page_without_any_changes_nothing(tmp_path):
    page = replace_text(tmp_path / "report.html", "<p>refresh</p>")
    end_reloads(page)
    assert page.read_text() == "<p>refresh</p>"


# The command


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_seconds_are_a_number_above_zero(value, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--watch", value])
    assert "write --watch after the paths" in capsys.readouterr().err


class Command:
    """``mir-report`` in a process of its own."""

    def __init__(self, folder, *arguments):
        self.lines = []
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mir_task.report.cli", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Started from a shell's background job it would be deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def until(self, text):
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not in {self.lines}")


@pytest.fixture
def command(tmp_path):
    started = []

    def start(*arguments):
        started.append(Command(tmp_path, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


def test_the_command_sees_a_training_turn_and_ends_by_ctrl_c_with_status_0(command, tmp_path):
    watching = command("run", "--watch", "0.2")
    watching.until(NO_FILES)
    train(tmp_path / "run", (1.0, 1.3, 1.6))
    watching.until("MIR of run is still rising (step 300)")
    half = state(history((1.0, 1.3, 1.6, 1.3, 1.0)))
    late = save(tmp_path / "run" / "checkpoint-500", half[:900])
    assert "is not JSON" in watching.until(f"run/checkpoint-500/{late.name}")
    late.write_text(half)
    line = watching.until("turned at step 300")
    assert "1 changed (checkpoint-500/trainer_state.json)" in line
    page = (tmp_path / "mir-report" / "report.html").read_text()
    assert "MIR of run turned at step 300" in page and "mir-over-steps" in page
    watching.process.send_signal(signal.SIGINT)
    watching.until("watch ended")
    assert watching.process.wait(timeout=60) == 0
    assert 'http-equiv="refresh"' not in (tmp_path / "mir-report" / "report.html").read_text()
