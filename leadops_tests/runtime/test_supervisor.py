"""The supervisor with real child processes: each test names what would go wrong on somebody's machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from leadops.errors import UsageError
from leadops.runtime import processes
from leadops.runtime.restarts import HEALTHY_AFTER_S, delay_s, failures_after
from leadops.runtime.service import WRAPPER, Service
from leadops.runtime.single import only_one
from leadops.runtime.stopping import ECHO_S, StopRequest, stop_on_signals
from leadops.runtime.supervisor import ServiceFailed, Supervisor

DATA = Path(__file__).with_name("data")
PROJECT = Path(__file__).parents[2]
LINUX = sys.platform.startswith("linux")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Poll a condition; a deadline instead of a fixed sleep."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def lines(home: Path, file: str) -> list[str]:
    path = home / file
    return path.read_text().splitlines() if path.exists() else []


def pids(home: Path) -> dict[str, int]:
    """Pid of the last process that announced itself under each name."""
    return {line.split()[0]: int(line.split()[1]) for line in lines(home, "started") if " " in line}


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Clock:
    """Seconds that pass when the test says so, on top of those that really do."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Bench:
    """A home, its supervisor and what it logged."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log: list[str] = []
        self.clock = Clock()
        self.stop = StopRequest(self.clock)
        self.supervisor: Supervisor | None = None

    def service(self, name: str, *traits: str, **options: Any) -> Service:
        command = [sys.executable, "-I", "-S", str(DATA / "small_child.py"), name, str(self.home), *traits]
        options.setdefault("ready", lambda: name in pids(self.home))
        return Service(name=name, command=command, env=dict(os.environ), **options)

    def supervise(self, *services: Service) -> Supervisor:
        self.supervisor = Supervisor(services, self.home, self.stop, self.log.append, clock=self.clock)
        return self.supervisor

    def everybody_gone(self) -> bool:
        return not any(running(int(line.split()[1])) for line in lines(self.home, "started"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.supervisor is not None:
        bench.stop.ask()
        bench.clock.ahead += 2 * ECHO_S
        bench.stop.ask(insist=True)
        bench.supervisor.stop()


# --- starting ---------------------------------------------------------------------------------------------


def test_each_service_starts_when_the_ones_before_it_are_ready(bench: Bench) -> None:
    gate = bench.home / "gate"
    answers: list[bool] = []

    def first_ready() -> bool:
        """Says no until asked three times; the second must not have been started by then."""
        answers.append("second" in pids(bench.home))
        if len(answers) >= 3:
            gate.touch()
        return gate.exists()

    supervisor = bench.supervise(
        bench.service("first", ready=first_ready), bench.service("second"), bench.service("third")
    )
    took = supervisor.start()
    assert answers == [False, False, False]
    assert [line.split()[0] for line in lines(bench.home, "started")][-2:] == ["second", "third"]
    assert list(took) == ["first", "second", "third"]
    assert set(supervisor.health().values()) == {"ready"}


def test_services_that_wait_for_nothing_in_common_become_ready_side_by_side(bench: Bench) -> None:
    """Each is ready only once the other runs: started one after the other, this would never end."""
    one = bench.service("one", after=(), ready=lambda: "two" in pids(bench.home), ready_timeout_s=20)
    two = bench.service("two", after=(), ready=lambda: "one" in pids(bench.home), ready_timeout_s=20)
    assert set(bench.supervise(one, two).start()) == {"one", "two"}


def test_a_service_that_ends_before_it_is_ready_stops_all_and_shows_why(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("good"), bench.service("bad", "fails", ready=lambda: False))
    with pytest.raises(ServiceFailed) as failed:
        supervisor.start()
    assert "bad ended with exit code 3" in str(failed.value)
    assert "the reason is on this line" in str(failed.value)
    assert bench.everybody_gone()
    assert not processes.record_path(bench.home).exists()


def test_a_service_that_is_not_needed_stops_nobody_and_is_tried_again(bench: Bench) -> None:
    bad = bench.service("bad", "fails", after=(), needed=False, ready=lambda: False)
    supervisor = bench.supervise(bad, bench.service("good", after=()))
    assert set(supervisor.start()) == {"good"}
    wait_until(lambda: any("bad ended with exit code 3" in line for line in bench.log), "its end told")
    assert any("the reason is on this line" in line for line in bench.log)
    bench.clock.ahead += 60
    supervisor.tick()
    wait_until(lambda: (supervisor.tick(), sum("next start" in x for x in bench.log) >= 2)[1], "tried again")
    assert supervisor.health()["good"] == "ready"


def test_a_service_that_is_not_needed_may_come_up_late(bench: Bench) -> None:
    open_now: list[bool] = []
    page = bench.service("page", after=(), needed=False, ready=lambda: bool(open_now), ready_timeout_s=0.2)
    supervisor = bench.supervise(page, bench.service("good", after=()))
    assert set(supervisor.start()) == {"good"}
    open_now.append(True)
    supervisor.tick()
    assert supervisor.health() == {"page": "ready", "good": "ready"}


def test_a_service_that_is_late_stops_all(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("late", ready=lambda: False, ready_timeout_s=0.3))
    with pytest.raises(ServiceFailed, match="late was not ready after"):
        supervisor.start()
    assert bench.everybody_gone()


def test_a_command_that_does_not_exist_says_so(bench: Bench) -> None:
    absent = Service("absent", ["/no/such/program"], dict(os.environ), ready=lambda: False)
    with pytest.raises(ServiceFailed, match="cannot start /no/such/program: No such file"):
        bench.supervise(absent).start()


def test_a_stop_asked_for_while_starting_ends_the_start(bench: Bench) -> None:
    def ask() -> bool:
        bench.stop.ask()
        return False

    supervisor = bench.supervise(
        bench.service("never", ready=ask, stop_timeout_s=1.0), bench.service("not even started")
    )
    assert supervisor.start() == {}
    supervisor.stop()
    assert bench.everybody_gone()
    assert "not even started" not in pids(bench.home)


@pytest.mark.parametrize("names", [("twice", "twice"), ("one", "after-unknown")])
def test_services_that_contradict_each_other_are_refused(bench: Bench, names: tuple[str, str]) -> None:
    first, second = names
    after = ("unknown",) if second == "after-unknown" else None
    with pytest.raises(ValueError, match=r"twice|two services|unknown"):
        bench.supervise(bench.service(first), bench.service(second, after=after))


# --- keeping ----------------------------------------------------------------------------------------------


def test_the_wait_before_a_restart_doubles_to_half_a_minute_and_is_forgotten_after_a_healthy_minute() -> None:
    assert [delay_s(n) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert delay_s(10**9) == 30
    assert failures_after(5, lived_s=HEALTHY_AFTER_S - 1) == 6
    assert failures_after(5, lived_s=HEALTHY_AFTER_S) == 1


def test_a_killed_service_is_started_again_and_its_neighbour_is_left_alone(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("killed"), bench.service("neighbour"))
    supervisor.start()
    before = pids(bench.home)
    os.kill(before["killed"], signal.SIGKILL)
    wait_until(lambda: not running(before["killed"]), "the kill")
    supervisor.tick()
    assert supervisor.health() == {"killed": "restarting", "neighbour": "ready"}
    assert "killed ended with signal 9; next start in 1 s" in bench.log[-1]
    supervisor.tick()
    assert pids(bench.home) == before, "not before its time"
    bench.clock.ahead += 1.0
    supervisor.tick()
    after = wait_until(lambda: pids(bench.home) != before and pids(bench.home), "the new start")
    supervisor.tick()
    assert supervisor.health() == {"killed": "ready", "neighbour": "ready"}
    assert after["neighbour"] == before["neighbour"]


def test_a_service_that_is_not_to_be_restarted_stays_ended(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("once", restart=False))
    supervisor.start()
    os.kill(pids(bench.home)["once"], signal.SIGKILL)
    wait_until(lambda: (supervisor.tick(), supervisor.health()["once"] == "ended")[1], "the end")
    bench.clock.ahead += 3600
    supervisor.tick()
    assert supervisor.health()["once"] == "ended"


# --- stopping ---------------------------------------------------------------------------------------------


def test_services_are_stopped_in_reverse_order(bench: Bench) -> None:
    supervisor = bench.supervise(*(bench.service(name) for name in ("a", "b", "c")))
    supervisor.start()
    supervisor.stop()
    assert lines(bench.home, "told") == ["c", "b", "a"]


def test_what_others_were_started_after_is_stopped_last(bench: Bench) -> None:
    base = bench.service("base", after=())
    users = [bench.service(name, after=("base",)) for name in ("left", "right")]
    supervisor = bench.supervise(base, *users)
    supervisor.start()
    supervisor.stop()
    told = lines(bench.home, "told")
    assert told[-1] == "base"
    assert set(told) == {"base", "left", "right"}


def test_nothing_is_left_behind(bench: Bench) -> None:
    """A child's child, one that left parent and group, and two that ignore SIGTERM."""
    supervisor = bench.supervise(
        bench.service("parent", "child"),
        bench.service("deaf", "ignores-term", stop_timeout_s=0.3),
        bench.service("loser", "stray"),
    )
    supervisor.start()
    expected = {"parent", "parent-child", "deaf", "loser", "loser-leaves-stray"}
    wait_until(lambda: set(pids(bench.home)) == expected, "all five to run")
    bench.stop.ask()
    if not LINUX:  # elsewhere strays are known only by having been seen
        bench.clock.ahead += 10
        supervisor.tick()
    supervisor.stop()
    assert bench.everybody_gone()
    assert not processes.record_path(bench.home).exists()
    assert "parent-child" in lines(bench.home, "told"), "the whole group is told, not only killed"


def test_a_draining_service_lets_what_it_spawned_finish(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("server", "short-child", "waits-for-child", drain_s=20))
    supervisor.start()
    supervisor.stop()
    assert lines(bench.home, "finished") == ["server-child"]


def test_a_second_ctrl_c_kills_at_once(bench: Bench) -> None:
    supervisor = bench.supervise(bench.service("deaf", "ignores-term", stop_timeout_s=300))
    supervisor.start()
    with stop_on_signals(bench.stop):
        os.kill(os.getpid(), signal.SIGINT)
        bench.clock.ahead += 2 * ECHO_S
        os.kill(os.getpid(), signal.SIGINT)
        supervisor.stop()
    assert bench.everybody_gone()


def test_a_forwarded_ctrl_c_is_not_taken_for_a_second_one() -> None:
    clock = Clock()
    stop = StopRequest(clock)
    stop.ask(insist=True)
    stop.ask(insist=True)
    assert (stop.requested, stop.forced) == (True, False)
    clock.ahead += ECHO_S
    stop.ask()
    assert not stop.forced, "a second SIGTERM is no hurry"
    stop.ask(insist=True)
    assert stop.forced


def test_the_wrapper_gives_the_command_default_handlers_whatever_it_inherited() -> None:
    """Otherwise a server started from a script with `trap '' INT TERM` could only be killed."""
    report = (
        "import signal; ignored = [s.name for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN]; "
        "print(sorted(ignored), signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    wrapper = [sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid())]
    inherit = ["sh", "-c", 'trap "" INT TERM HUP QUIT; exec "$0" "$@"']
    output = subprocess.run(
        [*inherit, *wrapper, sys.executable, "-c", report], capture_output=True, text=True, check=True
    ).stdout
    # The two Python itself ignores in the reporting program.
    assert output.strip() == "['SIGPIPE', 'SIGXFSZ'] set()"


@pytest.mark.skipif(not LINUX, reason="PR_SET_PDEATHSIG is Linux")
def test_the_wrapper_starts_nothing_for_a_parent_that_is_gone_already() -> None:
    wrapper = [sys.executable, "-I", "-S", str(WRAPPER), "1", sys.executable, "-c", "print('ran')"]
    result = subprocess.run(wrapper, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (127, "")


# --- the supervisor itself dies ---------------------------------------------------------------------------


def launch(home: Path, *traits: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    command = [*prefix, sys.executable, str(DATA / "small_stack.py"), str(home), *traits]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, env=env, stdout=(home / "out").open("wb"), stderr=subprocess.STDOUT)
    wait_until(lambda: (home / "up").exists() or process.poll() is not None, "the stack to start")
    assert process.poll() is None, (home / "out").read_text()
    return process


@pytest.fixture
def strays_ended(tmp_path: Path) -> Iterator[None]:
    yield
    processes.end_leftovers(tmp_path, grace_s=0)


@pytest.mark.usefixtures("strays_ended")
def test_after_kill_9_of_the_supervisor_children_die_and_the_next_start_ends_the_rest(tmp_path: Path) -> None:
    process = launch(tmp_path, "stray")
    wait_until(lambda: len(pids(tmp_path)) == 4, "two children and their strays")
    found = pids(tmp_path)
    process.kill()
    process.wait(10)
    if LINUX:  # PR_SET_PDEATHSIG
        wait_until(lambda: not running(found["one"]) and not running(found["two"]), "the children to die")
    strays = [pid for name, pid in found.items() if name.endswith("stray")]
    assert all(running(pid) for pid in strays), "nobody told them; this is what the next start is for"
    (tmp_path / "up").unlink()
    second = launch(tmp_path)
    assert not any(running(pid) for pid in found.values())
    assert "ended 2 processes" in (tmp_path / "out").read_text()
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert not any(running(pid) for pid in pids(tmp_path).values())


def test_a_process_that_only_has_the_pid_of_a_leftover_is_not_touched(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
        known = processes.identify(innocent.pid)
        assert known is not None
        reused = processes.Identity(known.pid, known.create_time - 100)
        processes.Record(processes.record_path(tmp_path), "token", {"service": [reused]}).write()
        assert processes.end_leftovers(tmp_path, grace_s=0) == 0
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"token": "t"}', '{"token": "t", "processes": {"a": [1]}}']
)
def test_a_damaged_record_does_not_stop_the_next_start(tmp_path: Path, content: str) -> None:
    path = processes.record_path(tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    assert processes.end_leftovers(tmp_path) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_started_with_sigint_ignored_it_still_stops_and_children_have_default_handlers(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A shell's `&` starts programs with SIGINT ignored."""
    process = launch(tmp_path, "signals", prefix=("sh", "-c", 'trap "" INT; exec "$0" "$@"'))
    assert lines(tmp_path, "signals") == ["<built-in function default_int_handler> True"] * 2
    process.send_signal(number)
    assert process.wait(30) == 0
    assert not any(running(pid) for pid in pids(tmp_path).values())


def test_a_second_supervisor_of_the_same_home_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    process = launch(tmp_path)
    with pytest.raises(UsageError, match=rf"already running .*pid {process.pid}"), only_one(tmp_path):
        pass
    assert all(running(pid) for pid in pids(tmp_path).values())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    with only_one(tmp_path):
        pass
