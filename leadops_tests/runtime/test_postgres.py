"""The embedded Postgres as its users meet it: real servers, real signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import psycopg
import pytest

from leadops.errors import UsageError
from leadops_tests.runtime.servers import kill_all, processes, run, state


def test_starts_answers_both_drivers_and_stops_without_a_trace(serve):
    server = serve()
    assert not server.is_running()
    server.start()
    assert server.is_running()
    assert run(server, "select 1") == 1
    assert run(server, "select 1", "psycopg2") == 1
    server.stop()
    assert not server.is_running()
    assert server.pid() is None
    assert processes(server) == []


def test_start_twice_and_from_another_object_is_the_same_server(serve):
    first, second = serve(), serve()
    first.start()
    pid = first.pid()
    first.start()
    second.start()
    assert second.pid() == pid
    assert run(second, "select 1") == 1


def test_two_processes_starting_at_once_share_one_server(serve):
    server = serve()
    code = (
        "import sys; from pathlib import Path; from leadops.runtime.postgres import EmbeddedPostgres\n"
        "s = EmbeddedPostgres(Path(sys.argv[1]), durable=False, elsewhere=Path(sys.argv[2])); s.start()\n"
        "s.ensure_database('both'); print(s.pid())"
    )
    command = [sys.executable, "-c", code, str(server.home), str(server.home.parent / "elsewhere")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {child.communicate(timeout=120)[0].strip() for child in started}
    assert [child.returncode for child in started] == [0, 0]
    assert said == {str(server.pid())}
    # Started by a process that is gone, stopped by this one.
    server.stop()
    assert processes(server) == []


def test_listens_on_no_network_and_only_its_user_reaches_the_socket(serve):
    server = serve()
    server.start()
    assert run(server, "show listen_addresses") == ""
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    assert (server.home / "postgres_password").stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_refused_and_nothing_is_trusted(serve):
    server = serve()
    server.start()
    rules = (state(server) / "pg_hba.conf").read_text()
    assert "trust" not in rules
    if "peer" in rules:
        pytest.skip("the same account needs no password")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=str(server.socket_dir), user="leadops", password="wrong", dbname="postgres", port=5432
        )


def test_the_password_is_in_no_command_line(serve):
    server = serve()
    server.start()
    assert not any(server.password() in " ".join(p.cmdline()) for p in processes(server))
    assert not (state(server) / "handed").exists()


def test_two_homes_run_side_by_side(serve):
    one, two = serve("one"), serve("two")
    one.start()
    two.start()
    one.ensure_database("only_here")
    assert one.pid() != two.pid()
    assert run(one, "select count(*) from pg_database where datname = 'only_here'") == 1
    assert run(two, "select count(*) from pg_database where datname = 'only_here'") == 0
    one.stop()
    assert two.is_running()


def test_a_path_with_spaces_quotes_and_signs_works(serve):
    server = serve('a b\'s "c" $HOME %41+é')
    server.start()
    assert run(server, "select 1") == 1
    assert run(server, "select 1", "psycopg2") == 1


def test_a_long_path_gets_a_short_socket_directory_of_its_own(serve):
    server = serve("/".join(["long" * 10] * 4))
    server.start()
    assert run(server, "select 1") == 1
    sockets = server.socket_dir
    assert len(str(sockets / ".s.PGSQL.5432")) <= 100
    assert sockets.stat().st_mode & 0o777 == 0o700
    # Another process may have another TMPDIR; it still finds the running server.
    code = (
        "import sys; from pathlib import Path; from leadops.runtime.postgres import EmbeddedPostgres\n"
        "print(EmbeddedPostgres(Path(sys.argv[1])).socket_dir)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(server.home)],
        env={**os.environ, "TMPDIR": str(server.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == str(sockets)
    server.stop()
    shutil.rmtree(sockets)


def test_a_socket_directory_that_is_a_link_is_refused(serve, ground):
    server = serve("/".join(["long" * 10] * 4))
    expected = server.socket_dir
    expected.symlink_to(ground)
    try:
        with pytest.raises(UsageError, match="is not a directory of user") as refused:
            server.start()
        assert refused.value.code == "socket_dir_taken"
    finally:
        expected.unlink()


def test_committed_data_survives_kill_9_of_everything(serve):
    server = serve(durable=True)
    server.start()
    run(server, "create table kept (n int)")
    run(server, "insert into kept select generate_series(1, 1000)")
    kill_all(server)
    assert not server.is_running()
    server.start()
    assert run(server, "select count(*) from kept") == 1000


def test_orphans_of_a_killed_postmaster_do_not_block_the_start(serve):
    server = serve(durable=True)
    server.start()
    run(server, "create table kept (n int)")
    # A busy backend notices the end of its postmaster only when its statement ends.
    busy = psycopg.connect(
        host=str(server.socket_dir), port=5432, user="leadops", password=server.password(), dbname="postgres"
    )
    busy.pgconn.send_query(b"do $$ begin loop end loop; end $$")
    busy.pgconn.flush()
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.pid() is not None:
        os.sched_yield()
    assert processes(server)
    server.start()
    assert run(server, "select count(*) from kept") == 0
    busy.pgconn.finish()


def test_a_pid_file_that_names_an_unrelated_live_process_is_stale(serve):
    server = serve()
    server.start()
    data = state(server) / "data"
    kill_all(server)
    pid_file = data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not server.is_running()
    server.start()
    assert run(server, "select 1") == 1


def test_an_interrupted_creation_is_begun_anew(serve):
    server = serve()
    (server.home / "postgres" / "data.new" / "base").mkdir(parents=True)
    server.start()
    assert run(server, "select 1") == 1


def test_a_lost_password_is_renewed_at_the_next_start(serve):
    server = serve()
    server.start()
    server.stop()
    (server.home / "postgres_password").unlink()
    server.start()
    assert run(server, "select 1") == 1


def test_data_of_an_unknown_major_version_is_refused_in_one_sentence(serve):
    server = serve()
    data = server.home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(UsageError, match="was written by Postgres 9") as refused:
        server.start()
    assert refused.value.code == "postgres_version"


def test_a_server_that_cannot_start_says_its_last_words(serve):
    server = serve()
    server.start()
    server.stop()
    (state(server) / "data" / "global" / "pg_control").unlink()
    with pytest.raises(UsageError, match="pg_control") as refused:
        server.start()
    assert refused.value.code == "postgres_start"


def test_ensure_database_is_idempotent_and_takes_any_name(serve):
    server = serve()
    server.start()
    for _ in range(2):
        server.ensure_database('odd "name" %s')
    assert run(server, "select count(*) from pg_database where datname like 'odd%%'") == 1
