"""The embedded Postgres run by root and by others: whose processes, where the data, who is refused."""

from __future__ import annotations

import os
import pwd
import shutil
import traceback
from collections.abc import Callable

import pytest
from sqlalchemy import NullPool, create_engine

from leadops.errors import UsageError
from leadops.runtime import postgres_place
from leadops.runtime.postgres import EmbeddedPostgres
from leadops_tests.runtime.servers import kill_all, processes, run, state

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@root_only
def test_as_root_the_server_runs_as_somebody_else(serve):
    server = serve()
    server.start()
    assert {p.uids().real for p in processes(server)} != {0}
    assert (server.home / "postgres" / "data").exists()


@root_only
def test_as_root_an_unreachable_home_keeps_its_modes_and_its_data_elsewhere(serve, ground):
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    server = serve("closed/home")
    server.start()
    run(server, "create table kept (n int)")
    assert closed.stat().st_mode & 0o777 == 0o700
    assert state(server).parent == ground / "elsewhere"
    server.stop()
    # Reachable now; the data must not seem to be gone.
    closed.chmod(0o755)
    again = serve("closed/home")
    again.start()
    assert run(again, "select count(*) from kept") == 0
    assert processes(again)


@root_only
def test_a_copied_home_does_not_share_the_database_of_the_original(serve, ground):
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    server = serve("closed/home")
    server.start()
    server.stop()
    shutil.copytree(server.home, closed / "copy")
    with pytest.raises(UsageError, match="is a copy of"):
        serve("closed/copy").start()
    shutil.rmtree(server.home)
    # The original is gone: this is a moved home, and keeps its data.
    moved = serve("closed/copy")
    moved.start()
    assert moved.is_running()


@root_only
def test_binaries_out_of_reach_are_copied_once(ground):
    user = postgres_place.server_user(None)
    install = max(postgres_place.installs().items())[1]
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    package = closed / install.parent.name
    package.mkdir()
    (package / install.name).symlink_to(install)
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.exists():
        (closed / libraries.name).symlink_to(libraries)
    copied = postgres_place.reachable_install(package / install.name, ground, user)
    assert copied.is_relative_to(ground / "binaries")
    assert postgres_place.run_as(user, [str(copied / "bin" / "initdb"), "--version"]).returncode == 0
    stamp = copied.stat().st_ctime_ns
    assert postgres_place.reachable_install(package / install.name, ground, user).stat().st_ctime_ns == stamp


@root_only
def test_an_ordinary_user_starts_and_uses_a_server_of_their_own(ground):
    install = max(postgres_place.installs().items())[1]
    account = pwd.getpwnam("nobody")
    if not postgres_place.can_reach(
        postgres_place.ServerUser("nobody", account.pw_uid, account.pw_gid, other=True), install
    ):
        pytest.skip("the binaries are out of an ordinary user's reach here")
    home = ground / "theirs"
    home.mkdir(mode=0o700)
    os.chown(home, account.pw_uid, account.pw_gid)
    run_warm_up()

    def use() -> None:
        server = EmbeddedPostgres(home, durable=False)
        server.start()
        assert run(server, "select current_user") == "leadops"
        assert "peer" in (home / "postgres" / "pg_hba.conf").read_text()
        kill_all(server)
        server.start()
        assert run(server, "select 1", "psycopg2") == 1

    as_user(account, use)
    # Root finds the owner's server running, may use it and stop it, and starts it as its owner.
    server = EmbeddedPostgres(home, durable=False)
    assert run(server, "select 1") == 1
    server.stop()
    server.start()
    assert {p.uids().real for p in processes(server)} == {account.pw_uid}
    server.stop()
    assert processes(server) == []


@root_only
def test_somebody_elses_home_is_refused_in_one_sentence(serve):
    server = serve()
    server.start()
    run_warm_up()

    def use() -> None:
        with pytest.raises(UsageError) as refused:
            EmbeddedPostgres(server.home).start()
        assert refused.value.code == "home_not_ours"

    as_user(pwd.getpwnam("nobody"), use)


def run_warm_up() -> None:
    """Import what the forked child needs while it can still be read: an interpreter under /root cannot be."""
    from sqlalchemy.dialects.postgresql import psycopg as _three  # noqa: F401
    from sqlalchemy.dialects.postgresql import psycopg2 as _two  # noqa: F401

    for driver in ("psycopg", "psycopg2"):
        create_engine(f"postgresql+{driver}://nowhere/none", poolclass=NullPool).dispose()
    postgres_place.installs()


def as_user(account: pwd.struct_passwd, what: Callable[[], None]) -> None:
    """Run ``what`` in a forked child that has become ``account`` for good."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            what()
            failed = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(failed)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as said:
        report = said.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, report
