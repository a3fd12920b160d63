"""What tests of the embedded server share: asking it, finding its processes, killing them."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from sqlalchemy import NullPool, create_engine

from leadops.runtime import postgres_place, postgres_process
from leadops.runtime.postgres import EmbeddedPostgres


def run(server: EmbeddedPostgres, statement: str, driver: str = "psycopg") -> object:
    """First value of the statement's result, through the URL others use."""
    engine = create_engine(server.url("postgres", driver), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


def processes(server: EmbeddedPostgres) -> list[psutil.Process]:
    return postgres_process.processes(state(server) / "data")


def state(server: EmbeddedPostgres) -> Path:
    return postgres_place.located(server.home) or server.home / "postgres"


def kill_all(server: EmbeddedPostgres) -> None:
    for process in processes(server):
        process.kill()
    while processes(server):
        os.sched_yield()
