"""The embedded Postgres: the wheel's binaries under LEADOPS_HOME, driven by initdb, pg_ctl and signals.

Unix socket only, so two checkouts never meet. The server outlives the process that started it; any process
with the same home adopts it, and may stop it. Where things stand and who owns them: ``postgres_place``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path

from leadops.errors import UsageError
from leadops.runtime import postgres_place as place
from leadops.runtime import postgres_process as process
from leadops.runtime.locks import file_lock
from leadops.runtime.secrets import kept_secret

PORT = 5432
# A crash recovery replays at most max_wal_size (1 GB), seconds to a minute; this is when we give up.
START_SECONDS = 120
FAST_STOP_SECONDS = 30
IMMEDIATE_STOP_SECONDS = 15
LOG_LINES_SHOWN = 15


class EmbeddedPostgres:
    """One server per home. ``durable=False`` gives up crash safety for speed: for tests only."""

    user = "leadops"

    def __init__(self, home: Path, *, durable: bool = True, elsewhere: Path = place.ELSEWHERE) -> None:
        self.home = Path(home).expanduser().resolve()
        self.durable = durable
        self._elsewhere = elsewhere

    # --- what it is -----------------------------------------------------------------------------------

    @property
    def socket_dir(self) -> Path:
        """Directory of the socket; of the running server where there is one."""
        state = self._state()
        lines = process.pid_file(state / "data")
        # TMPDIR may differ between processes: a running server's own word counts.
        if len(lines) > 4 and lines[4] and self.pid() is not None:
            return Path(lines[4])
        return place.socket_directory(self.home, state)

    def url(self, database: str = "leadops", driver: str = "psycopg") -> str:
        """A SQLAlchemy URL with the password: for memory and children's environment, never for logs."""
        from sqlalchemy import URL

        rendered = URL.create(
            f"postgresql+{driver}",
            username=self.user,
            password=self.password(),
            database=database,
            query={"host": str(self.socket_dir), "port": str(PORT)},
        ).render_as_string(hide_password=False)
        # Some readers of URLs take '+' in a query for a plus; a real plus is already %2B here.
        start, mark, query = rendered.partition("?")
        return start + mark + query.replace("+", "%20")

    def password(self) -> str:
        """Password of ``user``; made once, kept in home with mode 0600."""
        self.home.mkdir(parents=True, exist_ok=True)
        return kept_secret(self.home / "postgres_password")

    def pid(self) -> int | None:
        """Process id of the postmaster of this home's data, None when it is not running."""
        found = process.postmaster(self._state() / "data")
        return None if found is None else found.pid

    def is_running(self) -> bool:
        """Whether the server accepts connections."""
        data = self._state() / "data"
        return process.status(data) == "ready" and process.postmaster(data) is not None

    def log_tail(self) -> str:
        """The last lines the server wrote."""
        return _tail(self._state() / "log")

    def _state(self) -> Path:
        try:
            return place.located(self.home) or self.home / "postgres"
        except PermissionError:
            raise process.not_ours(self.home) from None

    # --- start ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or adopt what runs already; create the data at the first call; recover after any crash.

        Waits as long as the server says it is starting up (120 s at most). Raises UsageError with the last
        log lines when it does not come up, or with what to do when it cannot run here.
        """
        if self.is_running():
            return
        try:
            with file_lock(self.home / ".postgres.lock"):
                self._start()
        except PermissionError:
            raise process.not_ours(self.home) from None

    def _start(self) -> None:
        user = place.server_user((place.located(self.home) or self.home / "postgres") / "data")
        state = place.settle(self.home, user, self._elsewhere)
        data = state / "data"
        major, install = place.install_for(data)
        if self._adopt(data, state):
            return
        process.clear_crash(data)
        binaries = place.reachable_install(install, state, user) / "bin"
        place.own_directory(state / "log", user)
        sockets = place.socket_directory(self.home, state)
        place.make_socket_directory(sockets, state, user)
        for name in (place.SOCKET_NAME, f"{place.SOCKET_NAME}.lock"):
            (sockets / name).unlink(missing_ok=True)
        self._initialise(state, binaries, user, major)
        self._write_configuration(state, sockets, user)
        _start_server(binaries, state, user)

    def _adopt(self, data: Path, state: Path) -> bool:
        """Wait for a server that somebody else started. False: there is none (any more)."""
        end = time.monotonic() + START_SECONDS
        while process.postmaster(data) is not None:
            if process.status(data) == "ready":
                return True
            if time.monotonic() > end:
                raise _did_not_start(state)
            time.sleep(0.1)
        return False

    def _initialise(self, state: Path, binaries: Path, user: place.ServerUser, major: int) -> None:
        """initdb into a draft that becomes the data when complete: an interrupted one leaves nothing."""
        password_file = self.home / "postgres_password"
        data = state / "data"
        if data.exists():
            if not password_file.exists():
                self._reset_password(state, binaries, user)
            return
        draft = state / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        place.own_directory(draft, user)
        # By a file in a directory of the server's user: an argument would show in `ps`.
        handed = place.own_directory(state / "handed", user) / "password"
        _write(handed, self.password() + "\n", 0o600, user)
        # The builtin provider sorts and folds UTF-8 the same way on every machine; older ones lack it.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
        command = [
            *(
                str(binaries / "initdb"),
                "-D",
                "data.new",
                "-U",
                self.user,
                "-E",
                "UTF8",
                "--locale=C",
                *locale,
            ),
            *("--auth=scram-sha-256", "--pwfile=handed/password"),
            *([] if self.durable else ["--no-sync"]),
        ]
        try:
            done = place.run_as(user, command, cwd=state)
        finally:
            shutil.rmtree(handed.parent, ignore_errors=True)
        if done.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise UsageError(
                "postgres_init", f"Postgres could not create a database in {state}: {_last(done.stdout)}"
            )
        draft.replace(data)

    def _reset_password(self, state: Path, binaries: Path, user: place.ServerUser) -> None:
        """The kept password is gone: make another and tell the database, in single-user mode."""
        command = [str(binaries / "postgres"), "--single", "-D", "data", "postgres"]
        told = f"ALTER ROLE {self.user} PASSWORD '{self.password()}';\n"
        done = place.run_as(user, command, cwd=state, stdin=told)
        if done.returncode != 0:
            (self.home / "postgres_password").unlink()
            raise UsageError("postgres_init", f"The password could not be renewed: {_last(done.stdout)}")

    def _write_configuration(self, state: Path, sockets: Path, user: place.ServerUser) -> None:
        """Written at every start, in files the server can read and not write."""
        files = {
            "postgresql.conf": "".join(f"{k} = {v}\n" for k, v in self._options(state, sockets).items()),
            # Never trust. Peer where client and server are the same account, and root anyway.
            "pg_hba.conf": f"local all {self.user} "
            + ("scram-sha-256" if user.other else "peer map=leadops")
            + "\nlocal all all scram-sha-256\n",
            "pg_ident.conf": "".join(
                f'leadops "{name}" {self.user}\n' for name in sorted({user.name, "root"})
            ),
        }
        for name, content in files.items():
            _write(state / name, content, 0o644, None)

    def _options(self, state: Path, sockets: Path) -> dict[str, str]:
        on = "on" if self.durable else "off"
        return {
            "data_directory": _quoted(state / "data"),
            "hba_file": _quoted(state / "pg_hba.conf"),
            "ident_file": _quoted(state / "pg_ident.conf"),
            "listen_addresses": "''",
            "port": str(PORT),
            # A list of its own inside the value, hence two kinds of quotes.
            "unix_socket_directories": _quoted('"' + str(sockets).replace('"', '""') + '"'),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "128MB",
            # Parallel queries would take both cores of a small machine from the path of a lead, and need
            # more shared memory than a container usually has.
            "max_parallel_workers_per_gather": "0",
            # For disks that seek. With 4, the default, what is due was looked for in the whole table.
            "random_page_cost": "1.1",
            "fsync": on,
            "full_page_writes": on,
            "synchronous_commit": on,
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "logging_collector": "on",
            "log_directory": _quoted(state / "log"),
            # A week of files that overwrite themselves.
            "log_filename": "'postgres-%a.log'",
            "log_truncate_on_rotation": "on",
            "log_rotation_age": "1d",
            "log_rotation_size": "0",
            "log_checkpoints": "off",
            # Statements and their errors carry personal data; whoever sent them gets the error.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }

    # --- stop -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop whoever started it: fast, then immediate, then by force. Returns when no process is left."""
        if not self.home.exists():
            return
        try:
            with file_lock(self.home / ".postgres.lock"):
                data = self._state() / "data"
                for how, seconds in (
                    (signal.SIGINT, FAST_STOP_SECONDS),
                    (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
                    (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
                ):
                    if process.stopped(data, how, seconds):
                        break
                process.clear_crash(data)
        except PermissionError:
            raise process.not_ours(self.home) from None

    # --- databases ------------------------------------------------------------------------------------

    def ensure_database(self, name: str) -> None:
        """Create database ``name`` on the running server unless it exists. Safe from several processes."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(
            host=str(self.socket_dir), port=PORT, user=self.user, password=self.password(), dbname="postgres",
            autocommit=True, connect_timeout=10,
        ) as connection:  # fmt: skip
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                return
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # another process was faster


def _start_server(binaries: Path, state: Path, user: place.ServerUser) -> None:
    # Relative names, because pg_ctl hands them to a shell without escaping them.
    command = [
        *(str(binaries / "pg_ctl"), "start", "-w", "-t", str(START_SECONDS), "-s"),
        *("-D", "data", "-l", "log/start.log", "-o", "-c config_file=postgresql.conf"),
    ]
    done = place.run_as(user, command, cwd=state)
    if done.returncode != 0:
        raise _did_not_start(state)


# --- files and words ------------------------------------------------------------------------------------


def _write(path: Path, content: str, mode: int, owner: place.ServerUser | None) -> None:
    """Replace ``path`` as a whole; never through a link that somebody put in its place."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), mode)
        if owner is not None and owner.other:
            os.fchown(stream.fileno(), owner.uid, owner.gid)
    draft.replace(path)


def _quoted(value: Path | str) -> str:
    return "'" + re.sub(r"(['\\])", r"\1\1", str(value)) + "'"


def _last(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-LOG_LINES_SHOWN:] if line.strip())


def _tail(log: Path) -> str:
    files = sorted(log.glob("*.log"), key=lambda path: path.stat().st_mtime)
    return _last("\n".join(path.read_text(encoding="utf-8", errors="replace")[-8000:] for path in files[-2:]))


def _did_not_start(state: Path) -> UsageError:
    return UsageError(
        "postgres_start",
        f"Postgres did not start within {START_SECONDS} s or ended by itself; "
        f"see {state / 'log'}. Its last words: {_tail(state / 'log')}",
    )
