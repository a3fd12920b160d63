"""Is it ready? Small questions to a service in its own protocol: quick, and False for every kind of no."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from leadops.runtime.ports import reachable_host

TIMEOUT_S = 2.0

Probe = Callable[[], bool]


def http_ok(host: str, port: int, path: str) -> Probe:
    """GET answers 200. No proxy: these are our own servers on this machine."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(reachable_host(host), port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def code_server(target: str) -> Probe:
    """The code server at a gRPC target (`unix:/path` or `host:port`) has loaded its code and serves."""
    socket = Path(target.removeprefix("unix:")) if target.startswith("unix:") else None

    def ask() -> bool:
        if socket is not None and not socket.exists():
            return False
        import grpc  # type: ignore[import-untyped]
        from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]
        from grpc_health.v1.health_pb2_grpc import HealthStub  # type: ignore[import-untyped]

        # A channel per question: one that met a refusal waits longer and longer before it tries again.
        with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                answer = HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service="DagsterApi"), timeout=TIMEOUT_S
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return ask


def runner_listens(business_url: str) -> Probe:
    """A runner serves every lane."""

    def ask() -> bool:
        from leadops.store.engine import StoreError, open_engine, transaction
        from leadops.store.runners import LANES, lanes_served

        engine = open_engine(business_url, pool_size=1)
        try:
            with transaction(engine) as connection:
                return lanes_served(connection) == set(LANES)
        except StoreError:
            return False
        finally:
            engine.dispose()

    return ask


def daemon_beats(dagster_url: str, since: datetime, daemon: str = "SENSOR") -> Probe:
    """A Dagster daemon has written a heartbeat after `since` (aware) into Dagster's database."""

    def ask() -> bool:
        import sqlalchemy as sa

        beats = sa.table("daemon_heartbeats", sa.column("daemon_type"), sa.column("timestamp", sa.TIMESTAMP))
        latest = sa.select(sa.func.max(beats.c.timestamp)).where(beats.c.daemon_type == daemon)
        engine = sa.create_engine(dagster_url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                beat = connection.execute(latest).scalar()
        except sa.exc.SQLAlchemyError:
            return False
        finally:
            engine.dispose()
        return isinstance(beat, datetime) and beat.replace(tzinfo=UTC) >= since

    return ask
