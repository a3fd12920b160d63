"""Secrets made once and kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from leadops.errors import UsageError
from leadops.runtime.secrets import secret
from leadops.settings import Settings


def settings(home: Path, **given: SecretStr) -> Settings:
    return Settings(_env_file=None, home=home, **given)


def test_a_secret_is_made_once_private_and_stays(tmp_path):
    made = secret(settings(tmp_path / "home"), "secret_key")
    assert len(made) >= 32
    assert secret(settings(tmp_path / "home"), "secret_key") == made
    assert secret(settings(tmp_path / "home"), "ingest_key") != made
    assert (tmp_path / "home" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_everybody_who_comes_at_once_gets_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: secret(settings(tmp_path), "ingest_key"), range(8)))
    assert len(set(made)) == 1


def test_the_setting_wins_and_writes_nothing(tmp_path):
    assert secret(settings(tmp_path, secret_key=SecretStr("given")), "secret_key") == "given"
    assert not list(tmp_path.iterdir())


def test_an_empty_secret_is_refused_not_replaced(tmp_path):
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(UsageError, match="is empty"):
        secret(settings(tmp_path), "secret_key")
    with pytest.raises(UsageError, match="LEADOPS_INGEST_KEY is set but empty"):
        secret(settings(tmp_path, ingest_key=SecretStr("")), "ingest_key")
